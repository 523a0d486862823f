"""The loss of a batch: a registered loss of each image, with label smoothing, class weights and mixed targets.

    labels or mixed shares ──► smoothed shares (batch, classes) ─┐
    logits (batch, classes) ─────────────────────────────────────┴─► loss of each image (batch,) ──► weights ──► mean

The contract of ``zoo.losses``: ``builder(spec, **options)`` returns a function or ``nn.Module`` that is called as
``loss(logits, shares)``. Both are floating ``(batch, classes)``; the shares of a row sum to 1, and one of them is 1
where the label is certain. It returns the loss of each image, ``(batch,)``. A module has no parameters and no state:
the network alone is trained and saved. With a method ``mean(logits, targets, label_smoothing, class_weights)`` a loss
does all of it itself.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import torch
from torch import Tensor, nn

from zoo.core import registry
from zoo.core.errors import UserError
from zoo.core.foreign import errors_of
from zoo.core.spec import InputSpec


class Loss(nn.Module):
    """A mean over the images of a batch.

    With class weights, each image's loss is multiplied by the weight of its class, and the sum is divided by the number
    of images: so the mean over an epoch does not depend on the batch size.

    Args:
        loss: a registered name or import path, or ``{"name": ..., option: value, ...}``; a checkpoint adds ``from``.
        label_smoothing: share, in [0, 1), of each target that is spread evenly over all classes.
        class_weights: a number of 0 or more for each class; None gives all classes the same weight.
        spec: of the data.

    Attributes:
        recorded: what a run records of the loss: name, ``from`` and options.

    Raises:
        UserError: the name is unknown, a value is not allowed, or the loss breaks its contract.
    """

    class_weights: Tensor | None

    def __init__(
        self,
        loss: str | Mapping[str, Any],
        label_smoothing: float,
        class_weights: Sequence[float] | str | None,
        spec: InputSpec,
    ) -> None:
        super().__init__()
        options = {"name": loss} if isinstance(loss, str) else dict(loss)
        name, origin = options.pop("name"), options.pop("from", "")
        self.recorded = {**registry.recorded("loss", name, origin), **options}
        self.title = registry.find("loss", name, origin).title
        function = registry.call("loss", name, (spec,), options, origin)
        self.function = _require_loss(self.title, function)
        self.mean: Callable[..., Tensor] | None = getattr(function, "mean", None)
        if not 0 <= label_smoothing < 1:
            raise UserError(f"model.label_smoothing is {label_smoothing}; allowed is 0 or more and less than 1")
        self.label_smoothing, self.spec, classes = label_smoothing, spec, len(spec.classes)
        weights = None if class_weights is None else _require_weights(class_weights, classes)
        # The hyperparameters hold them, so the state does not.
        self.register_buffer("class_weights", weights, persistent=False)

    def forward(self, logits: Tensor, targets: Tensor) -> Tensor:
        """Return the loss, a scalar.

        Args:
            logits: floating ``(batch, classes)``.
            targets: int64 labels ``(batch,)``, or floating shares ``(batch, classes)`` that sum to 1.

        Raises:
            UserError: the loss raises, or returns something else than a number for each image.
        """
        with errors_of(self.title):
            if self.mean is not None:
                return self.mean(logits, targets, self.label_smoothing, self.class_weights)
            shares = targets if targets.is_floating_point() else nn.functional.one_hot(targets, logits.shape[1])
            smoothed = shares
            if self.label_smoothing:
                smoothed = shares * (1 - self.label_smoothing) + self.label_smoothing / logits.shape[1]
            losses = self.function(logits, smoothed.to(logits.dtype))
            if not isinstance(losses, Tensor) or losses.shape != (len(logits),):
                received = tuple(losses.shape) if isinstance(losses, Tensor) else type(losses).__name__
                raise UserError(
                    f"{self.title} breaks the contract: it must return the loss of each image, a tensor "
                    f"{(len(logits),)}, received {received}"
                )
            if self.class_weights is not None:
                losses = losses * (shares.to(self.class_weights.dtype) @ self.class_weights)
            return losses.mean()


def _require_loss(title: str, loss: Any) -> Any:
    """Return what a builder returned; UserError if it is no loss."""
    if not callable(loss):
        raise UserError(f"{title} breaks the contract: it must return a function, received {type(loss).__name__}")
    if isinstance(loss, nn.Module) and (state := [*loss.state_dict(), *dict(loss.named_parameters())]):
        raise UserError(
            f"{title} breaks the contract: a loss has no parameters and no state, received {', '.join(state)}; "
            "register_buffer(..., persistent=False) holds constants"
        )
    return loss


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
