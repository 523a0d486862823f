"""Figures of a classified split: confusion, precision and recall by class, calibration."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np

#: Bins of equal width, as in Guo et al.'s figures.
BINS = 15


@dataclass(frozen=True)
class Assessment:
    """Figures of a split; where a share has nothing to count it is 0, as in scikit-learn.

    Args:
        confusion: int64 ``(classes, classes)``, images by true class (rows) and predicted class (columns).
        top5_accuracy: share of images whose class is among the five likeliest; None of at most 5 classes.
        bin_counts: int64 ``(BINS,)``, images by confidence: the n-th bin holds more than n/BINS up to (n+1)/BINS.
        bin_confidence: float64 ``(BINS,)``, the sums of their confidences.
        bin_hits: float64 ``(BINS,)``, how many of them were right.
    """

    confusion: np.ndarray
    top5_accuracy: float | None
    bin_counts: np.ndarray
    bin_confidence: np.ndarray
    bin_hits: np.ndarray

    @property
    def images(self) -> int:
        """How many images were classified."""
        return int(self.confusion.sum())

    @property
    def accuracy(self) -> float:
        """Share of images that were right."""
        return float(np.trace(self.confusion) / self.images)

    @cached_property
    def support(self) -> np.ndarray:
        """Images of each class, int64 ``(classes,)``."""
        return np.asarray(self.confusion.sum(axis=1))

    @cached_property
    def predicted(self) -> np.ndarray:
        """How often each class was answered, int64 ``(classes,)``."""
        return np.asarray(self.confusion.sum(axis=0))

    @cached_property
    def precision(self) -> np.ndarray:
        """Of the images that were given a class, the share that is of it: float64 ``(classes,)``."""
        return _shares(np.diag(self.confusion), self.predicted)

    @cached_property
    def recall(self) -> np.ndarray:
        """Of a class's images, the share that was given it: float64 ``(classes,)``."""
        return _shares(np.diag(self.confusion), self.support)

    @cached_property
    def f1(self) -> np.ndarray:
        """Harmonic mean of precision and recall: float64 ``(classes,)``."""
        return _shares(2 * np.diag(self.confusion), self.support + self.predicted)

    @property
    def macro_f1(self) -> float:
        """Mean F1 of the classes that occur, as a label or as an answer: torchmetrics' and ``zoo test``'s."""
        return float(self.f1[self.support + self.predicted > 0].mean())

    @property
    def calibration_error(self) -> float:
        """Expected calibration error: by how much confidence and accuracy of a bin differ, on average over the images.

        Source: C. Guo et al., "On Calibration of Modern Neural Networks" (2017), https://arxiv.org/abs/1706.04599
        """
        return float(np.abs(self.bin_hits - self.bin_confidence).sum() / self.images)

    def most_confused(self, count: int) -> list[tuple[int, int, int]]:
        """Return up to ``count`` pairs of classes as ``(true, predicted, images)``, the most images first."""
        wrong = self.confusion - np.diag(np.diag(self.confusion))
        order = np.argsort(-wrong, axis=None, kind="stable")[:count]
        pairs = [(int(index // len(wrong)), int(index % len(wrong))) for index in order]
        return [(true, guess, int(wrong[true, guess])) for true, guess in pairs if wrong[true, guess] > 0]

    def numbers(self) -> dict[str, Any]:
        """Return all of it for JSON; of the confusion matrix what is not 0, as true class, predicted class, images."""
        rows, columns = np.nonzero(self.confusion)
        return {
            "images": self.images,
            "accuracy": self.accuracy,
            "top5_accuracy": self.top5_accuracy,
            "macro_f1": self.macro_f1,
            "calibration_error": self.calibration_error,
            "precision": self.precision.tolist(),
            "recall": self.recall.tolist(),
            "f1": self.f1.tolist(),
            "support": self.support.tolist(),
            "confusion": np.stack([rows, columns, self.confusion[rows, columns]], axis=1).tolist(),
        }


def assess(
    labels: np.ndarray, predicted: np.ndarray, confidence: np.ndarray, classes: int, top5_accuracy: float | None = None
) -> Assessment:
    """Return the figures of predictions.

    Args:
        labels: int64 ``(count,)``, count not 0.
        predicted: int64 ``(count,)``.
        confidence: floating ``(count,)``, the probability of what was predicted, from 0 to 1.
        classes: how many there are.
        top5_accuracy: as Assessment has it.
    """
    confusion = np.bincount(labels * classes + predicted, minlength=classes**2).reshape(classes, classes)
    # Upper ends belong to a bin: 1 is in the last.
    bins = np.clip(np.ceil(confidence.astype(np.float64) * BINS).astype(int) - 1, 0, BINS - 1)
    counts = np.bincount(bins, minlength=BINS)
    sums, hits = (np.bincount(bins, values, minlength=BINS) for values in (confidence, labels == predicted))
    return Assessment(confusion, top5_accuracy, counts, sums, hits)


def _shares(counts: np.ndarray, wholes: np.ndarray) -> np.ndarray:
    shares: np.ndarray = np.divide(counts, wholes, out=np.zeros(len(counts)), where=wholes > 0)
    return shares
