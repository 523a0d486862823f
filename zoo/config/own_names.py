"""What a user names in person, on the command line or in a call from Python, may be imported: it is granted."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import suppress
from typing import Any

import yaml

from zoo.core.errors import UserError
from zoo.core.file_builder import is_file_name, open_file
from zoo.core.trust import PACKAGES, SHORT, grant
from zoo.runs.config_file import value_at

#: Options whose values are classes or builders, by their names or import paths.
CLASS_OPTIONS = (
    *(f"trainer.{name}" for name in ("accelerator", "callbacks", "logger", "plugins", "profiler", "strategy")),
    "optimizer",
    "lr_scheduler",
    "model.loss",
    "model.metrics",
    "data.augmentation",
)


def grant_option(option: str, value: str) -> None:
    """Grant what the value of an option names, as a user typed it: ``--optimizer my_package.Lion``."""
    key = option.removeprefix("--").removesuffix("+").removesuffix(".help")
    if key in CLASS_OPTIONS or key.endswith((".class_path", *(f"{name}.name" for name in CLASS_OPTIONS))):
        with suppress(yaml.YAMLError, RecursionError):  # the parser refuses it
            _grant(yaml.safe_load(value) if value[:1] in "[{" else value)
    elif key.startswith(("model.architecture.", "data.dataset.")) and value.partition(".")[0] in PACKAGES:
        grant(value)  # of one's own packages it could be the name of a file


def grant_sections(sections: Mapping[str, Any]) -> None:
    """Grant what the sections of a call from Python name."""
    for option in CLASS_OPTIONS:
        _grant(value_at(sections, option))


def grant_file(name: str) -> None:
    """Grant the file of a network that the user names; a name of another kind, or of no file, needs nothing."""
    if is_file_name(name):
        with suppress(UserError):  # whoever opens it says what is wrong
            grant(open_file(name).record)


def _grant(value: Any) -> None:
    for path in _paths(value):
        package = path.partition(".")[0]
        if "." not in path:
            grant(SHORT + path)
        else:
            grant(path if package in PACKAGES else package)


def _paths(value: Any, *, is_class: bool = True) -> Iterator[str]:
    """Return the names of classes in a value: a text, a ``class_path`` or ``name``, and those in their arguments."""
    if isinstance(value, str) and is_class:
        if all(part.isidentifier() for part in value.split(".")):
            yield value
    elif isinstance(value, list):
        for item in value:
            yield from _paths(item, is_class=is_class)
    elif isinstance(value, Mapping):
        for key, item in value.items():
            yield from _paths(item, is_class=key == "class_path" or (is_class and key == "name"))
