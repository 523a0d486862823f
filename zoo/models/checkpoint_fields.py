"""What each field of a checkpoint must be, checked when the file is opened rather than where a training needs it."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import torch

from zoo.core.errors import CheckpointError


def _count(value: Any) -> bool:
    return isinstance(value, int) and not isinstance(value, bool) and value >= 0


def _mapping(value: Any) -> bool:
    return isinstance(value, Mapping)


def _tensors(value: Any) -> bool:
    return _mapping(value) and all(
        isinstance(key, str) and isinstance(item, torch.Tensor) for key, item in value.items()
    )


def _architecture(value: Any) -> bool:
    return _mapping(value) and isinstance(value.get("name"), str) and isinstance(value.get("from", ""), str)


def _mappings(value: Any) -> bool:
    return isinstance(value, list) and all(map(_mapping, value))


def _optimizers(value: Any) -> bool:
    return _mappings(value) and all(_mapping(item.get("state")) and _groups(item.get("param_groups")) for item in value)


def _groups(value: Any) -> bool:
    return _mappings(value) and all(isinstance(group.get("params"), list) for group in value)


def _loops(value: Any) -> bool:
    return _mapping(value) and _mapping(value.get("fit_loop"))


#: Of every checkpoint: path of the field, whether it is right, and what is allowed.
FIELDS: tuple[tuple[str, Callable[[Any], bool], str], ...] = (
    ("state_dict", _tensors, "a mapping of names to tensors"),
    ("hyper_parameters", _mapping, "a mapping with spec and architecture"),
    ("hyper_parameters.architecture", _architecture, "a mapping with the architecture's name"),
    ("hyper_parameters.spec", _mapping, "the mapping of an InputSpec"),
    ("epoch", _count, "a number of at least 0"),
    ("global_step", _count, "a number of at least 0"),
)

#: Of one from which a training goes on.
STATE: tuple[tuple[str, Callable[[Any], bool], str], ...] = (
    ("optimizer_states", _optimizers, "a list of states of optimizers"),
    ("lr_schedulers", _mappings, "a list of states of schedulers"),
    ("loops", _loops, "a mapping with fit_loop"),
    ("callbacks", _mapping, "a mapping of names to states"),
)


def require_fields(checkpoint: Mapping[str, Any], path: Path) -> None:
    """Check what every checkpoint holds, and that no weight is NaN.

    Args:
        checkpoint: the content of the file.
        path: the file, for the error.

    Raises:
        CheckpointError: a field is missing or of another type, or weights are NaN; it names file and field.
    """
    _require(FIELDS, checkpoint, path)
    for name, value in checkpoint["state_dict"].items():
        if value.is_floating_point() and value.numel() and bool(value.min().isnan()):  # without a second array
            raise CheckpointError(
                f"{path}: state_dict.{name} holds {int(value.isnan().sum()):,} NaN of {value.numel():,} numbers; "
                "use a checkpoint from before the training failed"
            )


def require_state(checkpoint: Mapping[str, Any], path: Path) -> None:
    """Check what a training needs to go on.

    Args:
        checkpoint: the content of the file.
        path: the file, for the error.

    Raises:
        CheckpointError: a field is missing or of another type, or belongs to other weights; it names file and field.
    """
    _require(STATE, checkpoint, path)
    weights = len(checkpoint["state_dict"])
    for state in checkpoint["optimizer_states"]:
        count = sum(len(group["params"]) for group in state["param_groups"])
        if count > weights:
            raise CheckpointError(
                f"{path}: optimizer_states is of {count} parameters, state_dict has {weights}; "
                "start from another checkpoint (--ckpt_path), or train a new run"
            )


def _require(
    fields: tuple[tuple[str, Callable[[Any], bool], str], ...], checkpoint: Mapping[str, Any], path: Path
) -> None:
    for field, is_right, allowed in fields:
        value: Any = checkpoint
        for key in field.split("."):
            if key not in value:
                raise CheckpointError(f"{path} is not a checkpoint of this zoo: {field} is missing; it is {allowed}")
            value = value[key]
        if not is_right(value):
            shown = " ".join(str(value).split())
            shown = shown if len(shown) <= 60 else f"{shown[:60]}..."
            raise CheckpointError(
                f"{path} is not a checkpoint of this zoo: {field} is {shown} ({type(value).__name__}); "
                f"allowed is {allowed}"
            )
