"""Tries a registered part in a moment, as zoo doctor does: the clause of the contract that it breaks is an error.

Everything is imported where a part is tried: a plugin of another kind must not wait for torch.
"""

from __future__ import annotations

import inspect
from collections.abc import Callable, Mapping
from functools import partial
from typing import TYPE_CHECKING

from zoo.core import registry
from zoo.core.part_setting import build_parts
from zoo.core.spec import InputSpec

if TYPE_CHECKING:
    from torch import Tensor

#: Of the data that a part is built for.
SPEC = InputSpec(tuple("abcdefgh"), 3, 8, 8, (0.5,) * 3, (0.25,) * 3)


def try_loss(name: str) -> None:
    """Compute a loss of random logits."""
    from zoo.training.loss import Loss

    loss = Loss(name, 0.1, None, SPEC)
    loss(*_batch())


def try_metric(name: str) -> None:
    """Compute a metric of random logits."""
    from zoo.training.metrics import SplitMetrics

    metrics, (logits, labels) = SplitMetrics(SPEC, "val", name), _batch()
    metrics.update(logits, labels, logits.new_zeros(()))
    metrics.compute_and_reset()


def try_class(kind: registry.Kind, name: str) -> None:
    """Import a class of an optimizer or a scheduler."""
    from zoo.config.class_names import load_class

    load_class(kind, name)


def try_callback(name: str) -> None:
    """Build a callback."""
    from lightning.pytorch.callbacks import Callback

    build_parts("callback", name, {}, Callback)


def try_task(name: str) -> None:
    """Import the class of a task."""
    from zoo.training.tasks import load_task

    load_task(name)


#: How a part of each kind is tried, by its name; a part of another kind is only imported.
TRIALS: Mapping[registry.Kind, Callable[[str], None]] = {
    "loss": try_loss,
    "metric": try_metric,
    "optimizer": partial(try_class, "optimizer"),
    "scheduler": partial(try_class, "scheduler"),
    "task": try_task,
    "callback": try_callback,
}


def try_part(entry: registry.Entry) -> None:
    """Try a part with its default options; one that needs an option, which only a user knows, is not built.

    Raises:
        UserError: the part breaks its contract, or raises; the message names it and its distribution.
    """
    if entry.kind not in TRIALS:
        return
    name = f"{entry.distribution}:{entry.name}"
    own = registry.options(entry.kind, registry.load(entry.kind, name))
    needed = [option for option in own if option.default is inspect.Parameter.empty]
    if entry.kind in ("optimizer", "scheduler", "task") or not needed:
        TRIALS[entry.kind](name)


def _batch() -> tuple[Tensor, Tensor]:
    """Return logits float32 ``(16, 8)`` and labels int64 ``(16,)``, each class twice."""
    import torch

    generator = torch.Generator().manual_seed(0)
    return torch.randn(16, 8, generator=generator, requires_grad=True), torch.arange(16) % 8
