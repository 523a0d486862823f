"""Tries an optimizer and its scheduler before training: whether the optimizer takes every parameter of the network.

The trial steps are taken on small tensors that have as many dimensions as the parameters, with gradients of zero: Muon
refuses all but matrices when it is built, SparseAdam refuses dense gradients when it steps.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from traceback import walk_tb
from typing import Any

import torch
from torch import Tensor, nn
from torch.optim import Optimizer

from zoo.core import registry
from zoo.core.errors import UserError, first_line, listed
from zoo.training.optim import ClassConfig, build_scheduler, class_of

#: Parameters that an error names; there may be hundreds.
LISTED = 3

#: Steps of the training that a scheduler is tried for; the real number is counted later.
STEPS = 1000


def require_optimizer(config: ClassConfig, named: Mapping[str, nn.Parameter]) -> None:
    """Try an optimizer on parameters.

    Args:
        config: its class and arguments.
        named: the parameters that train, by name.

    Raises:
        UserError: it cannot be built, or cannot take some of the parameters; the message says which.
    """
    arguments = config.get("init_args") or {}
    if arguments.get("capturable"):  # it steps on a GPU alone, where the parameters are not yet
        return
    title = _title("optimizer", config)
    reason = _refusal(config, list(named.values()))
    if reason is None:
        return
    refused = {name: why for name, value in named.items() if (why := _refusal(config, [value])) is not None}
    if len(refused) in (0, len(named)):
        raise UserError(f"{title} cannot train the network: {reason}; 'zoo list optimizers' shows others")
    shown = listed([f"{name} {tuple(named[name].shape)}" for name in refused], LISTED)
    raise UserError(f"{title} cannot take {shown}: {next(iter(refused.values()))}; 'zoo list optimizers' shows others")


def is_of_optimizer(error: BaseException) -> bool:
    """Tell whether an error arose in an optimizer's own code: its last frames are methods of one."""
    return any(
        frame.f_code.co_name == "step" and isinstance(frame.f_locals.get("self"), Optimizer)
        for frame, _ in walk_tb(error.__traceback__)
    )


def require_scheduler(config: ClassConfig, optimizer: ClassConfig) -> None:
    """Try to build a scheduler over an optimizer.

    Raises:
        UserError: it refuses its arguments or the optimizer.
    """
    try:
        build_scheduler(config, _built(optimizer, [nn.Parameter(torch.zeros(2, 2))]), lambda: STEPS)
    except UserError:
        raise
    except Exception as error:  # of a class that anyone may have written
        raise UserError(f"{_title('scheduler', config)} cannot be built: {first_line(error)}") from error


def _refusal(config: ClassConfig, parameters: list[nn.Parameter]) -> str | None:
    """Return why an optimizer cannot be built for, or step on, parameters such as these; None where it can."""
    try:
        _trial(config, parameters)
    except UserError:
        raise
    except Exception as error:  # of a class that anyone may have written
        return first_line(error)
    return None


def trial_states(config: ClassConfig, parameters: Sequence[nn.Parameter]) -> list[Mapping[str, Any]]:
    """Return what an optimizer that ``require_optimizer`` allows holds of each parameter after a step on a small one.

    Args:
        config: its class and arguments.
        parameters: as they train; the small ones have the shapes of ``small_shape``.
    """
    if (config.get("init_args") or {}).get("capturable"):  # as in require_optimizer
        return [{} for _ in parameters]
    optimizer, small = _trial(config, parameters)
    return [optimizer.state.get(parameter, {}) for parameter in small]


def small_shape(value: Tensor) -> torch.Size:
    """Return the shape of the small tensor that stands for a parameter."""
    return torch.Size(min(side, 2) for side in value.shape)


def _trial(config: ClassConfig, parameters: Sequence[nn.Parameter]) -> tuple[Optimizer, list[nn.Parameter]]:
    """Return an optimizer after a step on small parameters, and these."""
    small = [nn.Parameter(torch.zeros(small_shape(value), dtype=value.dtype)) for value in parameters]
    for parameter in small:
        parameter.grad = torch.zeros_like(parameter)
    optimizer = _built(config, small)
    optimizer.step(_zero)  # type: ignore[arg-type]  # torch says it returns a float
    return optimizer, small


def _built(config: ClassConfig, parameters: list[nn.Parameter]) -> Optimizer:
    optimizer: Optimizer = class_of(config)(parameters, **(config.get("init_args") or {}))
    return optimizer


def _title(kind: registry.Kind, config: ClassConfig) -> str:
    """Return what errors call a class: with its distribution where one registers it."""
    path = config["class_path"]
    entries = (entry for entry in registry.entries(kind) if entry.entry_point.value.replace(":", ".") == path)
    entry = next(entries, None)
    return f"{registry.KINDS[kind].title} '{path}'" if entry is None else entry.title


def _zero() -> Tensor:
    """Return a loss, as the closure of a step does; the gradients are there."""
    return torch.zeros(())
