"""Decides how the last layer starts, and whether solving it is the whole training."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from zoo.core.errors import UserError
from zoo.models.classifier import Classifier
from zoo.models.head import Head, NoHead, find_head
from zoo.models.pretrained import FreshHead
from zoo.training.head_start import HeadStart, Start


@dataclass(frozen=True)
class HeadPlan:
    """How the last layer starts.

    Args:
        start: for config.yaml; None where the last layer keeps the weights that it has.
        head: the last layer, where its weights are solved or set to zero.
        classes: labels of the classes of which that is done.
        alone: whether nothing else trains.
        note: a line for the user; empty where there is nothing to say.
    """

    start: Start | None = None
    head: Head | None = None
    classes: tuple[int, ...] = ()
    alone: bool = False
    note: str = ""

    def callback(self, epochs: int | None, *, quiet: bool) -> HeadStart | None:
        """Return what sets the first weights of the last layer in a training of so many epochs; None to keep them."""
        if self.head is None:
            return None
        whole = self.alone or epochs == 0
        return HeadStart(self.head, self.classes, solved=self.start == "solve", whole=whole, quiet=quiet)


def plan_head(wanted: Start | None, fresh: FreshHead | None, classifier: Classifier) -> HeadPlan:
    """Return how the last layer starts.

    Args:
        wanted: what the user asks for; None solves the classes that pretrained weights leave fresh.
        fresh: what pretrained weights leave fresh; None without pretrained weights.
        classifier: with those weights.

    Raises:
        UserError: the user asks for something that the network's last layer does not allow.
    """
    classes = tuple(range(len(classifier.spec.classes))) if fresh is None else fresh.classes
    start = wanted or ("solve" if fresh is not None and fresh.classes else None)
    if start is None or start == "fresh":
        return HeadPlan(start)
    try:
        head = find_head(classifier.network, classifier.spec)
    except NoHead as reason:
        if wanted is not None:
            raise UserError(f"model.head_start is {wanted}, but {reason}; leave it out") from reason
        return HeadPlan("fresh", note=f"the last layer starts with the network's own random weights: {reason}")
    classes = classes or tuple(range(len(classifier.spec.classes)))
    return HeadPlan(start, head, classes, head.trains_alone(classifier.network))


def idle_options(model: Any) -> list[str]:
    """Return the options of a model's configuration that have an effect in epochs alone, where the user sets them."""
    return [f"--model.{name}" for name in ("mixup", "cutmix", "l1", "ema") if getattr(model, name, None)]
