"""The rows of metrics.csv: metrics of epochs, and of steps between."""

from __future__ import annotations

import csv
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from zoo.core.errors import RunError
from zoo.runs.files import write_atomically
from zoo.runs.folder import Run

#: The metrics of a row by column.
Row = dict[str, float]


@dataclass(frozen=True)
class History:
    """A training's rows, in order.

    Args:
        epochs: a row an epoch: epoch (from 0), step, train/loss, val/loss, images_per_second ...
        steps: a row every so many steps: epoch, step, train/loss_step, train/accuracy_step ...
    """

    epochs: list[Row]
    steps: list[Row]

    @classmethod
    def of(cls, run: Run) -> History:
        """Read a run's metrics.csv, without torch; a run without the file has no rows.

        Raises:
            OSError: the file cannot be read.
            ValueError: it holds other text than numbers.
        """
        rows: list[Row] = []
        if run.metrics.is_file():
            with run.metrics.open(newline="", encoding="utf-8") as file:
                for line in csv.DictReader(file):
                    if None not in line.values():  # half a row, of a killed process, has no last column
                        rows.append({key: float(value) for key, value in line.items() if value})
        return cls([row for row in rows if "train/loss" in row], [row for row in rows if "train/loss_step" in row])

    def curve(self, column: str) -> list[tuple[float, float]]:
        """Return ``(epochs done, value)`` wherever the column has one: 1.5 is the middle of the second epoch."""
        if column.endswith("_step"):
            steps_of_epoch = self.epochs[-1]["step"] / (self.epochs[-1]["epoch"] + 1) if self.epochs else 1
            return [(row["step"] / steps_of_epoch, row[column]) for row in self.steps if column in row]
        return [(row["epoch"] + 1, row[column]) for row in self.epochs if column in row]

    def best(self) -> Row:
        """Return the row of the epoch with the highest validation accuracy, of equal ones the lowest loss; else {}."""
        validated = [row for row in self.epochs if "val/accuracy" in row]
        return max(validated, key=lambda row: (row["val/accuracy"], -row.get("val/loss", 0.0)), default={})


class MetricsTable:
    """The rows of metrics.csv: appended as they come, cut back to a step when a run resumes.

    Args:
        path: of the file; an existing one is continued.
        up_to_step: rows after this step are dropped, because training repeats them; None keeps no row.
    """

    def __init__(self, path: Path, up_to_step: int | None) -> None:
        self.path = path
        self.columns: list[str] = ["epoch", "step"]
        self.rows: list[dict[str, Any]] = []
        if up_to_step is not None and path.is_file():
            with path.open(newline="", encoding="utf-8") as file:
                for row in csv.DictReader(file):
                    step = row.get("step") or ""
                    # A killed process can leave half a row, which has no last column.
                    if None not in row.values() and step.isdecimal() and int(step) <= up_to_step:
                        self.append(row, write=False)
            self._rewrite()

    def append(self, row: Mapping[str, Any], *, write: bool = True) -> None:
        """Add a row: one line of the file; a new column writes the whole file again."""
        values = {key: value for key, value in row.items() if value != ""}
        self.rows.append(values)
        new = [key for key in values if key not in self.columns]
        self.columns += new
        if not write:
            return
        if new or not self.path.is_file():
            self._rewrite()
            return
        try:
            with self.path.open("a", newline="", encoding="utf-8") as file:
                csv.DictWriter(file, self.columns).writerow(values)
        except OSError as error:
            raise RunError(f"{self.path} cannot be written: {error.strerror}") from error

    def _rewrite(self) -> None:
        lines = [self.columns, *([row.get(column, "") for column in self.columns] for row in self.rows)]
        write_atomically(self.path, _csv(lines))


def _csv(lines: Iterable[Iterable[Any]]) -> str:
    import io

    text = io.StringIO(newline="")
    csv.writer(text).writerows(lines)
    return text.getvalue()
