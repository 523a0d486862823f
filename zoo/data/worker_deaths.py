"""Says which data set a process was reading when it died, and of what."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from typing import TypeVar

from zoo.core.errors import RunError
from zoo.core.registry import titled

Item = TypeVar("Item")

#: What torch says of a worker's end: its number, and where it is clear a signal or the exit status.
DEATH = re.compile(r"DataLoader worker \(pid(?:\(s\))? (?P<number>[\d, ]+)\)")
REASON = re.compile(r"(killed by signal: [^.]+|exit code \d+)")


class ReaderDiedError(RunError):
    """A process that reads images died."""


def named_deaths(loader: Iterable[Item], dataset: str) -> Iterator[Item]:
    """Yield the batches of a DataLoader.

    Args:
        loader: torch's.
        dataset: registered name of the data set that it reads; empty for images in memory.

    Raises:
        ReaderDiedError: a worker process died.
    """
    try:
        yield from loader
    except RuntimeError as error:
        if (death := DEATH.search(str(error))) is None:
            raise
        reason = REASON.search(f"{error} {error.__cause__}")
        how = f", {reason[1]}" if reason else ""
        title = titled("dataset", dataset) if dataset else "images"
        raise ReaderDiedError(
            f"a process that reads {title} died (process {death['number']}{how}); "
            "--data.num_workers 0 reads without processes, fewer need less memory"
        ) from error
