"""How far a prediction is: a bar with rate and remaining time in a terminal, elsewhere a line now and then."""

from __future__ import annotations

import time
from typing import Any, Self

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

from zoo.core.console import print_stderr

#: Seconds between two lines where there is no terminal.
LINE_SECONDS = 30.0

#: Seconds between two updates of the bar.
REDRAW = 0.1


class PredictionProgress:
    """Counts images on stderr; used in a ``with`` statement.

    Args:
        total: how many images there are.
        done: how many of them an earlier command has done.
        shown: False prints nothing.
    """

    def __init__(self, total: int, done: int = 0, shown: bool = True) -> None:
        self.total, self.done, self.shown = total, done, shown
        self._first, self._begin = done, time.perf_counter()
        self._updated = self._begin
        self._bar: Progress | None = None
        self._task: Any = None

    def __enter__(self) -> Self:
        console = Console(stderr=True, highlight=False, emoji=False)
        if self.shown and console.is_terminal:
            columns = (TextColumn("{task.description}"), BarColumn(bar_width=None), MofNCompleteColumn())
            left = (TextColumn("{task.fields[rate]}"), TimeRemainingColumn(compact=True), TextColumn("left"))
            self._bar = Progress(*columns, *left, console=console, transient=True, expand=True)
            self._task = self._bar.add_task("images", total=self.total, completed=self.done, rate="")
            self._bar.start()
        return self

    def __exit__(self, *error: object) -> None:
        if self._bar is not None:
            self._bar.update(self._task, completed=self.done)
            self._bar.stop()

    @property
    def rate(self) -> float:
        """Images a second, of those done here."""
        return (self.done - self._first) / max(time.perf_counter() - self._begin, 1e-9)

    def advance(self, count: int) -> None:
        """Count some more images."""
        self.done += count
        now = time.perf_counter()
        if not self.shown or now - self._updated < (LINE_SECONDS if self._bar is None else REDRAW):
            return
        self._updated = now
        rate = f"{self.rate:,.0f} images/s"
        if self._bar is not None:
            self._bar.update(self._task, completed=self.done, rate=rate)
        else:
            seconds = (self.total - self.done) / max(self.rate, 1e-9)
            print_stderr(f"{self.done:,} of {self.total:,} images, {rate}, {seconds:,.0f} s left")
