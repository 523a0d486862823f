"""Where data lives on this machine."""

from __future__ import annotations

import os
from pathlib import Path


def default_root() -> Path:
    """Return ``$ZOO_DATA_ROOT``, else a folder in the user's cache."""
    folder = os.environ.get("ZOO_DATA_ROOT")
    return Path(folder) if folder else cache_root()


def cache_root() -> Path:
    """Return the folder in the user's cache, where downloads lie: no photographs of the user's own."""
    from platformdirs import user_cache_path

    return user_cache_path("zoo") / "data"
