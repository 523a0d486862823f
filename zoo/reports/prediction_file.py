"""The file of predictions: rows are added as they come beside it, and it appears when it is complete."""

from __future__ import annotations

import os
from collections import Counter
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import BinaryIO, Self

from zoo.core.errors import UserError
from zoo.core.locks import holder
from zoo.core.whole_file import hold, publish, write_error
from zoo.models.many import Result
from zoo.reports.prediction_rows import Rows, WrittenRow, written_name


class PredictionFile:
    """A file of predictions; until ``finish`` its rows are in ``part``, a file beside it.

    Used in a ``with`` statement, which closes it; an interrupted command leaves ``part`` with complete rows.

    Args:
        path: the file; an older one is replaced by ``finish``.
        rows: the format.

    Attributes:
        part: where the rows are.
        began: whether ``start`` has made ``part`` anew.
        count: how many rows it has.
        errors: how many of them have an error, and the first of these errors as ``first_error``.
        last: the last row without an error that ``resume`` has read.

    Raises:
        RunError: the folder is read-only or the disk is full; so do all methods.
    """

    def __init__(self, path: Path, rows: Rows) -> None:
        self.path, self.rows = path, rows
        self._head = rows.head.encode("utf-8", "backslashreplace")
        self.part = path.with_name(f"{path.name}.part")
        self.began, self.count, self.errors = False, 0, 0
        self.first_error = ""
        self.last: WrittenRow | None = None
        self._resumed: Counter[str] = Counter()  # how often each name has a row
        self._file: BinaryIO | None = None

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *error: object) -> None:
        if self._file is not None:
            self._file.close()

    def start(self) -> None:
        """Begin a new file of rows."""
        with self._failures():
            self._file = self._held()
            self._file.truncate(0)
            self._file.write(self._head)
        self.began = True

    def resume(self) -> bool:
        """Go on after the last complete row of an interrupted command; begin anew and return False if there is none.

        Raises:
            UserError: the rows there are of another format.
        """
        with self._failures():
            if not self.part.exists() or self.part.stat().st_size < len(self._head):
                self.start()
                return False
            self._file, end = self._held(), len(self._head)
            if self._file.read(end) != self._head:
                raise UserError(
                    f"--resume: {self.part} was written with other classes or options (--top_k, --all); give the same, "
                    "or delete the file"
                )
            for row in self.rows.read(self._file, end):
                end = row.end
                self._resumed[row.name] += 1
                self.errors += bool(row.error)
                self.first_error = self.first_error or row.error
                self.last = self.last if row.error or row.top is None else row
            self.count = self._resumed.total()
            self._file.truncate(end)
            self._file.seek(end)
        return True

    def missing(self, names: list[str]) -> list[str]:
        """Return the names that have no row yet."""
        left = self._resumed.copy()
        missing = []
        for name in names:
            key = written_name(name)
            if left[key] > 0:
                left[key] -= 1
            else:
                missing.append(name)
        return missing

    def add(self, results: Sequence[Result]) -> None:
        """Write rows, which are in the file when this returns."""
        lines = [self.rows.line(result, first=self.count + index == 0) for index, result in enumerate(results)]
        with self._failures():
            file = self._opened()
            file.write("".join(lines).encode("utf-8", "backslashreplace"))
            file.flush()
        self.count += len(results)
        self.errors += sum(bool(result.error) for result in results)

    def finish(self) -> None:
        """Move the rows to where the file belongs; they are on the disk before."""
        with self._failures():
            file = self._opened()
            file.write(self.rows.tail.encode())
            publish(file, self.path)
            file.close()

    def _held(self) -> BinaryIO:
        """Return the part, made if it is not there; UserError where another process writes it."""
        file = open(self.part, "r+b", opener=lambda path, flags: os.open(path, flags | os.O_CREAT, 0o666))  # noqa: SIM115  # __exit__ closes it
        if not hold(file):
            file.close()
            raise UserError(f"{holder(self.part)} writes {self.part}; wait for it, or name another --output")
        return file

    def _opened(self) -> BinaryIO:
        if self._file is None:
            raise ValueError("start or resume comes first")
        return self._file

    @contextmanager
    def _failures(self) -> Iterator[None]:
        try:
            yield
        except OSError as error:
            raise write_error(self.part, error, "; rows in it stay for --resume") from error
