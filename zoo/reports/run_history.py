"""What a notebook shows of a training as ``run.history``: curves, and the figures of each epoch."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Sequence
from html import escape
from typing import TYPE_CHECKING

from zoo.core.errors import UserError, did_you_mean
from zoo.reports import charts
from zoo.reports.curves import draw_history
from zoo.reports.frames import data_frame
from zoo.runs.metrics import History, Monitor, Row

if TYPE_CHECKING:
    from pandas import DataFrame

#: Columns that are no figures.
_COUNTS = ("epoch", "step")

#: How the names of figures end that are no shares.
NO_SHARES = ("loss", "images_per_second", "learning_rate", "lr")


#: Figures that the text shows.
SHOWN = ("train/loss", "train/accuracy", "val/loss", "val/accuracy")


class RunHistory:
    """The epochs of a run: drawings of loss and accuracy in a notebook, elsewhere text; ``[index]`` gives a row.

    Args:
        history: the rows of metrics.csv.
        monitor: the figure that chose best.ckpt, whose epoch is marked.
    """

    def __init__(self, history: History, monitor: Monitor) -> None:
        self._history, self._monitor = history, monitor

    def __len__(self) -> int:
        return len(self._history.epochs)

    def __getitem__(self, index: int) -> Row:
        return self._history.epochs[index]

    def __iter__(self) -> Iterator[Row]:
        return iter(self._history.epochs)

    @property
    def columns(self) -> list[str]:
        """Figures that were measured: ``train/loss``, ``val/accuracy``, ``images_per_second`` ..."""
        rows = [*self._history.epochs, *self._history.validations]
        return [column for column in dict.fromkeys(key for row in rows for key in row) if column not in _COUNTS]

    @property
    def frame(self) -> DataFrame:
        """The rows as a pandas DataFrame, a row an epoch.

        Raises:
            UserError: pandas is not installed.
        """
        return data_frame("run.history.frame", self._history.epochs)

    def plot(self, *columns: str) -> Drawings:
        """Return a drawing over epochs; a notebook shows it.

        Args:
            *columns: figures in one drawing, as ``columns`` names them; none draws loss and accuracy.

        Raises:
            UserError: a figure was not measured.
        """
        if not columns:
            return Drawings([(svg, caption, ("train", "val")) for svg, caption in draw_history(*self._named())])
        for column in columns:
            if column not in self.columns:
                hint = did_you_mean(column, self.columns)
                raise UserError(f"history has no '{column}'; measured are {', '.join(self.columns)}{hint}")
        lines = [charts.Line(self._history.curve(column), number) for number, column in enumerate(columns)]
        percent = not any(column.rpartition("/")[2].startswith(NO_SHARES) for column in columns)
        caption = f"{', '.join(columns)} over epochs"
        svg = charts.draw_curves(f"{self._named()[2]}{'-'.join(columns)}", caption, lines, self._best, percent)
        return Drawings([(svg, caption, columns)])

    @property
    def _best(self) -> float | None:
        best = self._history.best(self._monitor)
        return None if not best or best["step"] == 0 else best["epoch"] + 1

    def _named(self) -> tuple[History, float | None, str]:
        """Return what ``draw_history`` takes; the prefix is made from the rows."""
        digest = hashlib.sha256(repr(self._history).encode()).hexdigest()[:8]
        return self._history, self._best, f"run-{digest}-"

    def __repr__(self) -> str:
        columns = [column for column in SHOWN if column in self.columns]
        lines = [["epoch", *columns]]
        lines += [
            [f"{int(row['epoch']) + 1}", *(f"{row[column]:.4f}" if column in row else "-" for column in columns)]
            for row in self
        ]
        widths = [max(map(len, cells)) for cells in zip(*lines, strict=True)]
        return "\n".join("  ".join(map(str.rjust, line, widths)) for line in lines)

    def _repr_html_(self) -> str:
        return self.plot()._repr_html_()


class Drawings:
    """Drawings side by side in a notebook, elsewhere their captions.

    Args:
        drawings: SVG, caption and the names of the lines of each.
    """

    def __init__(self, drawings: Sequence[tuple[str, str, Sequence[str]]]) -> None:
        self._drawings = drawings

    def __repr__(self) -> str:
        return "\n".join(caption for _, caption, _ in self._drawings) or "no epoch yet"

    def _repr_html_(self) -> str:
        if not self._drawings:
            return "<p>no epoch yet</p>"
        style = "display: flex; flex-wrap: wrap; gap: 16px"
        return f'<div style="{style}">{"".join(_figure(*drawing) for drawing in self._drawings)}</div>'


def _figure(svg: str, caption: str, names: Sequence[str]) -> str:
    border = "display: inline-block; width: 1.6em; vertical-align: middle; border-top: 3px"
    keys = " ".join(
        f'<span style="white-space: nowrap"><span style="{border} {style} {colour}"></span> {escape(name)}</span>'
        for name, colour, style in charts.legend(names)
    )
    return (
        '<figure style="margin: 0; width: 340px; max-width: 100%; font-size: 12px; line-height: 1.4">'
        f"{keys}{svg}<figcaption>{escape(caption)}</figcaption></figure>"
    )
