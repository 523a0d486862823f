"""What a network answers for a split, taken batch by batch: for figures, and a few pictures worth a look.

batches of (images, labels, logits) ──► Predictions ──► Assessment: numbers
                                             └────────► the mistakes it was surest of, the hits it was least sure of
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from itertools import islice
from typing import Any

import numpy as np
import torch
from lightning.pytorch import LightningModule, Trainer
from lightning.pytorch.callbacks import Callback
from torch import Tensor

from zoo.core.errors import RunError
from zoo.data.sources import Batch
from zoo.models.classifier import Classifier
from zoo.reports.assess import Assessment, assess

#: Pictures that are kept of the mistakes, and as many of the hits.
PICTURES = 12

#: Classes that are kept beside a picture.
GUESSES = 3


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
        """
        logits = logits.detach().float()
        best = logits.topk(min(5, self.classes), dim=1).indices
        probabilities = logits.softmax(dim=1).gather(1, best).cpu()
        best, labels = best.cpu(), labels.cpu()
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
        """Return the figures; None where no batch came.

        Raises:
            RunError: a logit was not finite.
        """
        if not self._labels:
            return None
        confidence = torch.cat(self._confidence)
        if not confidence.isfinite().all():
            raise RunError("the network answers with numbers that are not finite")
        labels, predicted = torch.cat(self._labels).numpy(), torch.cat(self._predicted).numpy()
        top5 = self._top5_hits / len(labels) if self.classes > 5 else None
        return assess(labels, predicted, confidence.numpy(), self.classes, top5)


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


def predictions_of(classifier: Classifier, loader: Iterable[Batch], trainer: Trainer, limit: int | None) -> Predictions:
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
