"""table: image files and their labels from a table: CSV, TSV or Parquet."""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Literal

import numpy as np

from zoo.core.errors import NoSplitError, UserError, listed
from zoo.data.table_columns import (
    class_names,
    crossing_groups,
    find_columns,
    label_texts,
    require_rows,
    split_names,
    with_one_hot_label,
)
from zoo.data.tables import read_table, require_utf8
from zoo.datasets.folder import ImageFolder
from zoo.images.finder import FileFinder


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
    files are; the file's ending may be left out. Labels are names, or whole numbers, which are sorted as numbers; or a
    column for each class holds 1 in the rows of its images and 0 in the others.

    Args:
        root: a folder that relative paths may start at.
        split: ``train``, ``val`` or ``test``.
        path: the table, from the working directory or from the root.
        path_column: the column of the images' files; by default the one of a usual name.
        label_column: the column of labels, or the columns of the classes, separated by commas; by default the one of a
            usual name, else all columns of nothing but 0 and 1.
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
        warnings: lines for ``notes``.

    Attributes:
        unsplit: whether the table says nothing of splits, so that they are drawn.
        group_column: the column of images that stay together in one split, or None.
        notes: which columns were recognised, and groups that are in two splits.
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
        warnings: Sequence[str],
    ) -> None:
        super().__init__(files, labels, classes, channels)
        self.content, self.files_root = content, files_root
        self.unsplit, self.group_column = "split" not in columns, columns.get("group")
        recognised = ", ".join(f"{key} from '{name}'" for key, name in columns.items())
        self.notes = [f"columns       {recognised}", *warnings]

    def column(self, name: str) -> Sequence[str] | None:
        """Return the value of each image in a column of the table; None where it has no such column."""
        values = self.content.get(name)
        return None if values is None else [value.strip() for value in values]


def _open(
    root: Path,
    split: str,
    path: Path,
    named: Mapping[str, str | None],
    channels: int,
    strict: bool,
) -> TableImages:
    content = read_table(_locate(root, Path(path)))  # from Python it may be a text
    content, label = with_one_hot_label(content, named.get("label"))
    columns = find_columns(content, {**named, "label": label})
    names, labels = content.columns[columns["path"]], label_texts(content.columns[columns["label"]])
    splits = split_names(content, columns["split"]) if "split" in columns else ["train"] * len(names)
    require_rows(content, names, labels, splits)
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
    classes = class_names([label for label, part in zip(labels, splits, strict=True) if part == "train" or not strict])
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
        crossing_groups(content, columns, splits),
    )


def _locate(root: Path, path: Path) -> Path:
    places = [path, root / path]
    for place in places:
        if place.is_file():
            return place
    raise UserError(f"there is no table {' or '.join(map(str, places))}; --data.dataset.path must name one")


def _find_files(names: Sequence[str], beside: Path, root: Path) -> tuple[list[str], list[int], Path]:
    """Return the file of each name, the rows whose file is missing, and the folder in which more of the files are."""
    finder = FileFinder()
    options = []
    for folder in (beside, root):
        files = [  # a file's name may begin or end with a space, and a value of a table may have one too many
            finder.find(os.path.join(folder, name)) or finder.find(os.path.join(folder, name.strip())) for name in names
        ]
        missing = [row for row, file in enumerate(files) if file is None]
        whole = [file or os.path.join(folder, name) for file, name in zip(files, names, strict=True)]
        options.append((whole, missing, folder))
        if not missing:
            break
    return min(options, key=lambda option: len(option[1]))
