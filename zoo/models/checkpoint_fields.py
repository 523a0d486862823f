"""What each field of a checkpoint must be, checked when the file is opened rather than where a training needs it."""

from __future__ import annotations

import re
import reprlib
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import torch

from zoo.core.errors import CheckpointError
from zoo.core.numbers import is_number


def _count(value: Any) -> bool:
    return isinstance(value, int) and not isinstance(value, bool) and value >= 0


def _mapping(value: Any) -> bool:
    return isinstance(value, Mapping)


def _size(value: Any) -> bool:
    return _count(value) and 0 < value <= 2**16


def _texts(value: Any) -> bool:
    return isinstance(value, list) and bool(value) and all(isinstance(item, str) for item in value)


def _tensors(value: Any) -> bool:
    return _mapping(value) and all(isinstance(key, str) and _dense(item) for key, item in value.items())


def _dense(value: Any) -> bool:
    plain = isinstance(value, torch.Tensor) and value.layout == torch.strided
    return plain and not (value.is_meta or value.is_quantized or value.is_complex())


def _counted(value: Any) -> bool:
    return _tensors(value) and "n_averaged" in value and all(item.numel() == 1 for item in value.values())


def _positive(value: Any) -> bool:
    return isinstance(value, list) and all(is_number(item) and item > 0 for item in value)


def _is_name(value: Any) -> bool:
    return isinstance(value, str) and value != ""


def _named(value: Any) -> bool:
    return _mapping(value) and _is_name(value.get("name")) and isinstance(value.get("from", ""), str)


def _mappings(value: Any) -> bool:
    return isinstance(value, list) and all(map(_mapping, value))


def _optimizers(value: Any) -> bool:
    return _mappings(value) and all(_states(item.get("state")) and _groups(item.get("param_groups")) for item in value)


def _states(value: Any) -> bool:
    """Tell whether each parameter has a state, or, as under SGD without momentum, none has."""
    states = _mapping(value) and list(map(_mapping, value.values()))
    return isinstance(states, list) and all(states) and len(set(map(bool, value.values()))) <= 1


def _groups(value: Any) -> bool:
    return _mappings(value) and all(isinstance(group.get("params"), list) for group in value)


def _random_state(value: Any) -> bool:
    states = _mapping(value) and "cpu" in value and _tensors(value)
    size = torch.get_rng_state().numel()
    return states and all(state.dtype == torch.uint8 for state in value.values()) and value["cpu"].numel() == size


def _version(value: Any) -> bool:
    return isinstance(value, str) and re.match(r"\d+\.\d+", value) is not None


def _loaders(value: Any) -> bool:
    return _mappings(value) and all({"epoch", "served"} <= set(one) and all(map(_count, one.values())) for one in value)


def _loops(value: Any) -> bool:
    return _mapping(value) and _mapping(value.get("fit_loop"))


#: Of every checkpoint: path of the field, whether it is right, and what is allowed.
FIELDS: tuple[tuple[str, Callable[[Any], bool], str], ...] = (
    ("state_dict", _tensors, "a mapping of names to tensors"),
    ("hyper_parameters", _mapping, "a mapping with spec and architecture"),
    ("hyper_parameters.architecture", _named, "a mapping with the architecture's name"),
    ("hyper_parameters.spec", _mapping, "the mapping of an InputSpec"),
    ("hyper_parameters.spec.classes", _texts, "the names of the classes"),
    ("hyper_parameters.spec.channels", _size, "a whole number from 1 to 65,536"),
    ("hyper_parameters.spec.height", _size, "a whole number from 1 to 65,536"),
    ("hyper_parameters.spec.width", _size, "a whole number from 1 to 65,536"),
    ("epoch", _count, "a number of at least 0"),
    ("global_step", _count, "a number of at least 0"),
    # Those behind ? are missing where an earlier version wrote the checkpoint.
    ("hyper_parameters.loss?", lambda value: _is_name(value) or _named(value), "a name, or a mapping with it"),
    ("hyper_parameters.label_smoothing?", lambda value: is_number(value) and 0 <= value < 1, "0 up to 1"),
    ("hyper_parameters.l1?", lambda value: is_number(value) and value >= 0, "0 or more"),
    (
        "hyper_parameters.class_weights?",
        lambda value: value in (None, "balanced") or _positive(value),
        "null, or numbers",
    ),
    ("hyper_parameters.metrics?", lambda value: isinstance(value, str | list | dict | None), "null, or names"),
    ("hyper_parameters.freeze?", lambda value: value is None or _is_name(value) or _count(value), "null or layers"),
    ("hyper_parameters.batch_norm?", lambda value: value in (None, "train", "eval"), "null, train or eval"),
    ("hyper_parameters.channels_last?", lambda value: value in (None, True, False), "null, true or false"),
    ("global_batch?", lambda value: value is None or (_count(value) and value > 0), "null, or a number above 0"),
)

#: Of one from which a training goes on.
STATE: tuple[tuple[str, Callable[[Any], bool], str], ...] = (
    ("pytorch-lightning_version", _version, "the version of Lightning that wrote it"),
    ("optimizer_states", _optimizers, "a list of states of optimizers, each with one for every parameter"),
    ("lr_schedulers", _mappings, "a list of states of schedulers"),
    ("loops", _loops, "a mapping with fit_loop"),
    ("loops.fit_loop.state_dict.combined_loader?", _loaders, "the epoch and the images that loaders served"),
    ("callbacks", _mapping, "a mapping of names to states"),
    ("current_model_state?", _tensors, "a mapping of names to tensors"),
    ("averaging_state?", _counted, "a mapping with n_averaged, a number in a tensor"),
    ("random_state?", _random_state, "a mapping of devices to bytes"),
)


#: Levels of lists and mappings among hyperparameters; zoo writes five.
MAX_DEPTH = 16


def require_fields(checkpoint: Mapping[str, Any], path: Path) -> None:
    """Check what every checkpoint holds, and that no weight is NaN.

    Args:
        checkpoint: the content of the file.
        path: the file, for the error.

    Raises:
        CheckpointError: a field is missing or of another type, or weights are NaN; it names file and field.
    """
    _require(FIELDS, checkpoint, path)
    _require_plain("hyper_parameters", checkpoint["hyper_parameters"], path)
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
    for key, state in checkpoint["callbacks"].items():
        if not _mapping(state):
            raise wrong_field(path, f"callbacks.{key}", state, "a mapping")
    averaged = {"current_model_state", "averaging_state"} & set(checkpoint)
    if len(averaged) == 1:
        raise wrong_field(path, averaged.pop(), "alone", "current_model_state and averaging_state, or none of them")
    for name, value in checkpoint["state_dict"].items() if averaged else ():
        current = checkpoint["current_model_state"].get(name)
        if current is None or current.shape != value.shape:
            raise wrong_field(path, f"current_model_state.{name}", current, f"a tensor of {tuple(value.shape)}")


def _require_plain(field: str, value: Any, path: Path, depth: int = 0) -> None:
    """Refuse a tensor anywhere in what describes a training, and lists without end."""
    if isinstance(value, torch.Tensor) or depth > MAX_DEPTH:
        shown = value if isinstance(value, torch.Tensor) else type(value).__name__
        raise wrong_field(path, field, shown, f"words, numbers and lists of them, without tensors, {MAX_DEPTH} deep")
    for key, item in value.items() if _mapping(value) else enumerate(value) if isinstance(value, list | tuple) else ():
        _require_plain(f"{field}.{key}", item, path, depth + 1)


def wrong_field(path: Path, field: str, value: Any, allowed: str) -> CheckpointError:
    """Return the error of a field, with its value as far as a line holds it."""
    if isinstance(value, torch.Tensor):
        shown = f"{value.dtype} {tuple(value.shape)}"
    else:
        text = reprlib.repr(value) if isinstance(value, Mapping | list | tuple) else str(value)
        text = " ".join(text.split())
        shown = text if len(text) <= 60 else f"{text[:60]}..."
    return CheckpointError(
        f"{path} is not a checkpoint of this zoo: {field} is {shown} ({type(value).__name__}); allowed is {allowed}"
    )


def _holds(is_right: Callable[[Any], bool], value: Any) -> bool:
    try:
        return is_right(value)
    except (RuntimeError, TypeError, ValueError):  # of a tensor, which compares each of its numbers
        return False


def _require(
    fields: tuple[tuple[str, Callable[[Any], bool], str], ...], checkpoint: Mapping[str, Any], path: Path
) -> None:
    for field, is_right, allowed in fields:
        value: Any = checkpoint
        for key in field.rstrip("?").split("."):
            if field.endswith("?") and _mapping(value) and key not in value:
                break
            if not _mapping(value) or key not in value:
                raise CheckpointError(f"{path} is not a checkpoint of this zoo: {field} is missing; it is {allowed}")
            value = value[key]
        else:
            if not _holds(is_right, value):
                raise wrong_field(path, field.rstrip("?"), value, allowed)
