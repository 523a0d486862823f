"""What a network answers for a split, in figures: confusion, precision and recall by class, calibration, and pictures.

batches of (images, labels, logits) ──► Predictions ──► Assessment: numbers
                                             └────────► the mistakes it was surest of, the hits it was least sure of
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from functools import cached_property
from itertools import islice
from typing import Any

import numpy as np
import torch
from lightning.pytorch import LightningModule, Trainer
from lightning.pytorch.callbacks import Callback
from torch import Tensor

from zoo.classifier import ImageClassifier
from zoo.errors import RunError
from zoo.sources import Batch

#: Pictures that are kept of the mistakes, and as many of the hits.
PICTURES = 12

#: Classes that are kept beside a picture.
GUESSES = 3

#: Bins of equal width, as in Guo et al.'s figures.
BINS = 15


@dataclass(frozen=True)
class Picture:
    """An image worth a look.

    Args:
        pixels: uint8 ``(height, width, channels)``, as the network was given it.
        label: its class.
        guesses: ``(label, probability)``, the GUESSES likeliest, in their order.
    """

    pixels: np.ndarray
    label: int
    guesses: list[tuple[int, float]]

    @property
    def confidence(self) -> float:
        """Probability of the likeliest class."""
        return self.guesses[0][1]


class Predictions:
    """Takes answers batch by batch; the images themselves are not kept, but for a few.

    Args:
        classes: how many there are.
    """

    def __init__(self, classes: int) -> None:
        self.classes = classes
        self.mistakes: list[Picture] = []
        self.unsure_hits: list[Picture] = []
        self._labels: list[Tensor] = []
        self._predicted: list[Tensor] = []
        self._confidence: list[Tensor] = []
        self._top5_hits = 0

    def add(self, images: Tensor, labels: Tensor, logits: Tensor) -> None:
        """Take a batch.

        Args:
            images: uint8 ``(batch, height, width, channels)``.
            labels: int64 ``(batch,)``.
            logits: floating ``(batch, classes)``.

        Raises:
            RunError: a logit is not finite.
        """
        logits = logits.detach().float()
        best = logits.topk(min(5, self.classes), dim=1).indices.cpu()
        probabilities = logits.softmax(dim=1).cpu().gather(1, best)
        if not probabilities.isfinite().all():
            raise RunError("the network answers with numbers that are not finite")
        labels = labels.cpu()
        hits, confidence = best[:, 0] == labels, probabilities[:, 0]
        self._labels.append(labels)
        self._predicted.append(best[:, 0])
        self._confidence.append(confidence)
        self._top5_hits += int((best == labels[:, None]).sum())

        def keep(kept: list[Picture], chosen: Tensor, sign: int) -> None:
            """Merge a batch's pictures into those kept, which are those of the largest ``sign * confidence``."""
            order = (sign * confidence[chosen]).argsort(descending=True, stable=True)[:PICTURES]
            for index in chosen[order].tolist():
                if len(kept) == PICTURES and sign * float(confidence[index]) <= sign * kept[-1].confidence:
                    break
                pairs = zip(best[index, :GUESSES].tolist(), probabilities[index, :GUESSES].tolist(), strict=True)
                kept.append(Picture(images[index].cpu().numpy().copy(), int(labels[index]), list(pairs)))
                kept.sort(key=lambda picture: -sign * picture.confidence)
                del kept[PICTURES:]

        keep(self.mistakes, (~hits).nonzero()[:, 0], 1)
        keep(self.unsure_hits, hits.nonzero()[:, 0], -1)

    def assessment(self) -> Assessment | None:
        """Return the figures; None where no batch came."""
        if not self._labels:
            return None
        labels, predicted = torch.cat(self._labels).numpy(), torch.cat(self._predicted).numpy()
        confidence = torch.cat(self._confidence).double().numpy()
        size = (self.classes, self.classes)
        confusion = np.bincount(labels * self.classes + predicted, minlength=self.classes**2).reshape(size)
        # Upper ends belong to a bin: 1 is in the last.
        bins = np.clip(np.ceil(confidence * BINS).astype(int) - 1, 0, BINS - 1)
        counts, sums, hits = (
            np.bincount(bins, weights=weights, minlength=BINS)
            for weights in (np.ones(len(bins)), confidence, (labels == predicted).astype(float))
        )
        top5 = self._top5_hits / len(labels) if self.classes > 5 else None
        return Assessment(confusion, top5, counts.astype(int), sums, hits)


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


class CollectPredictions(Callback):
    """Takes what a test answers on its way, so that no image is classified twice.

    Args:
        predictions: where it goes.
    """

    def __init__(self, predictions: Predictions) -> None:
        self.predictions = predictions

    def on_test_batch_end(
        self, trainer: Trainer, pl_module: LightningModule, outputs: Any, batch: Batch, *args: Any
    ) -> None:
        """Take a batch."""
        self.predictions.add(*batch, outputs["logits"])


def predictions_of(
    classifier: ImageClassifier, loader: Iterable[Batch], trainer: Trainer, limit: int | None
) -> Predictions:
    """Classify a split where, and in the precision in which, a trainer would.

    Args:
        classifier: is moved to the trainer's device and put into evaluation mode.
        loader: the split's batches, in order.
        trainer: of one process.
        limit: batches, at most; None takes all.
    """
    precision, device = trainer.precision_plugin, trainer.strategy.root_device
    precision.convert_module(classifier).to(device).eval()
    predictions = Predictions(len(classifier.spec.classes))
    with torch.inference_mode(), precision.forward_context():
        for images, labels in islice(loader, limit):
            predictions.add(images, labels, classifier(images.to(device)))
    return predictions


def _shares(counts: np.ndarray, wholes: np.ndarray) -> np.ndarray:
    shares: np.ndarray = np.divide(counts, wholes, out=np.zeros(len(counts)), where=wholes > 0)
    return shares
