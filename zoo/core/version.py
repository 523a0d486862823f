"""The installed version of zoo."""

from __future__ import annotations

from importlib.metadata import version

from zoo.core.entry_points import OWN_DISTRIBUTION

__version__ = version(OWN_DISTRIBUTION)
