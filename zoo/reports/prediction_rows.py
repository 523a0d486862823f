"""Rows of predictions as CSV or JSON text, which a program reads and an interrupted command reads back.

``.csv``: columns file, class, probability, class_2, probability_2 ..., one with the probability of each class if asked
for, warning, error. ``.jsonl``: a line ``{"file": ..., "predictions": [{"class": ..., "probability": ...}, ...]}`` for
each, with ``probabilities``, ``warning`` and ``error`` where there are any. ``.json``: one list of the same.
"""

from __future__ import annotations

import csv
import io
import json
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from zoo.core.errors import UserError
from zoo.models.many import Result

#: A class and its probability.
Prediction = tuple[str, float]

FORMATS = (".csv", ".json", ".jsonl")

#: What is between the warnings of one picture.
SEPARATOR = "; "


@dataclass(frozen=True)
class Choice:
    """Which classes of a picture are named.

    Args:
        classes: all names, in the order of the probabilities.
        top_k: how many are named at most.
        thresholds: the least probability of a named class, float32 ``(classes,)``; None for no such limit.
        all_classes: whether a row holds the probability of every class as well.
    """

    classes: Sequence[str]
    top_k: int
    thresholds: np.ndarray | None = None
    all_classes: bool = False

    def named(self, probabilities: np.ndarray) -> list[Prediction]:
        """Return ``(class, probability)`` pairs, the likeliest first."""
        order = np.argsort(-probabilities, kind="stable")[: self.top_k]
        if self.thresholds is not None:
            order = order[probabilities[order] >= self.thresholds[order]]
        return [(self.classes[label], float(probabilities[label])) for label in order]


@dataclass(frozen=True)
class WrittenRow:
    """A row that an interrupted command has written.

    Args:
        name: of the picture, as ``written_name`` returns it.
        top: the likeliest class and its probability; None if no class is named.
        error: why the picture could not be read, or empty.
        end: bytes of the file up to the row's end.
    """

    name: str
    top: Prediction | None
    error: str
    end: int


def written_name(name: str) -> str:
    """Return a file's name as it stands in UTF-8 text; bytes that are no UTF-8 become escapes."""
    return name.encode("utf-8", "backslashreplace").decode()


class CsvRows:
    """Rows of a CSV file; UserError where a class is named as another column is."""

    tail = ""

    def __init__(self, choice: Choice) -> None:
        self.choice = choice
        count = min(choice.top_k, len(choice.classes))
        suffixes = ["", *(f"_{rank}" for rank in range(2, count + 1))]
        pairs = [column + suffix for suffix in suffixes for column in ("class", "probability")]
        self._empty = [""] * len(pairs)
        self.columns = ["file", *pairs, *(choice.classes if choice.all_classes else ()), "warning", "error"]
        if twice := {name for name in self.columns if self.columns.count(name) > 1} if choice.all_classes else None:
            raise UserError(f"--all: class '{min(twice)}' is named as another column is; write a .jsonl file instead")
        self.head = _csv_line(self.columns)

    def line(self, result: Result, first: bool) -> str:
        """Return the text of one row."""
        if result.probabilities is None:
            blanks = [""] * (len(self.columns) - 3)
            return _csv_line([result.name, *blanks, "", result.error])
        pairs = [value for pair in self.choice.named(result.probabilities) for value in pair]
        every = result.probabilities.tolist() if self.choice.all_classes else []
        return _csv_line(
            [result.name, *pairs, *self._empty[len(pairs) :], *every, SEPARATOR.join(result.warnings), result.error]
        )

    def read(self, lines: Iterable[bytes], start: int) -> Iterator[WrittenRow]:
        """Yield the complete rows after the head, which ends at byte ``start``."""
        end = start

        def whole() -> Iterator[str]:
            nonlocal end
            for line in lines:
                if not line.endswith(b"\n"):
                    return
                end += len(line)
                yield line.decode()

        try:
            for row in csv.reader(whole(), strict=True):
                if len(row) != len(self.columns):
                    return
                yield WrittenRow(row[0], (row[1], float(row[2])) if row[1] else None, row[-1], end)
        except csv.Error:  # cut off within a name of two lines
            return


class JsonRows:
    """Rows of JSON, one a line; ``as_list`` makes the file one JSON list."""

    def __init__(self, choice: Choice, as_list: bool) -> None:
        self.choice, self.as_list = choice, as_list
        self.head, self.tail = ("[\n", "\n]\n") if as_list else ("", "")

    def line(self, result: Result, first: bool) -> str:
        """Return the text of one row; in a list it follows the comma after the row before."""
        pairs = [] if result.probabilities is None else self.choice.named(result.probabilities)
        row: dict[str, Any] = {
            "file": result.name,
            "predictions": [{"class": name, "probability": probability} for name, probability in pairs],
        }
        if self.choice.all_classes and result.probabilities is not None:
            row["probabilities"] = dict(zip(self.choice.classes, result.probabilities.tolist(), strict=True))
        row |= {"warning": SEPARATOR.join(result.warnings)} if result.warnings else {}
        row |= {"error": result.error} if result.error else {}
        text = json.dumps(row, ensure_ascii=False)
        return ("" if first else ",\n") + text if self.as_list else text + "\n"

    def read(self, lines: Iterable[bytes], start: int) -> Iterator[WrittenRow]:
        """Yield the complete rows after the head, which ends at byte ``start``."""
        end = start
        for line in lines:
            content = line.rstrip(b"\n").rstrip(b",") if self.as_list else line
            if not self.as_list and not line.endswith(b"\n"):
                return
            try:
                row = json.loads(content)
            except ValueError:
                return
            top = [(pair["class"], pair["probability"]) for pair in row["predictions"][:1]]
            yield WrittenRow(
                written_name(row["file"]), top[0] if top else None, row.get("error", ""), end + len(content)
            )
            end += len(line)


Rows = CsvRows | JsonRows


def rows_for(suffix: str, choice: Choice) -> Rows:
    """Return the format that a suffix of FORMATS names."""
    return CsvRows(choice) if suffix == ".csv" else JsonRows(choice, suffix == ".json")


def _csv_line(values: Sequence[Any]) -> str:
    text = io.StringIO(newline="")
    csv.writer(text).writerow(values)
    return text.getvalue()
