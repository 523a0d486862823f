"""What metrics.csv tells of a training: the figures of its epochs, and of steps between."""

from __future__ import annotations

import csv
from dataclasses import dataclass

from zoo.run import Run

#: One row's figures by column.
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
        """Read a run's metrics.csv, without torch; there are no rows where there is no file yet.

        Raises:
            OSError: the file cannot be read.
            ValueError: it holds something else than numbers.
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
        """Return the epoch's row with the highest validation accuracy, of equal ones the lowest loss; or none."""
        validated = [row for row in self.epochs if "val/accuracy" in row]
        return max(validated, key=lambda row: (row["val/accuracy"], -row.get("val/loss", 0.0)), default={})
