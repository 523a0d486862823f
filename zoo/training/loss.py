"""The loss: cross-entropy or mean squared error, with label smoothing, class weights and mixed targets."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor, nn

from zoo.core.errors import UserError


class Loss(nn.Module):
    """A mean over the images of a batch.

    With class weights, each image's loss is multiplied by the weight of its class, and the sum is divided by the number
    of images: so the mean over an epoch does not depend on the batch size.

    Args:
        kind: cross_entropy, or mse: the mean squared error of the probabilities to the one-hot label.
        label_smoothing: share, in [0, 1), of each target that is spread evenly over all classes.
        class_weights: a number of 0 or more for each class; None gives all classes the same weight.
        classes: number of classes.

    Raises:
        UserError: a value is not allowed.
    """

    class_weights: Tensor | None

    def __init__(
        self, kind: str, label_smoothing: float, class_weights: Sequence[float] | str | None, classes: int
    ) -> None:
        super().__init__()
        if kind not in ("cross_entropy", "mse"):
            raise UserError(f"model.loss is '{kind}'; allowed are cross_entropy and mse")
        if not 0 <= label_smoothing < 1:
            raise UserError(f"model.label_smoothing is {label_smoothing}; allowed is 0 or more and less than 1")
        self.kind, self.label_smoothing, self.classes = kind, label_smoothing, classes
        weights = None if class_weights is None else _require_weights(class_weights, classes)
        # The hyperparameters hold them, so the state does not.
        self.register_buffer("class_weights", weights, persistent=False)

    def forward(self, logits: Tensor, targets: Tensor) -> Tensor:
        """Return the loss, a scalar.

        Args:
            logits: floating ``(batch, classes)``.
            targets: int64 labels ``(batch,)``, or floating shares ``(batch, classes)`` that sum to 1.
        """
        smoothing, weights = self.label_smoothing, self.class_weights
        if self.kind == "cross_entropy":
            targets = targets.to(logits.dtype) if targets.is_floating_point() else targets
            if weights is None:
                return nn.functional.cross_entropy(logits, targets, label_smoothing=smoothing)
            weights = weights.to(logits.dtype)
            summed = nn.functional.cross_entropy(logits, targets, weights, reduction="sum", label_smoothing=smoothing)
            return summed / len(logits)
        classes = logits.shape[1]
        shares = targets if targets.is_floating_point() else nn.functional.one_hot(targets, classes)
        smoothed = (shares * (1 - smoothing) + smoothing / classes).to(logits.dtype)
        if weights is None:
            return nn.functional.mse_loss(logits.softmax(dim=1), smoothed)
        errors = nn.functional.mse_loss(logits.softmax(dim=1), smoothed, reduction="none").mean(dim=1)
        return (errors * (shares.to(weights.dtype) @ weights)).mean()


def _require_weights(numbers: Sequence[float] | str, classes: int) -> Tensor:
    """Return class weights as float32 ``(classes,)``; UserError if the numbers cannot be weights."""
    if isinstance(numbers, str):
        raise UserError(
            f"model.class_weights is '{numbers}'; allowed is a number for each class, or in zoo fit balanced"
        )
    weights = torch.tensor(numbers, dtype=torch.float32)
    if weights.shape != (classes,) or not (weights.isfinite().all() and (weights >= 0).all() and weights.any()):
        raise UserError(
            f"model.class_weights is {list(numbers)}; allowed is balanced, or for each of the {classes} classes a "
            "number of 0 or more, not all 0"
        )
    return weights
