"""Deprecated: import these names from ``zoo``; this module leaves with version 0.3."""

from __future__ import annotations

import warnings

from zoo.core.spec import InputSpec, Interpolation, Resize

__all__ = ["InputSpec", "Interpolation", "Resize"]

warnings.warn("zoo.spec is deprecated; import its names from zoo", DeprecationWarning, stacklevel=2)
