"""predictions.csv: what a network answers for each image of a split, written batch by batch."""

from __future__ import annotations

import csv
import io
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import IO

from torch import Tensor

from zoo.core.whole_file import replacing, write_error

#: Columns before those of the probabilities, which are named after their class: ``probability of bee``.
COLUMNS = ("path", "label", "prediction")


class PredictionsCsv:
    """The open table.

    Args:
        path: of the table, for errors.
        file: where the rows go until it is complete.
        classes: names in the order of the probabilities.
        names: of the images of the split, by position.
    """

    def __init__(self, path: Path, file: IO[bytes], classes: Sequence[str], names: Sequence[str]) -> None:
        self.path, self.file, self.classes, self.names = path, file, classes, names
        self._numbers = ",%.6f" * len(classes) + "\n"
        header = io.StringIO(newline="")
        csv.writer(header, lineterminator="\n").writerow([*COLUMNS, *(f"probability of {name}" for name in classes)])
        self._write(header.getvalue())

    def add(self, labels: Tensor, probabilities: Tensor, positions: Sequence[int]) -> None:
        """Write a row for each image of a batch; probabilities have six decimals.

        Args:
            labels: int64 ``(batch,)``.
            probabilities: floating ``(batch, classes)``.
            positions: of the images in their split, from 0.

        Raises:
            RunError: the disk is full.
        """
        best, values = probabilities.argmax(dim=1).tolist(), probabilities.tolist()
        text = io.StringIO(newline="")
        writer = csv.writer(text, lineterminator="\n")
        for position, label, top, row in zip(positions, labels.tolist(), best, values, strict=True):
            writer.writerow([self.names[position], self.classes[label], self.classes[top]])
            text.seek(text.tell() - 1)  # the numbers go on the same line; this way they take half the time
            text.write(self._numbers % tuple(row))
        self._write(text.getvalue())

    def _write(self, text: str) -> None:
        with _failures(self.path):
            self.file.write(text.encode("utf-8", "surrogateescape"))  # a file's name comes back as it was
            self.file.flush()


@contextmanager
def write_predictions(path: Path, classes: Sequence[str], names: Sequence[str]) -> Iterator[PredictionsCsv]:
    """Give a table to write; it appears at ``path`` when the block ends, and not at all where an error ends it.

    Args:
        path: of predictions.csv.
        classes: names in the order of the probabilities.
        names: of the images of the split, by position.

    Raises:
        RunError: the folder is read-only or the disk is full.
    """
    with ExitStack() as stack:
        with _failures(path):
            file = stack.enter_context(replacing(path))
        yield PredictionsCsv(path, file, classes, names)
        with _failures(path):
            stack.close()


@contextmanager
def _failures(path: Path) -> Iterator[None]:
    try:
        yield
    except OSError as error:
        raise write_error(path, error) from error
