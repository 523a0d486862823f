"""Arguments of zoo.fit become the sections of a config file."""

from __future__ import annotations

import json
from collections.abc import Mapping
from numbers import Integral, Real
from os import PathLike, fspath
from typing import Any

from zoo.core.errors import UserError
from zoo.runs.config_file import read_config

#: A section of a config file: its keys, or the one name that it is about.
Section = str | Mapping[str, Any]

#: Arguments of ``fit`` that are sections of a config file.
SECTION_NAMES: tuple[str, ...] = ("model", "data", "trainer", "optimizer", "lr_scheduler")
SECTION_NAMES += ("seed_everything", "monitor", "early_stopping", "logger", "code", "ckpt_path")


def fit_configs(arguments: Mapping[str, Any]) -> list[tuple[str, Mapping[str, Any]]]:
    """Return name and content of the configurations that the arguments of ``fit`` make, the file first."""
    if unknown := arguments["unknown"]:
        from zoo.config.messages import unknown_argument

        raise unknown_argument(next(iter(unknown)), arguments.keys() - {"unknown"})
    sections = plain_sections({name: arguments[name] for name in SECTION_NAMES})
    if named := [entry for entry in arguments["callbacks"] if isinstance(entry, str | Mapping)]:
        sections |= plain_sections({"callbacks": named})
    if (max_epochs := arguments["max_epochs"]) is not None:
        trainer = sections.setdefault("trainer", {})
        if not isinstance(trainer, dict) or "max_epochs" in trainer:
            raise UserError(f"zoo.fit: max_epochs is {max_epochs}, and trainer is {trainer!r}; give one of them")
        trainer["max_epochs"] = max_epochs
    if (file := arguments["config"]) is None:
        return [("zoo.fit", sections)]
    return [(str(file), read_config(file)), ("zoo.fit", sections)]


def plain_sections(sections: Mapping[str, Any]) -> dict[str, Any]:
    """Return the sections that are not None, as YAML could hold them: a run records its configuration.

    Raises:
        UserError: a value is an object that no config file can hold.
    """

    def plain(value: object) -> object:
        if isinstance(value, PathLike):
            return fspath(value)
        if isinstance(value, Integral):  # numpy's
            return int(value)
        if isinstance(value, Real):
            return float(value)
        if isinstance(value, Mapping):
            return dict(value)
        raise UserError(
            f"zoo.fit: received {value!r}; a run records its sections, which hold what a config file can: a class as "
            "{'class_path': ..., 'init_args': {...}}; callbacks= takes objects of callbacks"
        )

    content: dict[str, Any] = json.loads(
        json.dumps({name: value for name, value in sections.items() if value is not None}, default=plain)
    )
    return content
