"""Command lines and config files name architectures and data sets in short; here they become one explicit form.

    --model lenet5   --model.architecture lenet5    model: {architecture: lenet5}
        ──►  model.architecture.name = lenet5, beside its hyperparameters model.architecture.<name>

and the same for ``--data``, ``data.dataset``. Config files are read strictly: no tags, no key twice. A run's own file
also says which distribution a name is of (``from``, which no builder can have as a parameter).
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from copy import deepcopy
from dataclasses import dataclass
from typing import Any

from zoo.core.errors import UserError
from zoo.runs.config_file import SECTIONS, read_config


@dataclass(frozen=True)
class Arguments:
    """A command line in explicit form.

    Args:
        names: ``{"model": architecture, "data": data set}``, as the last of all sources names them.
        origins: the same, ``distribution==version`` where the source that named it says so.
        configs: the content of each config file, in order, without those two names.
        files: the names of those files.
        options: all other options, as ``--option=value``.
    """

    names: dict[str, str]
    origins: dict[str, str]
    configs: list[dict[str, Any]]
    files: list[str]
    options: list[str]

    @property
    def args(self) -> list[str]:
        """What the parser is given: files first, so that options win over them."""
        return [f"--config={json.dumps(config)}" for config in self.configs] + self.options


def resolve_new(command: str, args: Sequence[str]) -> Arguments:
    """Bring the command line of a training that is new into explicit form; UserError as ``resolve``, or for a run."""
    if args and not args[0].startswith("-"):
        raise UserError(f"unexpected word '{args[0]}'; zoo {command} takes what 'zoo fit' takes for a new run")
    return resolve(args)


def resolve(args: Sequence[str], base: dict[str, Any] | None = None, base_name: str = "") -> Arguments:
    """Bring a command line into explicit form.

    A source that names another architecture or data set than those before it drops their arguments: they belong to the
    other name.

    Args:
        args: options as the user typed them.
        base: a configuration that comes before all options, a run's for example.
        base_name: its file, for error messages.

    Raises:
        UserError: a config file cannot be used, or an option lacks its value.
    """
    names = {section: default for section, _, default in SECTIONS}
    origins = dict.fromkeys(names, "")
    configs: list[dict[str, Any]] = []
    files: list[str] = []
    plain: list[str] = []

    def rename(section: str, key: str, name: str) -> None:
        if name != names[section]:
            names[section], origins[section] = name, ""
            for config in configs:
                if isinstance(config.get(section), dict):
                    config[section].pop(key, None)
            plain[:] = [arg for arg in plain if not arg.startswith(f"--{section}.{key}.")]

    def add_config(content: dict[str, Any], file: str) -> None:
        content = deepcopy(content)
        for section, key, _ in SECTIONS:
            values = content.get(section)
            if isinstance(values, str):
                raise UserError(f"{file}: {section} is '{values}'; write {section}: {{{key}: {values}}}")
            if isinstance(values, dict) and key in values:
                given = {"name": values[key]} if isinstance(values[key], str) else values[key]
                if not isinstance(given, dict) or not isinstance(given.get("name", ""), str):
                    raise UserError(
                        f"{file}: {section}.{key} is {values[key]!r}; allowed is a name, or a mapping with 'name' and "
                        "its arguments"
                    )
                if "name" in given:
                    rename(section, key, given["name"])
                    origins[section] = str(given.get("from", ""))
                values[key] = {option: value for option, value in given.items() if option not in ("name", "from")}
        configs.append(content)
        files.append(file)

    if base is not None:
        add_config(base, base_name)
    for option, value in _pairs(args):
        if option in ("--config", "-c"):
            add_config(read_config(_given(option, value)), str(value))
            continue
        for section, key, _ in SECTIONS:
            if option in (f"--{section}", f"--{section}.{key}", f"--{section}.{key}.name"):
                rename(section, key, _given(option, value))
                break
        else:
            plain.append(option if value is None else f"{option}={value}")
    return Arguments(names, origins, configs, files, plain)


def _pairs(args: Sequence[str]) -> list[tuple[str, str | None]]:
    """Return ``--option value`` and ``--option=value`` alike as pairs; a flag or a stray word has no value."""
    pairs: list[tuple[str, str | None]] = []
    position = 0
    while position < len(args):
        option, equals, value = args[position].partition("=")
        position += 1
        if not option.startswith("-"):
            pairs.append((args[position - 1], None))
        elif equals:
            pairs.append((option, value))
        elif position < len(args) and not _is_option(args[position]):
            pairs.append((option, args[position]))
            position += 1
        else:
            pairs.append((option, None))
    return pairs


def _is_option(word: str) -> bool:
    """Tell ``--option`` and ``-c`` from a value such as ``-1`` or ``-0.5``."""
    return word.startswith("-") and len(word) > 1 and not (word[1].isdigit() or word[1] == ".")


def _given(option: str, value: str | None) -> str:
    if not value:
        raise UserError(f"option {option} needs a value")
    return value
