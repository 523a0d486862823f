"""table: image files and their labels from a table: CSV, TSV or Parquet."""

from __future__ import annotations

import os
import re
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Literal

import numpy as np

from zoo.core.errors import NoSplitError, UserError, did_you_mean
from zoo.data.split import SPLIT_NAMES, split_of
from zoo.data.tables import Table, listed, read_table, require_utf8
from zoo.datasets.folder import ImageFolder
from zoo.images.finder import FileFinder

#: Usual names of each column, as ``_plain`` writes them. Of the paths, the first that a table has is taken: many tables
#: have a number in ``id`` beside the file.
USUAL: Mapping[str, tuple[str, ...]] = {
    "path": (
        *("path", "filepath", "file", "filename", "image", "imagepath", "imagefile", "imagefilename", "imagename"),
        *("img", "imgpath", "imgname", "imageid", "id"),
    ),
    "label": ("label", "labels", "labelname", "class", "classname", "target", "category", "categoryname"),
    "split": ("split", "set", "subset", "partition"),
    "group": ("group", "groupid", "patient", "patientid", "subject", "subjectid"),
}


def table(
    root: Path,
    split: Literal["train", "val", "test"],
    path: Path,
    path_column: str | None = None,
    label_column: str | None = None,
    split_column: str | None = None,
    group_column: str | None = None,
    channels: int = 3,
) -> TableImages:
    """Image files and labels from a table: a .csv, .tsv or .parquet file with a line for each image.

    The first line names the columns. Usual names are recognised in any case: path, file, filename, image, image_path,
    id ... for the image, label, class, target, category ... for the label and, where there are such columns, split,
    set ... and group, patient ... A relative path starts at the table's folder or at the root, wherever more of the
    files are; the file's ending may be left out. Labels are names, or whole numbers, which are sorted as numbers.

    Args:
        root: a folder that relative paths may start at.
        split: ``train``, ``val`` or ``test``.
        path: the table, from the working directory or from the root.
        path_column: the column of the images' files; by default the one of a usual name.
        label_column: the column of labels; by default the one of a usual name.
        split_column: the column that says train, val or test; by default the one of a usual name, if there is one.
        group_column: the column of images that stay together in one split; by default the one of a usual name, if there
            is one.
        channels: 3 reads every image as RGB, 1 as grey; 2, 4 or more takes images of exactly so many channels.

    Raises:
        UserError: the table or a column is missing; rows lack a value, contradict each other or have an unknown split;
            files are missing; or labels are not among those of ``train``. All such rows are named.
        NoSplitError: the table has no such split, or no column of splits.
    """
    columns = {"path": path_column, "label": label_column, "split": split_column, "group": group_column}
    return _open(root, split, path, columns, channels, strict=True)


def as_found(
    root: Path,
    split: Literal["train", "val", "test"],
    path: Path,
    channels: int = 3,
    **columns: str | None,
) -> TableImages:
    """Open a split with its faults left in, for ``zoo check``: missing files, labels that ``train`` lacks."""
    named = {key.removesuffix("_column"): name for key, name in columns.items()}
    return _open(root, split, path, named, channels, strict=False)


table.as_found = as_found  # type: ignore[attr-defined]  # zoo.data.contract says what it is for


class TableImages(ImageFolder):
    """Image files of a table; arguments and items as ImageFolder's.

    Args:
        content: the table's columns, a value for each image.
        columns: names of the columns of path, label and, where there are any, split and group.
        files_root: the folder that relative paths start at.

    Attributes:
        unsplit: whether the table says nothing of splits, so that they are drawn.
        group_column: the column of images that stay together in one split, or None.
        notes: which columns were recognised.
    """

    plain_files = True

    def __init__(
        self,
        files: list[str],
        labels: np.ndarray,
        classes: list[str],
        channels: int,
        content: Mapping[str, Sequence[str]],
        columns: Mapping[str, str],
        files_root: Path,
    ) -> None:
        super().__init__(files, labels, classes, channels)
        self.content, self.files_root = content, files_root
        self.unsplit, self.group_column = "split" not in columns, columns.get("group")
        self.notes = [f"columns       {', '.join(f'{key} from {name!r}' for key, name in columns.items())}"]

    def column(self, name: str) -> Sequence[str] | None:
        """Return the value of each image in a column of the table; None where it has no such column."""
        return self.content.get(name)


def _open(
    root: Path,
    split: str,
    path: Path,
    named: Mapping[str, str | None],
    channels: int,
    strict: bool,
) -> TableImages:
    content = read_table(_locate(root, Path(path)))  # from Python it may be a text
    columns = _columns(content, named)
    names, labels = content.columns[columns["path"]], _label_texts(content.columns[columns["label"]])
    splits = _splits(content, columns["split"]) if "split" in columns else ["train"] * len(names)
    _require_rows(content, names, labels, splits)
    files, missing, folder = _find_files(names, content.path.parent, root)
    require_utf8(content.path, [*content.columns, *labels, *(names[row] for row in missing)])
    if missing and strict:
        rows = [f"{names[row]} (line {content.lines[row]})" for row in missing]
        raise UserError(
            f"{content.path}: {len(missing):,} of {len(names):,} files are neither in {content.path.parent} nor in "
            f"{root}: {listed(rows)}; --data.root may name the folder that relative paths start at"
        )
    if split not in splits:
        present = ", ".join(dict.fromkeys(splits)) if "split" in columns else "no column that says which is which"
        raise NoSplitError(split, f"{content.path} has {present}")
    classes = _classes([label for label, part in zip(labels, splits, strict=True) if part == "train" or not strict])
    numbers = {name: number for number, name in enumerate(classes)}
    chosen = [row for row, part in enumerate(splits) if part == split]
    unknown = [f"{labels[row]} (line {content.lines[row]})" for row in chosen if labels[row] not in numbers]
    if unknown:
        raise UserError(f"{content.path}: {split} has labels that train lacks: {listed(unknown)}; make them equal")
    return TableImages(
        [files[row] for row in chosen],
        np.array([numbers[labels[row]] for row in chosen], np.int64),
        classes,
        channels,
        {name: [values[row] for row in chosen] for name, values in content.columns.items()},
        columns,
        folder,
    )


def _locate(root: Path, path: Path) -> Path:
    places = [path, root / path]
    for place in places:
        if place.is_file():
            return place
    raise UserError(f"there is no table {' or '.join(map(str, places))}; --data.dataset.path must name one")


def _columns(content: Table, named: Mapping[str, str | None]) -> dict[str, str]:
    """Return the columns of path, label and, where there are any, split and group: those named, else the usual ones."""
    by_plain = {_plain(name): name for name in reversed(content.columns)}
    chosen: dict[str, str] = {}
    for key, usual in USUAL.items():
        name, option = named.get(key), f"--data.dataset.{key}_column"
        present = [by_plain[text] for text in usual if text in by_plain]
        if name is not None and name not in content.columns:
            near = did_you_mean(name, content.columns)
            raise UserError(f"{option} is '{name}'; the columns of {content.path} are {content.header}{near}")
        if name is None and len(present) > 1 and key != "path":
            raise UserError(f"{content.path}: {' and '.join(present)} can both be the {key}; choose with {option}")
        if name is not None or present:
            chosen[key] = present[0] if name is None else name
        elif key in ("path", "label"):
            raise UserError(
                f"which column of {content.path} holds the {key}? Its first line has {content.header}; name one with "
                f"{option}"
            )
    return chosen


def _plain(name: str) -> str:
    """Return a column's name in lower case, letters and digits alone: ``Image Path`` and ``image_path`` are one."""
    return re.sub(r"[\W_]+", "", name.casefold())


def _label_texts(values: list[str]) -> list[str]:
    """Return labels as texts; of whole numbers without ``.0``, which pandas writes where a column has a gap."""
    if all(re.fullmatch(r"-?\d+(\.0*)?", value) for value in values if value):
        return [value.partition(".")[0] for value in values]
    return values


def _classes(labels: Sequence[str]) -> list[str]:
    """Return the classes in order: of whole numbers theirs, else the alphabet's."""
    classes = set(labels)
    whole = all(re.fullmatch(r"-?\d+", name) for name in classes)
    return sorted(classes, key=lambda name: (int(name), name)) if whole else sorted(classes)


def _splits(content: Table, column: str) -> list[str]:
    """Return train, val or test for each row; an empty text where it says nothing.

    Raises:
        UserError: rows have another word; all are named.
    """
    texts = content.columns[column]
    rows = zip(texts, content.lines, strict=True)
    unknown = [f"'{text}' (line {line})" for text, line in rows if text and split_of(text) is None]
    if unknown:
        allowed = ", ".join(name for names in SPLIT_NAMES.values() for name in names)
        raise UserError(f"{content.path}: column '{column}' has {listed(unknown)}; allowed are {allowed}, in any case")
    return [split_of(text) or "" for text in texts]


def _require_rows(content: Table, names: list[str], labels: list[str], splits: list[str]) -> None:
    """Check that each row is complete, and that no two rows say different things about one file."""
    faults: list[str] = []
    said: dict[str, tuple[str, str, int]] = {}
    for name, label, split, line in zip(names, labels, splits, content.lines, strict=True):
        lacking = [what for what, value in (("path", name), ("label", label), ("split", split)) if not value]
        if lacking:
            faults.append(f"line {line} has no {' and no '.join(lacking)}")
            continue
        first = said.setdefault(name, (label, split, line))
        if first[:2] != (label, split):
            faults.append(f"lines {first[2]} and {line} say different things about {name}")
    if faults:
        raise UserError(f"{content.path}: {listed(faults)}; correct or remove these lines")


def _find_files(names: Sequence[str], beside: Path, root: Path) -> tuple[list[str], list[int], Path]:
    """Return the file of each name, the rows whose file is missing, and the folder in which more of the files are."""
    finder = FileFinder()
    options = []
    for folder in (beside, root):
        files = [finder.find(os.path.join(folder, name)) for name in names]
        missing = [row for row, file in enumerate(files) if file is None]
        whole = [file or os.path.join(folder, name) for file, name in zip(files, names, strict=True)]
        options.append((whole, missing, folder))
        if not missing:
            break
    return min(options, key=lambda option: len(option[1]))
