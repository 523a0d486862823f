"""Metrics of the predicted classes: what share is right, and how predictions agree with the labels."""

from __future__ import annotations

from typing import Literal

from torch import Tensor
from torchmetrics import MeanMetric, Metric
from torchmetrics.classification import (
    MulticlassAccuracy,
    MulticlassCohenKappa,
    MulticlassF1Score,
    MulticlassMatthewsCorrCoef,
    MulticlassPrecision,
    MulticlassRecall,
)

from zoo.core.spec import InputSpec

#: How the figures of the classes become one: their mean, their mean by the classes' images, or over all images at once.
Average = Literal["macro", "weighted", "micro"]


def accuracy(spec: InputSpec) -> Metric:
    """The share of images whose likeliest class is the right one.

    Args:
        spec: of the data.
    """
    return MulticlassAccuracy(len(spec.classes), average="micro")


def top5_accuracy(spec: InputSpec) -> Metric:
    """The share of images whose right class is among the five likeliest.

    Args:
        spec: of the data, of more than 5 classes.

    Raises:
        ValueError: there are no more than 5 classes.
    """
    if len(spec.classes) <= 5:
        raise ValueError(f"the data has {len(spec.classes)} classes; allowed are more than 5")
    return MulticlassAccuracy(len(spec.classes), average="micro", top_k=5)


def balanced_accuracy(spec: InputSpec) -> Metric:
    """The mean over the classes of the share of their images that is right: rare classes count as much as others.

    Args:
        spec: of the data.
    """
    return MulticlassAccuracy(len(spec.classes), average="macro")


def f1(spec: InputSpec, average: Average = "macro") -> Metric:
    """The F1 score: the harmonic mean of precision and recall.

    Args:
        spec: of the data.
        average: how the figures of the classes become one.
    """
    return MulticlassF1Score(len(spec.classes), average=average)


def precision(spec: InputSpec, average: Average = "macro") -> Metric:
    """Of the images that are predicted as a class, the share that is of it.

    Args:
        spec: of the data.
        average: how the figures of the classes become one.
    """
    return MulticlassPrecision(len(spec.classes), average=average)


def recall(spec: InputSpec, average: Average = "macro") -> Metric:
    """Of the images of a class, the share that is predicted as it.

    Args:
        spec: of the data.
        average: how the figures of the classes become one.
    """
    return MulticlassRecall(len(spec.classes), average=average)


def kappa(spec: InputSpec, weights: Literal["none", "linear", "quadratic"] = "none") -> Metric:
    """Cohen's kappa: agreement of predictions and labels beyond chance, 1 where all agree and 0 by chance.

    Args:
        spec: of the data.
        weights: how much a wrong class costs: all the same, or by its distance, or its square, in the order of classes.
    """
    return MulticlassCohenKappa(len(spec.classes), weights=weights)


def mcc(spec: InputSpec) -> Metric:
    """Matthews' correlation of predictions and labels, -1 to 1; a rare class counts.

    Args:
        spec: of the data.
    """
    return MulticlassMatthewsCorrCoef(len(spec.classes))


class RankError(MeanMetric):
    """Mean distance of the predicted class from the right one."""

    higher_is_better = False  # type: ignore[assignment]  # MeanMetric says None

    def update(self, logits: Tensor, labels: Tensor) -> None:  # type: ignore[override]  # a metric of logits
        """Add a batch: logits ``(batch, classes)``, int64 labels ``(batch,)``."""
        super().update((logits.argmax(dim=1) - labels).abs().float())


def rank_error(spec: InputSpec) -> Metric:
    """How many classes the prediction is away from the right one on average, for classes in an order, such as grades.

    Args:
        spec: of the data, whose classes are in order.
    """
    return RankError()
