"""Calibration: how well confidence predicts accuracy, and the temperature that brings both together.

    logits of the validation images ──► temperature T ──► probabilities = softmax(logits / T)

Source: C. Guo et al., "On Calibration of Modern Neural Networks" (2017), https://arxiv.org/abs/1706.04599
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor
from torch.nn.functional import cross_entropy

#: Calibration bins of equal width, as in Guo et al. 2017.
BINS = 15

#: With fewer images the temperature stays 1: chance would decide it.
FEWEST_IMAGES = 100

#: Parts of the images: the confidence in each comes from a temperature that was fitted on the others.
FOLDS = 5

#: Range of the search.
LOWEST, HIGHEST = 0.05, 20.0


@dataclass(frozen=True)
class Calibration:
    """How well confidence predicts accuracy; bins without a prediction are left out.

    Args:
        bins: int64 ``(used,)``; bin n holds confidences above n / BINS and up to (n + 1) / BINS.
        counts: int64 ``(used,)``, predictions in each bin.
        accuracy: float64 ``(used,)``, share of correct predictions in each bin.
        confidence: float64 ``(used,)``, mean confidence in each bin.
    """

    bins: np.ndarray
    counts: np.ndarray
    accuracy: np.ndarray
    confidence: np.ndarray

    @property
    def error(self) -> float:
        """Expected calibration error: the mean of ``|accuracy - confidence|`` over bins, weighted by their counts."""
        return float(np.average(np.abs(self.accuracy - self.confidence), weights=self.counts))

    @property
    def mean_confidence(self) -> float:
        """Mean confidence of all predictions."""
        return float(np.average(self.confidence, weights=self.counts))


def calibration_of(correct: np.ndarray, confidence: np.ndarray) -> Calibration:
    """Return the calibration of predictions.

    Args:
        correct: bool ``(count,)``, count above 0.
        confidence: floating ``(count,)``, probability of the predicted class, 0 to 1.
    """
    places = np.searchsorted(np.linspace(0, 1, BINS + 1)[1:-1], confidence)
    bins, places, counts = np.unique(places, return_inverse=True, return_counts=True)
    accuracy, mean_confidence = (np.bincount(places, weights=values) / counts for values in (correct, confidence))
    return Calibration(bins, counts, accuracy, mean_confidence)


@dataclass(frozen=True)
class Scaling:
    """What a temperature changes.

    Args:
        temperature: the number by which logits are divided before they become probabilities, more than 0.
        after: calibration of the probabilities with it.
        judged: on which images ``after`` is measured, for people.
    """

    temperature: float
    after: Calibration
    judged: str


def fit_temperature(logits: Tensor, labels: Tensor) -> float:
    """Return the temperature with the lowest cross-entropy; 1 for fewer images than FEWEST_IMAGES.

    The targets are smoothed by 1 / (images + 2), as Platt (1999) does: without, the temperature of a network that is
    always right would be 0.

    Args:
        logits: floating ``(count, classes)``, finite.
        labels: int64 ``(count,)``.
    """
    if len(labels) < FEWEST_IMAGES:
        return 1.0
    smoothing = 1 / (len(labels) + 2)

    def loss(logarithm: float) -> float:
        return float(cross_entropy(logits / math.exp(logarithm), labels, label_smoothing=smoothing))

    return math.exp(_lowest(loss, math.log(LOWEST), math.log(HIGHEST)))


def _lowest(function: Callable[[float], float], low: float, high: float) -> float:
    """Return where a function of one minimum has it, up to 5e-4, by golden-section search (J. Kiefer, 1953).

    Importing scipy.optimize for it would take longer than the whole search.
    """
    ratio = (math.sqrt(5) - 1) / 2
    left, right = high - ratio * (high - low), low + ratio * (high - low)
    at_left, at_right = function(left), function(right)
    while high - low > 1e-3:
        if at_left < at_right:
            high, right, at_right = right, left, at_left
            left = high - ratio * (high - low)
            at_left = function(left)
        else:
            low, left, at_left = left, right, at_right
            right = low + ratio * (high - low)
            at_right = function(right)
    return (low + high) / 2


def cross_fitted(logits: Tensor, labels: Tensor) -> Scaling | None:
    """Return the temperature of images, and the calibration of each part of them by that of the others.

    Arguments as ``fit_temperature``; None for fewer images than FEWEST_IMAGES.
    """
    if len(labels) < FEWEST_IMAGES:
        return None
    correct = (logits.argmax(1) == labels).numpy()
    parts, confidence = torch.arange(len(labels)) % FOLDS, torch.empty(len(labels))
    for part in range(FOLDS):
        inside = parts == part
        temperature = fit_temperature(logits[~inside], labels[~inside])
        confidence[inside] = (logits[inside] / temperature).softmax(1).amax(1)
    after = calibration_of(correct, confidence.numpy())
    return Scaling(fit_temperature(logits, labels), after, f"cross-fitted on {len(labels):,} validation images")
