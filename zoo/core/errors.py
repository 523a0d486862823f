"""The errors that users see: one line with what was received, what is allowed and what to do."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from difflib import get_close_matches

#: Characters of a foreign error's text that a line shows.
LONGEST = 600


class ZooError(Exception):
    """Base of every error zoo raises on purpose; the command line prints it as one line.

    Attributes:
        exit_status: of the command: 1 (the run failed) or 2 (the user must change something).
    """

    exit_status = 1


class UserError(ZooError, ValueError):
    """An option, a file or a name that cannot work. Nothing was trained or written."""

    exit_status = 2


class RunError(ZooError, RuntimeError):
    """A run failed though its options are right: the loss is not finite, the disk is full, a worker died."""


class NoSplitError(ZooError, LookupError):
    """A data set has no such split; its builder raises this.

    Where ``val`` is missing, ImageDataModule takes it from ``train``; ``zoo test`` needs ``test``.

    Args:
        split: the split that does not exist.
        hint: one sentence, what the user can do to get it.
    """

    exit_status = 2

    def __init__(self, split: str, hint: str = "") -> None:
        super().__init__(f"the data set has no {split} split" + (f": {hint}" if hint else ""))
        self.split = split


class DownloadError(ZooError, OSError):
    """A file is not in the data root, and could not be downloaded or does not match its checksum."""

    exit_status = 2


class ImageError(UserError):
    """An image cannot be used; the message starts with the path of its file."""


class CheckpointError(UserError):
    """A checkpoint is missing, unreadable, unsafe or of another network."""


class OtherProcessError(ZooError):
    """This process stops because another one of its training has failed, which says why.

    Args:
        exit_status: of the other one.
    """

    def __init__(self, exit_status: int = 1) -> None:
        super().__init__("another process of this training has failed; its error says why")
        self.exit_status = exit_status


class Stopped(SystemExit):
    """A signal ends the command; code that raises SystemExit itself raises no Stopped."""


def text_of(error: BaseException) -> str:
    """Return an error's text of at most LONGEST characters, or the name of its class where it has none."""
    try:
        text = str(error).strip()
    except Exception:  # the class is foreign, and its __str__ may raise anything
        text = ""
    return (text if len(text) <= LONGEST else f"{text[:LONGEST]}...") or type(error).__name__


def first_line(error: BaseException) -> str:
    """Return the first line of an error's text, or the name of its class where it has none."""
    return text_of(error).splitlines()[0]


def brief(error: BaseException) -> str:
    """Return class and text of a foreign error in one line: ``KeyError: 'name'``."""
    text = " ".join(text_of(error).split())
    return text if text == type(error).__name__ else f"{type(error).__name__}: {text}"


def listed(items: Sequence[object], most: int = 20) -> str:
    """Return up to ``most`` items separated by commas, and the number of the others: ``a, b and 3 more``."""
    more = f" and {len(items) - most:,} more" if len(items) > most else ""
    return ", ".join(map(str, items[:most])) + more


def is_out_of_memory(error: BaseException) -> bool:
    """Tell whether a main memory or a GPU had no room, in the texts of torch's allocators too."""
    texts = ("not enough memory", "can't allocate memory", "Cannot allocate memory", "Unable to allocate")
    if isinstance(error, MemoryError) or type(error).__name__ == "OutOfMemoryError":
        return True
    return isinstance(error, RuntimeError | OSError) and any(text in str(error) for text in texts)


def did_you_mean(name: str, names: Iterable[str]) -> str:
    """Return ``"; did you mean 'x'?"`` with the one of ``names`` nearest to ``name``, or an empty string."""
    spelled = {candidate.casefold(): candidate for candidate in names}
    near = [spelled[match] for match in get_close_matches(name.casefold(), spelled, n=1, cutoff=0.6)]
    return f"; did you mean '{near[0]}'?" if near else ""
