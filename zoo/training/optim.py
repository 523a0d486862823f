"""Builds the optimizer and the schedule of a configuration, with learning rates that may differ between layers."""

from __future__ import annotations

import inspect
import math
from collections.abc import Callable, Mapping, Sequence
from importlib import import_module
from typing import Any

from lightning.pytorch import Trainer
from torch import nn
from torch.optim import Optimizer
from torch.optim.lr_scheduler import CosineAnnealingLR, CyclicLR, OneCycleLR, ReduceLROnPlateau

from zoo.core.errors import UserError
from zoo.core.spec import InputSpec
from zoo.models.layers import layers
from zoo.training.progress import limited

#: A class and its arguments, as LightningCLI writes them: ``{"class_path": ..., "init_args": {...}}``.
ClassConfig = Mapping[str, Any]

#: fused: one kernel for all parameters; on two cores a step of LeNet-5 takes 0.8 of the time.
DEFAULT_OPTIMIZER: ClassConfig = {"class_path": "torch.optim.Adam", "init_args": {"lr": 1e-3, "fused": True}}

#: A parameter, and the multiplier of its learning rate.
RatedParameter = tuple[nn.Parameter, float]


def layer_rates(network: nn.Module, spec: InputSpec, decay: float) -> dict[str, float]:
    """Return each parameter's learning-rate multiplier by name: decay ** distance from the last layer.

    As in J. Howard and S. Ruder, "Universal Language Model Fine-tuning for Text Classification", 2018,
    https://arxiv.org/abs/1801.06146, section 3.2, with layers as ``zoo info`` numbers them.

    Raises:
        UserError: the decay is not above 0 and up to 1.
    """
    if not 0 < decay <= 1:
        raise UserError(f"model.layer_decay is {decay}; allowed is more than 0 and up to 1 (0.75 is usual)")
    backwards = enumerate(reversed(layers(network, spec)))
    return {name: decay**behind for behind, layer in backwards for name in layer.parameters}


def build_optimizer(config: ClassConfig, parameters: Sequence[RatedParameter]) -> Optimizer:
    """Build an optimizer; parameters with the same multiplier form a group, the lowest multiplier first.

    Raises:
        UserError: the multipliers differ, but the optimizer has no learning rate or takes only one group.
    """
    factors = sorted({factor for _, factor in parameters})
    if factors == [1.0]:
        return _build(config, [parameter for parameter, _ in parameters])  # type: ignore[no-any-return]
    lr = (config.get("init_args") or {}).get("lr", inspect.signature(class_of(config)).parameters["lr"].default)
    if not isinstance(lr, float | int):
        raise UserError(f"model.layer_decay needs a learning rate to start from: --optimizer.lr (it is {lr})")
    groups = [
        {"params": [parameter for parameter, own in parameters if own == factor], "lr": lr * factor, "rate": factor}
        for factor in factors
    ]
    try:
        return _build(config, groups)  # type: ignore[no-any-return]
    except ValueError as error:
        raise UserError(f"model.layer_decay needs an optimizer of several groups: {error}") from error


def build_scheduler(config: ClassConfig, optimizer: Optimizer, steps: Callable[[], int]) -> dict[str, Any]:
    """Build a schedule in Lightning's form.

    Args:
        config: its class and arguments.
        optimizer: the rates of OneCycleLR and CyclicLR are multiplied for each of its groups.
        steps: returns the optimizer steps of the training, for a schedule that ends with it.
    """
    arguments = dict(config.get("init_args") or {})
    kind = class_of(config)
    if ends_with_training(config):
        arguments["total_steps" if issubclass(kind, OneCycleLR) else "T_max"] = steps()
    if issubclass(kind, OneCycleLR | CyclicLR) and len(optimizer.param_groups) > 1:
        for name in ("max_lr", "base_lr"):
            if isinstance(value := arguments.get(name), float | int):
                arguments[name] = [value * group["rate"] for group in optimizer.param_groups]
    scheduler = kind(optimizer, **arguments)
    if isinstance(scheduler, ReduceLROnPlateau):
        return {"scheduler": scheduler, "interval": "epoch", "monitor": getattr(scheduler, "monitor", "val/loss")}
    by_step = isinstance(scheduler, OneCycleLR | CyclicLR) or ends_with_training(config)
    return {"scheduler": scheduler, "interval": "step" if by_step else "epoch"}


def warm_up(optimizer: Optimizer, steps: int, done: Callable[[], int]) -> None:
    """Let the learning rates rise linearly in the first steps: each step runs at its share of what the schedule says.

    P. Goyal et al., "Accurate, Large Minibatch SGD: Training ImageNet in 1 Hour" (2017),
    https://arxiv.org/abs/1706.02677, section 2.2. The rates that a schedule reads and writes stay as they are, so every
    schedule works, and a resumed run needs no state but its number of steps.

    Args:
        optimizer: its steps are changed.
        steps: the step of this number is the first at the full rate.
        done: returns how many steps are done.
    """
    rates: list[Any] = []

    def lower(*_: Any) -> None:
        if (share := (done() + 1) / steps) < 1:
            rates.extend(group["lr"] for group in optimizer.param_groups)
            for group in optimizer.param_groups:
                group["lr"] = group["lr"] * share

    def restore(*_: Any) -> None:
        for group, rate in zip(optimizer.param_groups, rates, strict=False):  # none is kept after the first steps
            group["lr"] = rate
        rates.clear()

    optimizer.register_step_pre_hook(lower)
    optimizer.register_step_post_hook(restore)


def ends_with_training(config: ClassConfig) -> bool:
    """Tell whether a schedule has the training's length: a OneCycleLR without one, a CosineAnnealingLR with T_max 0."""
    kind, arguments = class_of(config), config.get("init_args") or {}
    if issubclass(kind, OneCycleLR):
        return not (arguments.get("total_steps") or arguments.get("epochs"))
    return issubclass(kind, CosineAnnealingLR) and not arguments.get("T_max")


def planned_steps(trainer: Trainer, batches: int) -> float:
    """Return the optimizer steps of a whole training, infinite where neither epochs nor steps end it.

    Trainer.estimated_stepping_batches makes a loader to count its batches, before a resumed run's state reaches it.

    Args:
        trainer: its limits count.
        batches: in the training loader.
    """
    batches = limited(batches, trainer.limit_train_batches)
    epochs = trainer.max_epochs if trainer.max_epochs is not None and trainer.max_epochs >= 0 else float("inf")
    steps = epochs * math.ceil(batches / trainer.accumulate_grad_batches)
    return min(steps, trainer.max_steps) if trainer.max_steps >= 0 else steps


def class_of(config: ClassConfig) -> Any:
    """Return the class that a configuration names."""
    module, _, name = config["class_path"].rpartition(".")
    return getattr(import_module(module), name)


def _build(config: ClassConfig, parameters: Any) -> Any:
    return class_of(config)(parameters, **(config.get("init_args") or {}))
