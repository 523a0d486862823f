"""Experiment trackers: each module holds the builder of one logger, which alone imports the tracker's package."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from zoo.core.errors import UserError


@contextmanager
def requires(package: str) -> Iterator[None]:
    """Turn a module that is missing into a UserError that says what to install."""
    try:
        yield
    except ModuleNotFoundError as error:
        raise UserError(f"it needs a package that is not here: pip install {package}") from error
