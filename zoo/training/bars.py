"""The bar of an epoch: drawn by rich in a terminal, as an HTML element in a notebook."""

from __future__ import annotations

from html import escape
from typing import Any, Protocol

from rich.console import Console
from rich.progress import BarColumn, Progress, TextColumn, TimeRemainingColumn


class Bar(Protocol):
    """What shows how far an epoch is."""

    def update(self, text: str, done: int, total: float) -> None:
        """Show so many batches of all as done, beside the text."""

    def stop(self) -> None:
        """Remove the bar until the next update."""


class TerminalBar:
    """A line of a terminal.

    Args:
        console: where the other lines are printed.
    """

    def __init__(self, console: Console) -> None:
        self._console = console
        self._progress: Progress | None = None
        self._task: Any = None

    def update(self, text: str, done: int, total: float) -> None:
        """Draw the line anew."""
        if self._progress is None:
            # The figures need up to 64 of 80 columns; the bar takes what is left.
            left = TimeRemainingColumn(compact=True), TextColumn("left")
            columns = (TextColumn("{task.description}"), BarColumn(bar_width=None), *left)
            self._progress = Progress(*columns, console=self._console, transient=True, auto_refresh=False, expand=True)
            self._task = self._progress.add_task(text, total=total)
            self._progress.start()
        self._progress.update(self._task, completed=done, description=text, refresh=True)

    def stop(self) -> None:
        """Remove the line."""
        if self._progress is not None:
            self._progress.stop()
            self._progress = None


class NotebookBar:
    """One output of the cell, which is updated in place; it needs no extension of Jupyter."""

    def __init__(self) -> None:
        self._handle: Any = None

    def update(self, text: str, done: int, total: float) -> None:
        """Show bar and text."""
        bar = f'<progress value="{done}" max="{total:g}" style="width: 12em; vertical-align: middle"></progress>'
        self._show(f'<div style="font-family: monospace; white-space: pre-wrap">{bar} {escape(text)}</div>', text)

    def stop(self) -> None:
        """Empty the output, which stays for the next epoch."""
        if self._handle is not None:
            self._show("", "")

    def _show(self, html: str, text: str) -> None:
        from IPython.display import display  # a notebook's own

        content = {"text/html": html, "text/plain": text}
        if self._handle is None:
            self._handle = display(content, raw=True, display_id=True)  # type: ignore[no-untyped-call]
        else:
            self._handle.update(content, raw=True)
