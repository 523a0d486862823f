"""Deprecated: import these names from ``zoo``; this module leaves with version 0.3."""

from __future__ import annotations

import warnings

from zoo.data.arrays import ArrayDataset

__all__ = ["ArrayDataset"]

warnings.warn("zoo.datasets.arrays is deprecated; import its names from zoo", DeprecationWarning, stacklevel=2)
