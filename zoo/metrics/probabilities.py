"""Metrics of the probabilities: how well they order the images, and whether they are as high as they should be."""

from __future__ import annotations

from typing import Literal

from torch import Tensor
from torchmetrics import Metric
from torchmetrics.classification import MulticlassAUROC, MulticlassAveragePrecision, MulticlassCalibrationError

from zoo.core.spec import InputSpec


class OfLogits:
    """Gives a metric of probabilities those of logits: torchmetrics takes logits between 0 and 1 for probabilities."""

    def update(self, preds: Tensor, target: Tensor) -> None:
        """Add a batch: logits ``(batch, classes)``, int64 labels ``(batch,)``."""
        super().update(preds.softmax(dim=1), target)  # type: ignore[misc]  # of the metric


class AUROC(OfLogits, MulticlassAUROC):
    """Area under the ROC curve, of logits."""


class AveragePrecision(OfLogits, MulticlassAveragePrecision):
    """Area under the curve of precision over recall, of logits."""


class CalibrationError(OfLogits, MulticlassCalibrationError):
    """Expected calibration error, of logits."""


def auroc(spec: InputSpec, average: Literal["macro", "weighted"] = "macro") -> Metric:
    """How surely an image of a class gets a higher probability of it than another image: 1 always, 0.5 by chance.

    It keeps the probabilities of all images of the split in memory.

    Args:
        spec: of the data.
        average: of the classes: their mean, or weighted by their images.
    """
    return AUROC(len(spec.classes), average=average)


def average_precision(spec: InputSpec, average: Literal["macro", "weighted"] = "macro") -> Metric:
    """The area under the curve of precision over recall, for classes with few images.

    It keeps the probabilities of all images of the split in memory.

    Args:
        spec: of the data.
        average: of the classes: their mean, or weighted by their images.
    """
    return AveragePrecision(len(spec.classes), average=average)


def calibration_error(spec: InputSpec, bins: int = 15) -> Metric:
    """How far the probability of the predicted class is from the share that is right, 0 to 1.

    C. Guo et al., "On Calibration of Modern Neural Networks" (2017), https://arxiv.org/abs/1706.04599, equation 3.

    Args:
        spec: of the data.
        bins: of probabilities from 0 to 1.

    Raises:
        ValueError: there are less than 1 bins.
    """
    if bins < 1:
        raise ValueError(f"bins is {bins}; allowed is 1 or more (15 is usual)")
    return CalibrationError(len(spec.classes), n_bins=bins)
