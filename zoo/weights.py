"""Deprecated: import these names from ``zoo``; this module leaves with version 0.3."""

from __future__ import annotations

import warnings

from zoo.models.weights import PublishedWeights, offered_weights

__all__ = ["PublishedWeights", "offered_weights"]

warnings.warn("zoo.weights is deprecated; import its names from zoo", DeprecationWarning, stacklevel=2)
