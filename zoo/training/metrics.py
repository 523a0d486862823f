"""The metrics of a split: loss, accuracy, macro F1 and, with more than 5 classes, top-5 accuracy."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor, nn
from torchmetrics import MeanMetric, MetricCollection
from torchmetrics.classification import MulticlassAccuracy, MulticlassF1Score


class SplitMetrics(nn.Module):
    """Torchmetrics over all batches of one split, and over all processes.

    Args:
        classes: number of classes.
        split: its name comes before the slash in the names of the metrics.
    """

    def __init__(self, classes: int, split: str) -> None:
        super().__init__()
        self.split = split
        metrics: dict[str, Any] = {
            "accuracy": MulticlassAccuracy(classes, average="micro"),
            "f1": MulticlassF1Score(classes, average="macro"),
        }
        if classes > 5:
            metrics["top5_accuracy"] = MulticlassAccuracy(classes, average="micro", top_k=5)
        # MetricCollection guesses groups from the first batch: if all of it is right, or wrong, top-5 becomes top-1.
        self.figures = MetricCollection(metrics, prefix=f"{split}/", compute_groups=False)
        self.loss = MeanMetric()

    @property
    def names(self) -> list[str]:
        """The names of the metrics, sorted, the split's name before the slash."""
        return sorted([f"{self.split}/loss", *map(str, self.figures.keys())])

    def update(self, logits: Tensor, labels: Tensor, loss: Tensor) -> None:
        """Add a batch: logits ``(batch, classes)``, int64 labels ``(batch,)``, and its mean loss."""
        self.figures.update(logits, labels)
        self.loss.update(loss, len(labels))

    def compute_and_reset(self) -> dict[str, Tensor]:
        """Return the metrics by name, and start from zero."""
        values = {f"{self.split}/loss": self.loss.compute(), **self.figures.compute()}
        self.reset()
        return values

    def reset(self) -> None:
        """Start from zero."""
        with torch.inference_mode(False):  # sums which the validation of a later fit can add to
            self.figures.reset()
            self.loss.reset()
