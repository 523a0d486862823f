"""What the columns of a table of images mean: which is which, labels as classes, names of splits, complete rows."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import replace

from zoo.core.errors import UserError, did_you_mean, listed
from zoo.data.split import SPLIT_NAMES, split_of
from zoo.data.tables import Table

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

#: What the columns of a table with a column for each class hold.
ZERO, ONE = frozenset(["0", "0.0", "False", "false"]), frozenset(["1", "1.0", "True", "true"])


def find_columns(content: Table, named: Mapping[str, str | None]) -> dict[str, str]:
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
            inside = "; pictures inside a Parquet file are read by hf/parquet of zoo-hf" if key == "path" else ""
            raise UserError(
                f"which column of {content.path} holds the {key}? Name one with {option}: it has {content.header}"
                f"{inside if content.path.suffix.lower() == '.parquet' else ''}"
            )
    return chosen


def with_one_hot_label(content: Table, label: str | None) -> tuple[Table, str | None]:
    """Return a table in which columns of 0 and 1, one for each class, are one column of labels.

    Args:
        content: the table.
        label: the column of labels, or names of such columns separated by commas; None takes a column of a usual name,
            else all columns that hold nothing but 0 and 1.

    Returns:
        The table, and the name of its column of labels; as they were received where there are no such columns.

    Raises:
        UserError: a row has another number of 1 than one.
    """
    if label is None:
        if any(_plain(name) in USUAL["label"] for name in content.columns):
            return content, label
        chosen = [name for name, values in content.columns.items() if all(map(_is_bit, values))]
    else:
        chosen = [] if label in content.columns else [name.strip() for name in label.split(",")]
    if len(chosen) < 2 or not all(name in content.columns for name in chosen):
        return content, label
    bits = list(zip(*([value.strip() in ONE for value in content.columns[name]] for name in chosen), strict=True))
    if wrong := [line for row, line in zip(bits, content.lines, strict=True) if sum(row) != 1]:
        raise UserError(
            f"{content.path}: an image has one class, but other numbers of 1 in the columns {listed(chosen)} are in "
            f"{'line' if len(wrong) == 1 else 'lines'} {listed(wrong)}; correct them, or name the columns of the "
            "classes with --data.dataset.label_column A,B,C"
        )
    name = listed(chosen)
    return replace(content, columns={**content.columns, name: [chosen[row.index(True)] for row in bits]}), name


def _is_bit(value: str) -> bool:
    return value.strip() in ONE or value.strip() in ZERO


def _plain(name: str) -> str:
    """Return a column's name in lower case, letters and digits alone: ``Image Path`` and ``image_path`` are one."""
    return re.sub(r"[\W_]+", "", name.casefold())


def label_texts(values: list[str]) -> list[str]:
    """Return labels without spaces around them, of whole numbers without ``.0``: pandas writes it beside a gap."""
    values = [value.strip() for value in values]
    if all(re.fullmatch(r"-?\d+(\.0*)?", value) for value in values if value):
        return [value.partition(".")[0] for value in values]
    return values


def class_names(labels: Sequence[str]) -> list[str]:
    """Return the classes in order: of whole numbers theirs, else the alphabet's."""
    classes = set(labels)
    whole = all(re.fullmatch(r"-?\d+", name) for name in classes)
    return sorted(classes, key=lambda name: (int(name), name)) if whole else sorted(classes)


def split_names(content: Table, column: str) -> list[str]:
    """Return train, val or test for each row; an empty text where it says nothing.

    Raises:
        UserError: rows have another word; all are named.
    """
    texts = [text.strip() for text in content.columns[column]]
    rows = zip(texts, content.lines, strict=True)
    unknown = [f"'{text}' (line {line})" for text, line in rows if text and split_of(text) is None]
    if unknown:
        allowed = ", ".join(name for names in SPLIT_NAMES.values() for name in names)
        raise UserError(f"{content.path}: column '{column}' has {listed(unknown)}; allowed are {allowed}, in any case")
    return [split_of(text) or "" for text in texts]


def require_rows(content: Table, names: list[str], labels: list[str], splits: list[str]) -> None:
    """Check that each row is complete, and that no two rows say different things about one file."""
    faults = []
    for what, values in (("path", names), ("label", labels), ("split", splits)):
        if empty := [line for value, line in zip(values, content.lines, strict=True) if not value.strip()]:
            faults.append(f"no {what} in {'line' if len(empty) == 1 else 'lines'} {listed(empty)}")
    said: dict[str, tuple[str, str, int]] = {}
    differing = []
    for name, label, split, line in zip(names, labels, splits, content.lines, strict=True):
        first = said.setdefault(name, (label, split, line))
        if name.strip() and first[:2] != (label, split):
            differing.append(f"lines {first[2]} and {line} of {name}")
    if differing:
        faults.append(f"different labels or splits in {listed(differing)}")
    if faults:
        raise UserError(f"{content.path}: {'; '.join(faults)}; correct or remove these lines")


def crossing_groups(content: Table, columns: Mapping[str, str], splits: Sequence[str]) -> list[str]:
    """Name the groups that are in two splits, in a warning."""
    if "group" not in columns or "split" not in columns:
        return []
    places: dict[str, set[str]] = {}
    for group, split in zip(content.columns[columns["group"]], splits, strict=True):
        places.setdefault(group.strip(), set()).add(split)
    crossing = [group for group, parts in places.items() if group and len(parts) > 1]
    if not crossing:
        return []
    text = f"warning: {len(crossing):,} of {len(places):,} groups of column '{columns['group']}' are in two splits"
    return [f"{text}, so that figures may be too good: {listed(crossing)}"]
