"""Read a table with a header line: CSV, TSV or Parquet. Every value becomes text; an empty one is missing.

Bytes that are no UTF-8 become lone surrogates, as Python has them in names of files.
"""

from __future__ import annotations

import csv
import io
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

from zoo.core.errors import UserError, listed

#: Endings of the files that are read, and what else spreadsheets put between the values of a .csv file.
SUFFIXES = (".csv", ".tsv", ".txt", ".parquet")
DELIMITERS = (",", ";", "\t", "|")


@dataclass(frozen=True)
class Table:
    """The columns of a table.

    Args:
        path: of the file.
        columns: name, without spaces around it, to values as they are; all of one length.
        lines: number of the line that each row ends at, for errors; of Parquet the number of the row, from 1.
    """

    path: Path
    columns: dict[str, list[str]]
    lines: list[int]

    @property
    def header(self) -> str:
        """The names of the columns, for errors."""
        return ", ".join(self.columns)


def read_table(path: Path) -> Table:
    """Read a table.

    The values of a ``.csv`` or ``.txt`` file are separated by commas, semicolons, tabs or bars: by the one that its
    first line has most of. Those of a ``.tsv`` file are separated by tabs. Of Parquet, the columns of texts, numbers
    and truth values are read.

    Raises:
        UserError: the file cannot be read, is no table, names a column twice, has no row, or has rows of other lengths
            than its header, which are all named.
    """
    suffix = path.suffix.lower()
    if suffix not in SUFFIXES:
        raise UserError(f"{path} is not a table; allowed are names that end in {', '.join(SUFFIXES)}")
    header, rows, lines = _read_parquet(path) if suffix == ".parquet" else _read_text(path, suffix)
    if twice := sorted({name for name in header if name and header.count(name) > 1}):
        raise UserError(f"{path} names columns twice: {', '.join(twice)}; rename them")
    if not rows:
        raise UserError(f"{path} has no row; a table has a line with the names of its columns, then one for each image")
    uneven = [f"{line} ({len(row)})" for row, line in zip(rows, lines, strict=True) if len(row) != len(header)]
    if uneven:
        raise UserError(f"{path} has {len(header)} columns, but other numbers of values in lines {listed(uneven)}")
    columns = {name: list(values) for name, values in zip(header, zip(*rows, strict=True), strict=True)}
    columns.pop("", None)  # the number of the row, as pandas writes it
    return Table(path, columns, lines)


def require_utf8(path: Path, texts: Iterable[str]) -> None:
    """Check that texts of a table were UTF-8; paths need not be, because names of files may be any bytes.

    Raises:
        UserError: one was not.
    """
    try:
        "".join(texts).encode()
    except UnicodeEncodeError as error:
        raise UserError(f"table {path} is not UTF-8 text; save it as 'CSV UTF-8'") from error


def _read_text(path: Path, suffix: str) -> tuple[list[str], list[list[str]], list[int]]:
    try:
        text = path.read_bytes().decode("utf-8-sig", "surrogateescape")
    except OSError as error:
        raise UserError(f"table {path} cannot be read: {error.strerror}") from error
    first = text.partition("\n")[0]
    delimiter = "\t" if suffix == ".tsv" else max(DELIMITERS, key=first.count)
    reader = csv.reader(io.StringIO(text, newline=""), delimiter=delimiter)
    rows, lines = [], []
    try:
        for row in reader:
            if row:  # not an empty line
                rows.append(row)
                lines.append(reader.line_num)
    except csv.Error as error:
        raise UserError(f"{path}:{reader.line_num}: not a table: {error}") from error
    return [name.strip() for name in rows[0]] if rows else [], rows[1:], lines[1:]


def _read_parquet(path: Path) -> tuple[list[str], list[list[str]], list[int]]:
    try:
        import pyarrow as pa
        from pyarrow import parquet, types
    except ImportError as error:
        raise UserError(f"to read {path}, install pyarrow: pip install 'zoo-classifiers[parquet]'") from error
    texts = (types.is_string, types.is_large_string, types.is_string_view, types.is_dictionary)
    plain = (*texts, types.is_boolean, types.is_integer, types.is_floating)
    try:
        file = parquet.ParquetFile(path)
        names = [field.name for field in file.schema_arrow if any(test(field.type) for test in plain)]
        content = file.read(columns=names)
    except (OSError, pa.ArrowException) as error:
        raise UserError(f"table {path} cannot be read: {' '.join(str(error).split())}") from error
    columns = [[_text(value) for value in content[name].to_pylist()] for name in names]
    rows = [list(row) for row in zip(*columns, strict=True)]
    return [name.strip() for name in names], rows, list(range(1, len(rows) + 1))


def _text(value: object) -> str:
    return "" if value is None or value != value else str(value)  # NaN differs from itself
