"""The rows of metrics.csv: metrics of epochs, and of steps between."""

from __future__ import annotations

import csv
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from itertools import islice
from pathlib import Path
from typing import Any, Literal

from zoo.core.errors import UserError, did_you_mean
from zoo.core.whole_file import write_error
from zoo.runs.files import write_atomically
from zoo.runs.folder import Run

#: The metrics of a row by column.
Row = dict[str, float]


@dataclass(frozen=True)
class Monitor:
    """The validation figure that chooses best.ckpt; the highest value is the best, of a loss or an error the lowest.

    Args:
        name: column of metrics.csv.
    """

    name: str = "val/accuracy"

    @classmethod
    def of(cls, config: Mapping[str, Any]) -> Monitor:
        """Return that of a run's configuration; runs of earlier versions have the default."""
        return cls(config.get("monitor", cls.name))

    @classmethod
    def chosen(cls, name: str, names: Sequence[str]) -> Monitor:
        """Return that of an option; UserError where it is none of the figures that validation measures."""
        if name not in names:
            raise UserError(f"monitor is '{name}'; allowed are {', '.join(names)}{did_you_mean(name, names)}")
        return cls(name)

    @property
    def title(self) -> str:
        """The name as a sentence has it: ``val accuracy``."""
        return self.name.replace("/", " ").replace("_", " ")

    @property
    def better(self) -> Literal["higher", "lower"]:
        """Which values are better."""
        return "lower" if self.name.endswith(("loss", "error")) else "higher"

    def score(self, row: Mapping[str, Any]) -> tuple[float, float] | None:
        """Return a pair that is higher for a better row: of equal values, the lower val/loss; None without a value."""
        if self.name not in row:
            return None
        value = float(row[self.name])
        return -value if self.better == "lower" else value, -float(row.get("val/loss", 0.0))

    def text(self, value: float) -> str:
        """Return a value as people read it: a share in percent, a loss as a number."""
        return f"{value:.4f}" if self.better == "lower" else f"{value:.1%}"


@dataclass(frozen=True)
class History:
    """A training's rows, in order.

    Args:
        epochs: a row an epoch: epoch (from 0), step, train/loss, val/loss, images_per_second ...; a row at step 0 is of
            a solved last layer.
        steps: a row every so many steps: epoch, step, train/loss_step, train/accuracy_step ...
        validations: a row a validation: epoch, step, val/loss ...; the epoch's own row where it ended the epoch.
    """

    epochs: list[Row]
    steps: list[Row]
    validations: list[Row]

    @classmethod
    def of(cls, run: Run) -> History:
        """Read a run's metrics.csv, without torch; a run without the file has no rows.

        Raises:
            OSError: the file cannot be read.
            UserError: it is no table of numbers by epoch and step.
        """
        rows: list[Row] = []
        if run.metrics.is_file():
            with run.metrics.open(newline="", encoding="utf-8") as file:
                lines = csv.DictReader(file)
                try:
                    if not {"epoch", "step"} <= set(lines.fieldnames or ("epoch", "step")):  # an empty file has none
                        raise ValueError
                    for line in lines:
                        if None not in line.values():  # half a row, of a killed process, has no last column
                            rows.append({key: float(value) for key, value in line.items() if value})
                except (TypeError, ValueError, csv.Error) as error:
                    raise UserError(
                        f"{run.metrics}:{lines.reader.line_num} is damaged: allowed is a table of numbers, by epoch "
                        "and step; restore the file, or delete it: the run then has no curves"
                    ) from error
        epochs, steps = ([row for row in rows if column in row] for column in ("train/loss", "train/loss_step"))
        validations: list[Row] = []
        for row in rows:
            # An epoch's row repeats the figures of its last validation, which may have a row of its own.
            if "val/loss" in row and (not validations or _validation(row) != _validation(validations[-1])):
                validations.append(row)
        return cls(epochs, steps, validations)

    @property
    def trained(self) -> int:
        """Epochs trained; the row of a solved last layer, at step 0, is none."""
        return sum(row.get("step") != 0 for row in self.epochs)

    def curve(self, column: str) -> list[tuple[float, float]]:
        """Return ``(epochs done, value)`` wherever the column has one: 1.5 is the middle of the second epoch."""
        if column.endswith("_step"):
            return [(self._epochs_done(row), row[column]) for row in self.steps if column in row]
        rows = self.validations if column.startswith("val/") else self.epochs
        return [(self._epochs_done(row), row[column]) for row in rows if column in row]

    def _epochs_done(self, row: Row) -> float:
        """Return the epochs trained at a row: 1.5 is the middle of the second."""
        if row.get("step") == 0:  # a solved last layer
            return 0
        if "train/loss" in row or not self.trained:
            return row["epoch"] + 1
        return row["step"] / (self.epochs[-1]["step"] / (self.epochs[-1]["epoch"] + 1))

    def best(self, monitor: Monitor | None = None) -> Row:
        """Return the row of the validation that the run's best.ckpt is of; {} without one.

        Args:
            monitor: the figure that chooses; by default val/accuracy.
        """
        monitor = monitor or Monitor()
        scored = [(score, row) for row in self.validations if (score := monitor.score(row)) is not None]
        return max(scored, key=lambda pair: pair[0], default=((0.0, 0.0), {}))[1]


def _validation(row: Row) -> Row:
    return {key: value for key, value in row.items() if key == "epoch" or key.startswith("val/")}


class MetricsTable:
    """The rows of metrics.csv: appended as they come, cut back to a step when a run resumes.

    Args:
        path: of the file; an existing one is continued.
        up_to_step: rows after this step are dropped, because training repeats them; None keeps no row.
        count: rows behind so many are dropped as well; None where their number is not recorded.
    """

    def __init__(self, path: Path, up_to_step: int | None, count: int | None = None) -> None:
        self.path = path
        self.columns: list[str] = ["epoch", "step"]
        self.rows: list[dict[str, Any]] = []
        if up_to_step is not None and path.is_file():
            # Other bytes than UTF-8 belong to no row that is read below: they stay out as half a row does.
            with path.open(newline="", encoding="utf-8", errors="replace") as file:
                for row in islice(csv.DictReader(file), count):
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
            raise write_error(self.path, error) from error

    def _rewrite(self) -> None:
        lines = [self.columns, *([row.get(column, "") for column in self.columns] for row in self.rows)]
        write_atomically(self.path, _csv(lines))


def _csv(lines: Iterable[Iterable[Any]]) -> str:
    import io

    text = io.StringIO(newline="")
    csv.writer(text).writerows(lines)
    return text.getvalue()
