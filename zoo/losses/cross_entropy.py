"""Losses of the logarithm of the right class's probability."""

from __future__ import annotations

from torch import Tensor, nn

from zoo.core.spec import InputSpec


class CrossEntropy(nn.Module):
    """Cross-entropy of logits to shares; torch's kernel also smooths and weighs, from labels as they are."""

    def forward(self, logits: Tensor, shares: Tensor) -> Tensor:
        """Return ``(batch,)`` of logits and shares ``(batch, classes)``."""
        return nn.functional.cross_entropy(logits, shares, reduction="none")

    def mean(self, logits: Tensor, targets: Tensor, label_smoothing: float, class_weights: Tensor | None) -> Tensor:
        """Return the mean; arguments as ``zoo.training.loss.Loss`` takes them."""
        targets = targets.to(logits.dtype) if targets.is_floating_point() else targets
        if class_weights is None:
            return nn.functional.cross_entropy(logits, targets, label_smoothing=label_smoothing)
        weights = class_weights.to(logits.dtype)
        summed = nn.functional.cross_entropy(logits, targets, weights, reduction="sum", label_smoothing=label_smoothing)
        return summed / len(logits)


def cross_entropy(spec: InputSpec) -> CrossEntropy:
    """Minus the logarithm of the probability of the right class: the loss of nearly all classifiers.

    Args:
        spec: of the data.
    """
    return CrossEntropy()


class Focal(nn.Module):
    """Cross-entropy in which each class's part is multiplied by (1 - its probability) ** gamma."""

    def __init__(self, gamma: float) -> None:
        super().__init__()
        self.gamma = gamma

    def forward(self, logits: Tensor, shares: Tensor) -> Tensor:
        """Return ``(batch,)`` of logits and shares ``(batch, classes)``."""
        logarithms = logits.log_softmax(dim=1)
        return -(shares * (1 - logarithms.exp()) ** self.gamma * logarithms).sum(dim=1)


def focal(spec: InputSpec, gamma: float = 2.0) -> Focal:
    """Cross-entropy that counts images less the better they are classified, for rare classes among many easy images.

    T.-Y. Lin et al., "Focal Loss for Dense Object Detection" (2017), https://arxiv.org/abs/1708.02002, equation 4, over
    the softmax of all classes. The weights of classes (alpha there) are ``--model.class_weights``.

    Args:
        spec: of the data.
        gamma: 0 or more; 0 is cross-entropy, 2 the paper's choice.

    Raises:
        ValueError: gamma is below 0.
    """
    if not 0 <= gamma < float("inf"):
        raise ValueError(f"gamma is {gamma}; allowed is 0 or more (2 is usual)")
    return Focal(gamma)
