"""split.csv: which image is in which split; written into a run, and read from a run, a table or lists of files."""

from __future__ import annotations

import csv
import io
import os
from collections.abc import Iterable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from hashlib import blake2b
from pathlib import Path
from typing import Any

from zoo.core.errors import UserError
from zoo.data.split import SPLIT_NAMES, normal_path, split_of
from zoo.data.tables import read_table
from zoo.runs.files import write_atomically
from zoo.runs.folder import Run

COLUMNS = ("path", "class", "split", "size", "digest")

#: Bytes of a file that are read at once.
CHUNK = 2**20


@dataclass(frozen=True, slots=True)
class SplitRow:
    """One image of a split.

    Args:
        path: relative to the data root, with ``/``, as it stands on the disk.
        class_name: its class, or None where the source has no such column.
        split: train, val or test; empty where the table has folds.
        size: of the file in bytes, or None.
        digest: of the file's content, as ``digest`` gives it, or None.
        fold: in a table of folds the fold that tests the image, else None.
    """

    path: str
    class_name: str | None
    split: str
    size: int | None = None
    digest: str | None = None
    fold: str | None = None


def digest(path: str) -> str | None:
    """Return the BLAKE2b digest of a file's content, 32 hexadecimal digits; None where it cannot be read."""
    state = blake2b(digest_size=16)
    try:
        if not os.path.isfile(path):  # reading a pipe would never end
            return None
        with open(path, "rb") as file:
            while block := file.read(CHUNK):
                state.update(block)
    except OSError:
        return None
    return state.hexdigest()


def digests(paths: Sequence[str]) -> list[str | None]:
    """Return the digest of each file; several are read at once."""
    with ThreadPoolExecutor(min(32, 4 * (os.cpu_count() or 1))) as pool:
        return list(pool.map(digest, paths, chunksize=16))


def file_size(path: str) -> int | None:
    """Return a file's size in bytes; None where there is no file."""
    try:
        return os.stat(path).st_size
    except OSError:
        return None


def relative_paths(dataset: Any, root: Path) -> list[str]:
    """Return the path of each item of a data set with files, relative to the data root, with ``/``.

    A file that lies elsewhere has its whole path.
    """
    base = os.path.abspath(getattr(dataset, "files_root", root)) + os.sep
    files = [os.path.abspath(str(dataset.path(item))) for item in range(len(dataset))]
    return [file.removeprefix(base).replace(os.sep, "/") for file in files]


def write_split(path: Path, rows: Iterable[SplitRow]) -> None:
    """Write split.csv, whole or not at all; RunError where the folder cannot be written."""
    text = io.StringIO(newline="")
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(COLUMNS)
    for row in rows:
        writer.writerow([row.path, row.class_name, row.split, row.size, row.digest])
    # A name that is no UTF-8 must come back as it was.
    write_atomically(path, text.getvalue().encode("utf-8", "surrogateescape"))


def read_split(source: str | Path) -> dict[str, SplitRow]:
    """Read a split: of a run, of a table with the columns path and split (or fold), or of lists in a folder.

    Args:
        source: a run folder with split.csv; a table, as ``zoo.data.tables`` reads it; or a folder with ``train.txt``
            and, if there are such splits, ``val.txt`` and ``test.txt`` (or another of SPLIT_NAMES), which hold a path
            a line.

    Returns:
        Rows by path, in the form of ``normal_path``.

    Raises:
        UserError: there is none of these, or it cannot be read; a path is in two splits.
    """
    place = Path(source)
    if place.is_dir():
        run = Run(place)
        rows = _read_table(run.split) if run.split.is_file() else _read_lists(place)
    elif place.is_file():
        rows = _read_table(place)
    else:
        raise UserError(f"data.split is '{source}', which does not exist; {_ALLOWED}")
    by_path: dict[str, SplitRow] = {}
    for row in rows:
        key = normal_path(os.path.normpath(row.path))
        before = by_path.setdefault(key, row)
        if (before.split, before.fold) != (row.split, row.fold):
            parts = [one.fold or one.split for one in (before, row)]
            raise UserError(f"{source}: {row.path} is in {parts[0]} and in {parts[1]}; an image has one split")
    if not by_path:
        raise UserError(f"{source}: no image is listed; {_ALLOWED}")
    return by_path


_ALLOWED = (
    "allowed are the folder of a run that drew its split, a table (.csv, .tsv, .parquet) with the columns path "
    "and split, and a folder with train.txt, val.txt and test.txt"
)


def _read_table(path: Path) -> list[SplitRow]:
    table = read_table(path)
    columns = {name.lower(): values for name, values in table.columns.items()}
    kind = next((name for name in ("split", "fold") if name in columns), None)
    if "path" not in columns or kind is None:
        raise UserError(f"{path}: its columns are {table.header or 'none'}; needed are path and split")
    empty = [""] * len(table.lines)
    others = (columns.get(name, empty) for name in ("class", "size", "digest"))
    rows = zip(columns["path"], columns[kind], *others, strict=True)
    return [_row(path, kind, name, part.strip(), *rest) for name, part, *rest in rows if name]


def _row(table: Path, kind: str, path: str, part: str, class_name: str, size: str, content: str) -> SplitRow:
    split = split_of(part) if kind == "split" else ""
    if split is None or not part:
        raise UserError(f"{table}: the {kind} of {path} is '{part}'; allowed are {', '.join(SPLIT_NAMES)}")
    size_in_bytes = int(size) if size.isdecimal() else None
    fold = part if kind == "fold" else None
    return SplitRow(path, class_name or None, split, size_in_bytes, content or None, fold)


def _read_lists(folder: Path) -> list[SplitRow]:
    rows, lists = [], [path for path in sorted(folder.glob("*.txt")) if split_of(path.stem)]
    splits = [split_of(path.stem) for path in lists]
    for split in set(splits):
        if splits.count(split) > 1:
            names = " and ".join(path.name for path in lists if split_of(path.stem) == split)
            raise UserError(f"{folder} has {names}, two lists of one split; keep one")
    if "train" not in splits:
        raise UserError(f"data.split is '{folder}', which has neither split.csv nor train.txt; {_ALLOWED}")
    for path, split in zip(lists, splits, strict=True):
        try:
            text = path.read_bytes().decode("utf-8-sig", "surrogateescape")
        except OSError as error:
            raise UserError(f"{path} cannot be read: {error.strerror}") from error
        rows += [SplitRow(line.strip(), None, str(split)) for line in text.split("\n") if line.strip()]
    return rows


def fold_order(fold: str) -> tuple[int, str]:
    """Return a key that sorts folds by their numbers, and names of folds before them."""
    return (int(fold), "") if fold.isdecimal() else (-1, fold)
