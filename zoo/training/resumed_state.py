"""Compares what a checkpoint holds beside weights with what a training that begins afresh has in its place.

The fresh training is the description: Lightning's loops, the callbacks, the optimizer and the schedule say which fields
their state has, and of which types. zoo.models.checkpoint_fields describes the rest.
"""

from __future__ import annotations

import copy
import math
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

from lightning.pytorch import Trainer
from lightning.pytorch.callbacks import BaseFinetuning, StochasticWeightAveraging
from torch import Tensor, nn
from torch.optim import Optimizer

from zoo.core.errors import first_line
from zoo.models.checkpoint_fields import wrong_field
from zoo.training import optim
from zoo.training.optimized_module import OptimizedModule
from zoo.training.optimizer_check import STEPS, small_shape, trial_states

#: What loops keep beside Lightning's own state, and earlier versions did not.
LATER = {"callback_metrics"}


def require_resumable_state(
    checkpoint: Mapping[str, Any], path: Path, model: OptimizedModule, trainer: Trainer, *, resumed: bool
) -> None:
    """Check the state of a training against the one that is to go on from it.

    Args:
        checkpoint: its fields as ``zoo.models.checkpoint_fields.require_state`` leaves them.
        path: of its file, for errors.
        model: with the checkpoint's weights.
        trainer: built, but not running.
        resumed: whether the run goes on; a new one may leave the schedule out.

    Raises:
        CheckpointError: a field is missing, of another type or size, or contradicts another; it names file and field.
    """
    try:
        if _builds_alone(model, trainer):
            _require_optimizer(checkpoint, model, resumed=resumed)
        for name in ("fit_loop", "validate_loop", "test_loop", "predict_loop"):
            if name in checkpoint["loops"]:
                _compare(
                    f"loops.{name}", checkpoint["loops"][name], _fresh_loop(trainer, name, checkpoint["loops"][name])
                )
        _require_progress(checkpoint)
        _require_callbacks(checkpoint["callbacks"], trainer)
    except _WrongFieldError as error:
        raise wrong_field(path, *error.args) from error


def _builds_alone(model: OptimizedModule, trainer: Trainer) -> bool:
    """Tell whether a training has the optimizer and schedule that the model builds, and no task or callback others."""
    if type(model).configure_optimizers is not OptimizedModule.configure_optimizers:
        return False
    callbacks: list[Any] = trainer.callbacks  # type: ignore[attr-defined]  # set by a connector
    if any(isinstance(callback, StochasticWeightAveraging | BaseFinetuning) for callback in callbacks):
        return False
    return all(type(callback).__module__.partition(".")[0] in ("zoo", "lightning") for callback in callbacks)


def _fresh_loop(trainer: Trainer, name: str, saved: Any) -> dict[str, Any]:
    """Return the state of a loop that begins, without what the version that saved it did not keep."""
    fresh: dict[str, Any] = getattr(trainer, name).state_dict()
    own = saved.get("state_dict") if isinstance(saved, Mapping) else None
    if isinstance(own, Mapping):
        fresh["state_dict"] = {
            key: value for key, value in fresh["state_dict"].items() if key in own or key not in LATER
        }
    return fresh


class _WrongFieldError(Exception):
    """Field, value and what is allowed."""


def _require_optimizer(checkpoint: Mapping[str, Any], model: OptimizedModule, *, resumed: bool) -> None:
    """Compare the state of optimizer and schedule with that of fresh ones, and load it into these."""
    states, schedules = checkpoint["optimizer_states"], checkpoint["lr_schedulers"]
    if len(states) != 1:
        raise _WrongFieldError("optimizer_states", f"{len(states)} states", "the state of one optimizer")
    optimizer = model.build_optimizer()
    fresh = optimizer.state_dict()["param_groups"]
    wanted = [] if model.lr_scheduler is None else [optim.build_scheduler(model.lr_scheduler, optimizer, lambda: STEPS)]
    if schedules:  # they have added what they need to the groups; of a solved last layer alone, none has begun
        fresh = optimizer.state_dict()["param_groups"]
    groups, field = states[0]["param_groups"], "optimizer_states.0.param_groups"
    sizes, fresh_sizes = ([len(group["params"]) for group in some] for some in (groups, fresh))
    if sizes != fresh_sizes:
        raise _WrongFieldError(field, f"groups of {sizes} parameters", f"groups of {fresh_sizes} parameters")
    _load(optimizer, states[0])
    places = [place for group in groups for place in group["params"]]
    if not all(type(place) is int for place in places) or places != list(range(len(places))):
        raise _WrongFieldError(f"{field}.params", places, f"the numbers from 0 to {len(places) - 1}")
    for number, (group, own) in enumerate(zip(optimizer.state_dict()["param_groups"], fresh, strict=True)):
        own = {key: value for key, value in own.items() if key != "params"}
        _compare(f"{field}.{number}", group, own)
        for key, value in own.items():
            if _is_number(value) and group[key] < 0 <= value:
                raise _WrongFieldError(f"{field}.{number}.{key}", group[key], "a number of at least 0")
            if resumed and isinstance(value, bool) and group[key] != value and key != "fused":  # precision decides that
                raise _WrongFieldError(f"{field}.{number}.{key}", group[key], f"{value}, as the run's optimizer has it")
    _require_moments(optimizer, model, checkpoint["global_step"])
    _require_schedules(checkpoint, wanted, resumed=resumed)


def _require_schedules(checkpoint: Mapping[str, Any], wanted: Sequence[Any], *, resumed: bool) -> None:
    """Compare the states of schedules with those of fresh ones."""
    schedules = checkpoint["lr_schedulers"]
    differ = len(schedules) != len(wanted) and (resumed or wanted)
    if differ and checkpoint["global_step"]:  # before the first step, no schedule has begun
        raise _WrongFieldError("lr_schedulers", f"{len(schedules)} states", f"the states of {len(wanted)} schedules")
    for state, schedule in zip(schedules, wanted, strict=False):
        # Torch's own counters begin with an underline; its versions differ in them.
        own = schedule["scheduler"].state_dict()
        _compare("lr_schedulers.0", state, {key: own[key] for key in own if key in state or not key.startswith("_")})
        if state.get("last_epoch", 0) > checkpoint["global_step"] + 1:
            raise _WrongFieldError("lr_schedulers.0.last_epoch", state["last_epoch"], "at most the steps that are done")


def _load(optimizer: Optimizer, state: Mapping[str, Any]) -> None:
    try:
        optimizer.load_state_dict(dict(state))
    except Exception as error:  # of a class that anyone may have written, and of any content
        shown = f"{type(error).__name__}: {first_line(error)}"
        raise _WrongFieldError("optimizer_states.0", shown, f"a state of {type(optimizer).__name__}") from error


def _require_moments(optimizer: Optimizer, model: OptimizedModule, steps: int) -> None:
    """Compare what the optimizer holds of each parameter with what a step on a small one leaves."""
    parameters: list[nn.Parameter] = [value for group in optimizer.param_groups for value in group["params"]]
    samples = trial_states(model.optimizer, parameters)
    if steps and any(samples) and not optimizer.state:
        raise _WrongFieldError("optimizer_states.0.state", "empty", f"the state of {type(optimizer).__name__}")
    for place, (value, small) in enumerate(zip(parameters, samples, strict=True)):
        own = optimizer.state.get(value, {})
        for key, sample in small.items() if own else ():
            field, saved = f"optimizer_states.0.state.{place}.{key}", own.get(key)
            if not isinstance(sample, Tensor) or sample.ndim == 0:
                number: Any = saved.item() if isinstance(saved, Tensor) and saved.numel() == 1 else saved
                _compare(field, number, sample.item() if isinstance(sample, Tensor) else sample)
                if key == "step" and not 0 <= number <= steps:
                    raise _WrongFieldError(field, number, f"0 to {steps}, the steps that are done")
            elif not isinstance(saved, Tensor) or saved.ndim != sample.ndim or bool(saved.isnan().any()):
                raise _WrongFieldError(field, saved, f"a tensor of {sample.ndim} dimensions without NaN")
            elif sample.shape == small_shape(value) and saved.shape != value.shape:
                raise _WrongFieldError(field, saved, f"a tensor of {tuple(value.shape)}, as its parameter is")


def _require_progress(checkpoint: Mapping[str, Any]) -> None:
    """Compare the numbers of steps and epochs with Lightning's counts of them."""
    loop = checkpoint["loops"]["fit_loop"]
    _require_counts("loops", checkpoint["loops"])
    steps: int = loop["epoch_loop.automatic_optimization.optim_progress"]["optimizer"]["step"]["total"]["completed"]
    steps += loop["epoch_loop.manual_optimization.optim_step_progress"]["total"]["completed"]  # of tasks
    if steps != checkpoint["global_step"]:
        raise _WrongFieldError("global_step", checkpoint["global_step"], f"{steps}, the steps that loops counts")
    epochs = loop["epoch_progress"]["current"]
    if not epochs["completed"] <= checkpoint["epoch"] <= epochs["ready"]:
        raise _WrongFieldError("epoch", checkpoint["epoch"], f"{epochs['completed']}, the epochs that loops counts")
    if (
        loop["epoch_loop.state_dict"].get("_batches_that_stepped", 0)
        > loop["epoch_loop.batch_progress"]["total"]["ready"]
    ):
        raise _WrongFieldError(
            "loops.fit_loop.epoch_loop.state_dict", loop["epoch_loop.state_dict"], "at most the batches"
        )
    for loader in loop["state_dict"].get("combined_loader", ()):
        batch = loader.get("batch", checkpoint.get("global_batch"))
        counted = "position" in loader and batch and loader["served"] != -(-loader["position"] // batch)
        if loader["epoch"] > checkpoint["epoch"] or counted:
            allowed = f"what was served in epoch {checkpoint['epoch']} or one before"
            raise _WrongFieldError("loops.fit_loop.state_dict.combined_loader", loader, allowed)


def _require_counts(field: str, value: Any) -> None:
    """Refuse counts of what Lightning began and completed that differ by more than the one that goes on."""
    if not isinstance(value, Mapping):
        return
    if {"ready", "completed"} <= set(value):
        if not all(value["completed"] <= count <= value["completed"] + 1 for count in value.values()):
            raise _WrongFieldError(field, dict(value), "equal numbers, or one more that was begun")
        return
    for key, item in value.items():
        _require_counts(f"{field}.{key}", item)


def _require_callbacks(states: Mapping[str, Any], trainer: Trainer) -> None:
    for callback in trainer.callbacks:  # type: ignore[attr-defined]  # set by a connector
        key = callback.state_key
        if key not in states:  # it is new
            continue
        state, field = states[key], f"callbacks.{key}"
        _compare(field, state, {})
        if type(callback).__module__.startswith("zoo."):
            own = callback.state_dict()
            _compare(field, state, {name: own[name] for name in own if name in state})  # old versions had others
            try:
                copy.copy(callback).load_state_dict(state)
            except (TypeError, KeyError, ValueError, IndexError) as error:
                raise _WrongFieldError(field, state, f"a state of {type(callback).__name__}") from error


def _compare(field: str, value: Any, fresh: Any) -> None:
    """Refuse a value of another type than a fresh one, or without its keys; what is None there may become anything."""
    is_right, allowed = _description(fresh)
    if not is_right(value):
        raise _WrongFieldError(field, value, allowed)
    if isinstance(fresh, Mapping):
        for key, own in fresh.items():
            if key not in value:
                raise _WrongFieldError(f"{field}.{key}", "missing", _description(own)[1])
            _compare(f"{field}.{key}", value[key], own)
    elif isinstance(fresh, list | tuple):
        for number, (item, own) in enumerate(zip(value, fresh, strict=True)):
            _compare(f"{field}.{number}", item, own)


def _description(fresh: Any) -> tuple[Callable[[Any], bool], str]:
    """Return what tells whether a value may stand in place of a fresh one, and what is allowed."""
    if fresh is None:
        return lambda value: value is None or isinstance(value, bool) or _are_numbers(value), "null or numbers"
    if isinstance(fresh, Mapping):
        return lambda value: isinstance(value, Mapping), "a mapping"
    if isinstance(fresh, list | tuple):
        return lambda value: isinstance(value, list | tuple) and len(value) == len(fresh), f"a list of {len(fresh)}"
    if isinstance(fresh, bool) or not isinstance(fresh, int | float):
        return lambda value: isinstance(value, type(fresh)), f"a {type(fresh).__name__}"
    if isinstance(fresh, int) and fresh >= 0:
        return (
            lambda value: _is_number(value) and isinstance(value, int) and value >= 0,
            "a whole number from 0 upwards",
        )
    return _is_number, "a number"


def _are_numbers(value: Any) -> bool:
    return all(map(_is_number, value)) if isinstance(value, list | tuple) else _is_number(value)


def _is_number(value: Any) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool) and not math.isnan(value)
