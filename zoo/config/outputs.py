"""Where classes that config files name may write: inside the run, or in a folder that the user trusts."""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from zoo.config.own_names import CLASS_OPTIONS
from zoo.config.resolve import ConfigSources
from zoo.core.errors import UserError
from zoo.core.trust import may_write, place_of
from zoo.runs.config_file import value_at
from zoo.runs.folder import Run

#: Options whose classes, or registered parts, write files or send what they log.
WRITING = (*(option for option in CLASS_OPTIONS if option.startswith("trainer.")), "callbacks", "logger")

#: How arguments end that are folders: a relative one counts from the working directory.
FOLDERS = ("dir", "path")


def require_inside(sources: ConfigSources, run: Run | None) -> None:
    """Refuse, by a UserError, arguments from files that let a class write outside the run.

    What the user types on the command line, or says in Python, may write anywhere.

    Args:
        sources: what the configuration is made of.
        run: the run to resume; None for a new one, of which only default_root_dir says where it is.
    """
    for file, config, typed in zip(sources.files, sources.configs, sources.typed, strict=True):
        for key, text in outside(config, run) if not typed else ():
            if not may_write(text):
                raise UserError(
                    f"{file}: {key} is '{text}'; what a file names may write inside the run alone: leave it out, or, "
                    f"if you trust who wrote the file, add --trust {text if os.sep in text else f'.{os.sep}{text}'}"
                )


def outside(config: Mapping[str, Any], run: Run | None) -> Iterator[tuple[str, str]]:
    """Return each argument of a configuration that leads a class out of the run: its dotted key, and the text."""
    for option in WRITING:
        for key, text in _texts(option, value_at(config, option)):
            if _leads_away(key, text) and not _is_inside(text, run):
                yield key, text


def _texts(key: str, value: Any) -> Iterator[tuple[str, str]]:
    """Return each text in a value, import paths apart, with the dotted key that holds it."""
    if isinstance(value, str):
        yield key, value
    elif isinstance(value, list):
        for item in value:
            yield from _texts(key, item)
    elif isinstance(value, dict):
        for name, item in value.items():
            if name != "class_path":  # zoo.config.class_rule checks it
                yield from _texts(f"{key}.{name}", item)


def _leads_away(key: str, text: str) -> bool:
    """Tell a path that may lie outside the folder where it counts from, an address, or any folder."""
    away = text.startswith("~") or "://" in text or os.path.isabs(text) or ".." in Path(text).parts
    return away or key.endswith(FOLDERS)


def _is_inside(text: str, run: Run | None) -> bool:
    if run is None or "://" in text:
        return False
    return Path(place_of(text)).is_relative_to(place_of(str(run.path)))
