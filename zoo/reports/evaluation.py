"""Collect the predictions of a network on a split, and compute classification metrics from them.

    batches of (images, labels, logits, positions) ──► Predictions ──► ClassificationMetrics
                                                 └────────► Examples

Examples are the most confident mistakes and the least certain correct predictions.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np
from torch import Tensor, cat

from zoo.core.errors import RunError
from zoo.reports.calibration import Calibration, Scaling, calibration_of, cross_fitted
from zoo.reports.predictions_csv import PredictionsCsv

#: Example images that are stored of the mistakes, and as many of the correct predictions.
EXAMPLES = 12

#: Most likely classes that are stored with an example.
TOP_K = 3

#: Most numbers of logits that are held to fit a temperature, 200 MB; of larger splits evenly spaced images are taken.
HELD_LOGITS = 50_000_000


@dataclass(frozen=True)
class Example:
    """An image with the prediction for it.

    Args:
        pixels: uint8 ``(height, width, channels)``, as the classifier received it.
        label: the true class.
        predictions: ``(label, probability)`` of the TOP_K most likely classes, in this order.
        position: of the image in its split, from 0.
    """

    pixels: np.ndarray
    label: int
    predictions: list[tuple[int, float]]
    position: int

    @property
    def confidence(self) -> float:
        """Probability of the most likely class."""
        return self.predictions[0][1]


@dataclass(frozen=True)
class ClassificationMetrics:
    """Metrics of a split, from scikit-learn; a share of nothing is 0.

    Args:
        confusion: int64 ``(classes, classes)``, images by true class (rows) and predicted class (columns).
        accuracy: share of images whose most likely class is the true one.
        top5_accuracy: share of images whose true class is among the five most likely; None for at most 5 classes.
        macro_f1: mean F1 of the classes that occur as a label or as a prediction, as ``zoo test`` reports it.
        precision: float64 ``(classes,)``; recall, f1 likewise.
        support: int64 ``(classes,)``, images of each class.
        calibration: accuracy by confidence, at temperature 1.
        scaling: the temperature and the calibration with it; None where it is 1.
    """

    confusion: np.ndarray
    accuracy: float
    top5_accuracy: float | None
    macro_f1: float
    precision: np.ndarray
    recall: np.ndarray
    f1: np.ndarray
    support: np.ndarray
    calibration: Calibration
    scaling: Scaling | None = None

    @property
    def images(self) -> int:
        """Number of images."""
        return int(self.support.sum())

    @property
    def predicted(self) -> np.ndarray:
        """How often each class was predicted, int64 ``(classes,)``."""
        return np.asarray(self.confusion.sum(axis=0))

    def most_confused(self, count: int) -> list[tuple[int, int, int]]:
        """Return up to ``count`` pairs of classes as ``(true, predicted, images)``, the most images first."""
        wrong = self.confusion - np.diag(np.diag(self.confusion))
        order = np.argsort(-wrong, axis=None, kind="stable")[:count]
        pairs = [(int(index // len(wrong)), int(index % len(wrong))) for index in order]
        return [(true, predicted, int(wrong[true, predicted])) for true, predicted in pairs if wrong[true, predicted]]

    def to_json(self) -> dict[str, Any]:
        """Return the metrics as JSON; ``confusion`` lists its cells above 0 as true class, predicted class, images."""
        rows, columns = np.nonzero(self.confusion)
        by_class = {name: getattr(self, name).tolist() for name in ("precision", "recall", "f1", "support")}
        return {
            "images": self.images,
            "accuracy": self.accuracy,
            "top5_accuracy": self.top5_accuracy,
            "macro_f1": self.macro_f1,
            "calibration_error": self.calibration.error,
            "temperature": 1.0 if self.scaling is None else self.scaling.temperature,
            "scaled_calibration_error": None if self.scaling is None else self.scaling.after.error,
            **by_class,
            "confusion": np.stack([rows, columns, self.confusion[rows, columns]], axis=1).tolist(),
        }


def compute_metrics(
    labels: np.ndarray,
    predicted: np.ndarray,
    confidence: np.ndarray,
    classes: int,
    top5_accuracy: float | None = None,
    scaling: Scaling | None = None,
) -> ClassificationMetrics:
    """Compute the metrics of predictions.

    Args:
        labels: int64 ``(count,)``, count above 0.
        predicted: int64 ``(count,)``.
        confidence: floating ``(count,)``, probability of the predicted class, 0 to 1.
        classes: number of classes.
        top5_accuracy: for more than 5 classes.
        scaling: what a temperature changes.
    """
    # By numpy alone: importing scikit-learn takes as long as a short training.
    confusion = np.bincount(labels * classes + predicted, minlength=classes**2).reshape(classes, classes)
    correct, guessed, support = np.diag(confusion), confusion.sum(axis=0), confusion.sum(axis=1)
    f1 = 2 * correct / np.maximum(guessed + support, 1)
    return ClassificationMetrics(
        confusion=confusion,
        accuracy=float(correct.sum() / len(labels)),
        top5_accuracy=top5_accuracy,
        macro_f1=float(f1[guessed + support > 0].mean()),
        precision=correct / np.maximum(guessed, 1),
        recall=correct / np.maximum(support, 1),
        f1=f1,
        support=support,
        calibration=calibration_of(labels == predicted, confidence),
        scaling=scaling,
    )


class Predictions:
    """Predictions of a split, collected batch by batch; only a few images are stored.

    Args:
        classes: number of classes.
        batches: batches to add, each as ``add`` takes it.
        table: gets a row for each image.
        temperature: the number by which logits are divided before they become the probabilities of table and examples.
        fit_on: number of images of the split, where a temperature is to be fitted on them; 0 fits none.
    """

    def __init__(
        self,
        classes: int,
        batches: Iterable[tuple[Tensor, Tensor, Tensor, list[int]]] = (),
        table: PredictionsCsv | None = None,
        temperature: float = 1.0,
        fit_on: int = 0,
    ) -> None:
        self.classes, self.table, self.temperature = classes, table, temperature
        #: Of every so many images the logits are held; 0 holds none.
        self._held_every = -(-fit_on * classes // HELD_LOGITS)
        self._held: list[tuple[Tensor, Tensor]] = []
        self.mistakes: list[Example] = []
        self.uncertain_correct: list[Example] = []
        self._labels: list[Tensor] = []
        self._predicted: list[Tensor] = []
        self._confidence: list[Tensor] = []
        self._scaled_confidence: list[Tensor] = []
        self._top5_correct = 0
        for batch in batches:
            self.add(*batch)

    def add(self, images: Tensor, labels: Tensor, logits: Tensor, positions: Sequence[int]) -> None:
        """Add a batch.

        Args:
            images: uint8 ``(batch, height, width, channels)``.
            labels: int64 ``(batch,)``.
            logits: floating ``(batch, classes)``.
            positions: of the images in their split, from 0.
        """
        logits = logits.detach().float()
        best = logits.topk(min(5, self.classes), dim=1).indices
        probabilities = (logits / self.temperature).softmax(dim=1)
        if self.table is not None:
            self.table.add(labels, probabilities, positions)
        probabilities = probabilities.gather(1, best).cpu()
        self._confidence.append(logits.softmax(dim=1).amax(dim=1).cpu())
        best, labels = best.cpu(), labels.cpu()
        correct, confidence = best[:, 0] == labels, probabilities[:, 0]
        self._labels.append(labels)
        self._predicted.append(best[:, 0])
        self._scaled_confidence.append(confidence)
        if self._held_every:
            held = [row for row, position in enumerate(positions) if position % self._held_every == 0]
            self._held.append((logits[held].cpu(), labels[held]))
        self._top5_correct += int((best == labels[:, None]).sum())

        def store(examples: list[Example], chosen: Tensor, sign: int) -> None:
            """Merge a batch's images into the stored ones, which have the largest ``sign * confidence``."""
            order = (sign * confidence[chosen]).argsort(descending=True, stable=True)[:EXAMPLES]
            for index in chosen[order].tolist():
                if len(examples) == EXAMPLES and sign * float(confidence[index]) <= sign * examples[-1].confidence:
                    break
                pairs = zip(best[index, :TOP_K].tolist(), probabilities[index, :TOP_K].tolist(), strict=True)
                pixels = images[index].cpu().numpy().copy()
                examples.append(Example(pixels, int(labels[index]), list(pairs), positions[index]))
                examples.sort(key=lambda example: -sign * example.confidence)
                del examples[EXAMPLES:]

        store(self.mistakes, (~correct).nonzero()[:, 0], 1)
        store(self.uncertain_correct, correct.nonzero()[:, 0], -1)

    @property
    def images(self) -> int:
        """Number of predictions so far."""
        return sum(map(len, self._labels))

    def metrics(self) -> ClassificationMetrics | None:
        """Return the metrics; None if no batch was added.

        Raises:
            RunError: a logit is not finite.
        """
        if not self._labels:
            return None
        confidence = cat(self._confidence)
        if not confidence.isfinite().all():
            raise RunError("the network answers with numbers that are not finite")
        labels, predicted = cat(self._labels).numpy(), cat(self._predicted).numpy()
        top5_accuracy = self._top5_correct / len(labels) if self.classes > 5 else None
        return compute_metrics(labels, predicted, confidence.numpy(), self.classes, top5_accuracy, self.scaling)

    @cached_property
    def scaling(self) -> Scaling | None:
        """What the temperature changes: the one that was given, or one fitted on these images; None where it is 1.

        A fitted one is 1 as well where the probabilities of the images held out would be off by no less with it.
        """
        if not self._labels:
            return None
        correct = (cat(self._labels) == cat(self._predicted)).numpy()
        if self._held:
            logits, labels = (cat(parts) for parts in zip(*self._held, strict=True))
            fitted = cross_fitted(logits, labels) if logits.isfinite().all() else None
            before = calibration_of(correct, cat(self._confidence).numpy()).error
            return fitted if fitted is not None and fitted.after.error < before else None
        if self.temperature == 1:
            return None
        after = calibration_of(correct, cat(self._scaled_confidence).numpy())
        return Scaling(self.temperature, after, f"fitted on the validation images, judged on these {len(correct):,}")
