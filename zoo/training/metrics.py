"""What is measured of a split: loss, accuracy, macro F1 and, of more than 5 classes, top-5 accuracy."""

from __future__ import annotations

from typing import Any

from torch import Tensor, nn
from torchmetrics import MeanMetric, MetricCollection
from torchmetrics.classification import MulticlassAccuracy, MulticlassF1Score


class SplitMetrics(nn.Module):
    """Torchmetrics over the batches of one split, of all processes.

    Args:
        classes: how many there are.
        split: its name, before the slash of each metric's.
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
        # Groups are guessed from the first batch: where it is all right or all wrong, top-5 would be top-1 for good.
        self.figures = MetricCollection(metrics, prefix=f"{split}/", compute_groups=False)
        self.loss = MeanMetric()

    def update(self, logits: Tensor, labels: Tensor, loss: Tensor) -> None:
        """Add a batch: logits ``(batch, classes)``, int64 labels ``(batch,)``, and its mean loss."""
        self.figures.update(logits, labels)
        self.loss.update(loss, len(labels))

    def take(self) -> dict[str, Tensor]:
        """Return the metrics by name, and begin anew."""
        found = {f"{self.split}/loss": self.loss.compute(), **self.figures.compute()}
        self.figures.reset()
        self.loss.reset()
        return found
