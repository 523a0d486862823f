"""The errors users see: one line that says what was received, what is allowed and what to do."""

from __future__ import annotations

from collections.abc import Iterable
from difflib import get_close_matches


class ZooError(Exception):
    """Base of every error zoo raises on purpose; the command line prints it as one line.

    Attributes:
        exit_status: what the command ends with, 1 (the run failed) or 2 (the user must change something).
    """

    exit_status = 1


class UserError(ZooError, ValueError):
    """Something the user gave cannot work: an option, a file, a name. Nothing was trained or written."""

    exit_status = 2


class RunError(ZooError, RuntimeError):
    """A run that was well asked for failed: the loss is not finite, the disk is full, a worker died."""


class NoSplitError(ZooError, LookupError):
    """Raised by a data set's builder to say that it has no such split.

    Without ``val`` the ImageDataModule splits ``train``; without ``test`` the test command says so.

    Args:
        split: the split that does not exist.
        hint: what the user can do to have it, one sentence.
    """

    exit_status = 2

    def __init__(self, split: str, hint: str = "") -> None:
        super().__init__(f"the data set has no {split} split" + (f": {hint}" if hint else ""))
        self.split = split


class DownloadError(ZooError, OSError):
    """A file is not in the data root and could not be downloaded or did not match its checksum."""

    exit_status = 2


class ImageError(UserError):
    """An image file that cannot be used; the message starts with its path."""


class CheckpointError(UserError):
    """A checkpoint that is missing, unreadable, unsafe or belongs to something else."""


def did_you_mean(word: str, known: Iterable[str]) -> str:
    """Return ``"; did you mean 'x'?"`` for the known word nearest to ``word``, or an empty string."""
    near = get_close_matches(word, list(known), n=1, cutoff=0.6)
    return f"; did you mean '{near[0]}'?" if near else ""
