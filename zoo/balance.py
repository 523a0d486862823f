"""Classes of unequal size: weights that even them out in the loss, and an order that serves each equally often."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor

from zoo.core.errors import UserError
from zoo.sources import BAD


def balanced_weights(labels: Tensor, classes: Sequence[str]) -> list[float]:
    """Return a weight for each class, ``images / (classes * images of the class)``, as scikit-learn's ``balanced``.

    Args:
        labels: int64 ``(count,)``; BAD ones do not count.
        classes: names, in order.

    Raises:
        UserError: a class has no image.
    """
    counts = torch.bincount(labels[labels != BAD], minlength=len(classes)).double()
    if not counts.all():
        name = classes[int(counts.argmin())]
        raise UserError(f"model.class_weights is balanced, but class '{name}' has no training image; give numbers")
    weights: list[float] = (counts.sum() / (len(classes) * counts)).tolist()
    return weights


def balanced_order(labels: Tensor, generator: torch.Generator) -> Tensor:
    """Return an epoch's order, int64 ``(count,)``, in which all classes are equally frequent, up to one image.

    An image comes again only when all others of its class have come as often; of a class with more images than its
    share, other ones are drawn in each epoch.

    Args:
        labels: int64 ``(count,)``; BAD images and classes without any are left out.
        generator: what decides the order.
    """
    count = len(labels)
    classes = torch.bincount(labels[labels != BAD]).nonzero().flatten()
    shares = torch.full((len(classes),), count // len(classes))
    shares[torch.randperm(len(classes), generator=generator)[: count % len(classes)]] += 1
    chosen = []
    for label, share in zip(classes, shares.tolist(), strict=True):
        images = (labels == label).nonzero().flatten()
        rounds = -(-share // len(images))
        drawn = [images[torch.randperm(len(images), generator=generator)] for _ in range(rounds)]
        chosen.append(torch.cat(drawn)[:share] if drawn else images[:0])
    return torch.cat(chosen)[torch.randperm(count, generator=generator)]
