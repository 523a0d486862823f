"""The setting ``data.augmentation``: names, class paths, and their arguments, become an Augmentation."""

from __future__ import annotations

import copy
import inspect
from collections.abc import Mapping, Sequence
from dataclasses import replace
from importlib import import_module
from typing import Any, cast

import torch
from torch import nn

from zoo.core import registry
from zoo.core.errors import UserError, did_you_mean, first_line
from zoo.core.spec import InputSpec
from zoo.core.trust import require_import
from zoo.data.augmentation import SEED, Augmentation, Flip, PaddedCrop, Step

#: A name, a class path, a mapping of one of them and its arguments, or a list of these.
Setting = str | Mapping[str, Any] | Sequence[str | Mapping[str, Any]]

#: Names that stand for none or several augmentations.
SHORT_NAMES: Mapping[str, tuple[str, ...]] = {"none": (), "crop_flip": ("crop", "flip")}

FORMS = (
    "a name that 'zoo list augmentations' shows, the class path of a v2 transform, {name: ..., option: ...}, or a list"
)


def parse_setting(setting: Setting) -> list[tuple[str, dict[str, Any]]]:
    """Return name or class path, and arguments, of each augmentation in a setting.

    Raises:
        UserError: the setting has another form, a name is unknown, or an argument is none of its options.
    """
    entries = [setting] if isinstance(setting, str | Mapping) else list(setting)
    parsed = [part for entry in entries for part in _parse_entry(entry)]
    names = [name for name, _ in parsed]
    if twice := [name for name in names if names.count(name) > 1]:
        raise UserError(f"data.augmentation lists '{twice[0]}' twice; name each augmentation once")
    for name, arguments in parsed:
        if "." not in name:
            _require_options(name, arguments)
    return parsed


def title(setting: Setting) -> str:
    """Return a setting in one line, such as ``random_resized_crop + flip``; ``none`` where it names nothing."""
    if isinstance(setting, str):
        return setting
    return " + ".join(name for name, _ in parse_setting(setting)) or "none"


def build_augmentation(setting: Setting, spec: InputSpec) -> Augmentation:
    """Build what a setting names, and try it on a black image.

    Args:
        setting: as the user gave it.
        spec: of the data; mean and standard deviation may be anything.

    Raises:
        UserError: as ``parse_setting``; a transform refuses its arguments or images such as these, or changes their
            size; or random_resized_crop does not come first.
    """
    steps = [_built(name, arguments, spec) for name, arguments in parse_setting(setting)]
    if late := [step for step in steps[1:] if step.cuts_whole]:
        raise UserError(f"augmentation '{late[0].name}' cuts from the image as it is stored; put it first in the list")
    pads = [step.transform.padding for step in steps if isinstance(step.transform, PaddedCrop)]
    last = max((place for place, step in enumerate(steps) if not _of_batches(step)), default=-1)
    augmentation = Augmentation(
        pads[0] if pads else 0.0, any(isinstance(step.transform, Flip) for step in steps), tuple(steps[: last + 1])
    )
    for step in augmentation.steps:
        _try(step, spec)
    return augmentation


def _of_batches(step: Step) -> bool:
    return isinstance(step.transform, Flip | PaddedCrop)


def _parse_entry(entry: Any) -> list[tuple[str, dict[str, Any]]]:
    if isinstance(entry, str):
        return [(name, {}) for name in SHORT_NAMES.get(entry, (entry,))]
    if isinstance(entry, Mapping):
        options = dict(entry)
        if isinstance(path := options.pop("class_path", None), str):
            arguments = options.pop("init_args", {})
            if not options and isinstance(arguments, Mapping):
                return [(path, dict(arguments))]
        elif isinstance(name := options.pop("name", None), str):
            return [(name, options)]
    raise UserError(f"data.augmentation has {entry!r}; allowed is {FORMS}")


def _require_options(name: str, arguments: Mapping[str, Any]) -> None:
    names = [*SHORT_NAMES, *registry.list_names("augmentation")]
    if name not in names and ":" not in name:
        form = f"; a list is written [{name}]" if "," in name else did_you_mean(name, names)
        raise UserError(f"unknown augmentation '{name}'; allowed are {', '.join(names)}{form}")
    if not arguments:
        return  # the builder is imported when it is called
    builder = registry.load("augmentation", name)
    options = [option.name for option in registry.options("augmentation", builder)]
    for option in arguments:
        if option not in options:
            raise UserError(
                f"augmentation '{name}' has no option '{option}'; its options are {', '.join(options) or 'none'}"
                f"{did_you_mean(option, options)}"
            )


def _built(name: str, arguments: Mapping[str, Any], spec: InputSpec) -> Step:
    from torchvision.transforms import v2  # takes a second to import

    named = "." not in name or ":" in name
    try:
        transform = registry.call("augmentation", name, (spec,), arguments) if named else _class(name)(**arguments)
    except (TypeError, ValueError, IndexError) as error:
        if isinstance(error, UserError):
            raise
        shown = ", ".join(f"{key}={value!r}" for key, value in arguments.items())
        raise UserError(
            f"augmentation '{name}' does not take {shown or 'no arguments'}: {first_line(error)}"
        ) from error
    cuts_whole = isinstance(transform, v2.RandomResizedCrop)
    # torch cuts and scales faster than Pillow; not every class of v2 takes PIL images.
    return Step(name, transform, named and not cuts_whole, cuts_whole)


def _class(path: str) -> type[nn.Module]:
    """Import a transform's class; UserError where there is none, or it may not be imported."""
    from torchvision.transforms import v2

    require_import(path)
    module, _, name = path.rpartition(".")
    try:
        value: Any = getattr(import_module(module), name)
    except (ImportError, AttributeError, ValueError) as error:
        raise UserError(f"augmentation '{path}' cannot be imported: {error}; allowed is {FORMS}") from error
    if not (inspect.isclass(value) and issubclass(value, v2.Transform)):
        raise UserError(f"augmentation '{path}' is no transform of torchvision.transforms.v2; allowed is {FORMS}")
    return cast("type[nn.Module]", value)


def _try(step: Step, spec: InputSpec) -> None:
    """Apply a step to one image, whatever its probability; UserError where that fails or changes the size."""
    certain = replace(step, transform=_certain(step.transform))
    size = (spec.height, spec.width, spec.channels)
    black, choice = torch.zeros(size, dtype=torch.uint8), [0, 0, 0, 0]
    choice[SEED] = 1
    try:
        changed = Augmentation(steps=(certain,)).change(black, choice)
    except Exception as error:  # of a transform that anyone may have written
        images = f"images of {spec.height}x{spec.width} pixels and {spec.channels} channels"
        raise UserError(
            f"{registry.titled('augmentation', step.name)} cannot change {images}: {first_line(error)}"
        ) from error
    if changed.shape != black.shape or changed.dtype != black.dtype:
        raise UserError(
            f"{registry.titled('augmentation', step.name)} makes {changed.dtype} {tuple(changed.shape)} of uint8 "
            f"{size}; it must keep the size, the channels and the type of an image"
        )


def _certain(transform: Any) -> Any:
    """Return a copy of a transform that does what it does with some probability in any case."""
    if not isinstance(transform, nn.Module):
        return transform
    certain = copy.deepcopy(transform)
    for module in certain.modules():
        if isinstance(getattr(module, "p", None), int | float):
            module.p = 1.0  # type: ignore[assignment]  # nn.Module's attributes are tensors and modules to mypy
    return certain
