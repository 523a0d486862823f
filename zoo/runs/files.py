"""Files of a run: written whole or not at all."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from zoo.core.errors import UserError
from zoo.core.whole_file import replacing, write_error


def write_atomically(path: Path, content: str | bytes) -> None:
    """Replace a file by a complete new one, or leave the old one as it was.

    Text becomes UTF-8; bytes of a file's name that are no UTF-8 become escapes, which JSON can hold.

    Raises:
        RunError: the folder is read-only or the disk is full.
    """
    try:
        with replacing(path) as file:
            file.write(content.encode("utf-8", "backslashreplace") if isinstance(content, str) else content)
    except OSError as error:
        raise write_error(path, error) from error


def write_json(path: Path, content: Any) -> None:
    """Write JSON for people and programs: indented, UTF-8, with a final newline; RunError as write_atomically."""
    write_atomically(path, json.dumps(content, indent=2, ensure_ascii=False) + "\n")


def require_folder(option: str, path: str) -> Path:
    """Return where an option's file goes; UserError where there is no such folder."""
    place = Path(path)
    if not place.absolute().parent.is_dir():
        raise UserError(f"{option} is '{path}', but there is no folder {place.parent}; make it first")
    return place


def require_json(output: str) -> Path:
    """Return where ``--output`` goes.

    Raises:
        UserError: its name does not end in .json, or there is no such folder.
    """
    if not output.endswith(".json"):
        raise UserError(f"--output is '{output}'; allowed are names that end in .json")
    return require_folder("--output", output)
