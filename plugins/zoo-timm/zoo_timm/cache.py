"""timm's names, kept in the user's cache: zoo lists and completes them, and timm's import takes seconds."""

from __future__ import annotations

import json
import os
from collections.abc import Callable, Iterable
from importlib.metadata import version
from pathlib import Path


def cached(kind: str, ask: Callable[[], Iterable[str]]) -> list[str]:
    """Return names from the cache, where this version of timm was asked before.

    Args:
        kind: of the names, a part of the file's name.
        ask: imports timm and returns the names.
    """
    path = _path(kind)
    try:
        names: list[str] = json.loads(path.read_text())
    except (OSError, ValueError):
        names = list(ask())
        _keep(path, names)
    return names


def _path(kind: str) -> Path:
    from platformdirs import user_cache_path

    return user_cache_path("zoo") / f"timm-{kind}{version('timm')}.json"


def _keep(path: Path, names: list[str]) -> None:
    """Write the cache whole or not at all; a place that cannot be written costs the time of asking again."""
    part = path.with_suffix(f".{os.getpid()}")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        part.write_text(json.dumps(names))
        os.replace(part, path)
    except OSError:
        part.unlink(missing_ok=True)
