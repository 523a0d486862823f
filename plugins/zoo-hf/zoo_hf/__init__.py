"""Data sets of Hugging Face ``datasets`` as a family of zoo: local tables and folders, and the hub's.

Source: Q. Lhoest et al., "Datasets: A Community Library for Natural Language Processing" (2021),
https://arxiv.org/abs/2109.02846
"""

from __future__ import annotations

import os
import re
from collections.abc import Callable
from logging import CRITICAL
from pathlib import Path
from typing import Any, Literal

from zoo import DownloadError, ImageError, NoSplitError, UserError

# The hub's libraries read them when they are imported: they are to fetch what is asked for, and report nothing.
os.environ.setdefault("HF_HUB_DISABLE_TELEMETRY", "1")
os.environ.setdefault("HF_UPDATE_DOWNLOAD_COUNTS", "false")

#: Formats that lie under the data root; every other name is one of the hub's.
TABLES = ("arrow", "parquet")
LOCAL = ("imagefolder", *TABLES)

#: Types of columns of labels that are no class labels: pandas 3 reads texts as large_string.
TEXTS = ("string", "large_string", "string_view")
WHOLE_NUMBERS = tuple(f"{sign}int{bits}" for sign in ("", "u") for bits in (8, 16, 32, 64))

#: Usual names of such columns, in lower case without underscores.
LABELS = ("label", "labels", "labelname", "class", "classname", "target", "category", "categoryname")

SPLITS = {"train": ("train",), "val": ("validation", "val", "valid", "dev"), "test": ("test",)}


def names() -> list[str]:
    """Return the local formats: the hub has too many names to list."""
    return sorted(LOCAL)


def accepts(name: str) -> bool:
    """Tell whether a name that is not listed may be one of the hub's: ``name`` or ``owner/name``."""
    return bool(name) and name.count("/") <= 1 and all(part and not part.startswith(".") for part in name.split("/"))


def builder(name: str) -> Callable[..., Table]:
    """Return the builder of a data set.

    Args:
        name: ``imagefolder``, ``parquet``, ``arrow``, or the hub's name of a data set.
    """

    def build(
        root: Path,
        split: Literal["train", "val", "test"],
        image_column: str | None = None,
        label_column: str | None = None,
        subset: str | None = None,
    ) -> Table:
        tables = _load(name, root, subset)
        columns = _columns(tables[_split(tables, "train", name)], image_column, label_column)
        classes = _classes(tables[_split(tables, "train", name)], columns[1])
        return Table(tables[_split(tables, split, name)], *columns, classes)

    place = "under the data root" if name in LOCAL else "of the hub"
    build.__name__ = name
    build.__doc__ = f"""Hugging Face data set {name}, {place}.

    Source: https://huggingface.co/docs/datasets

    Args:
        root: the folder of a local format; the hub's are kept in the cache of ``datasets``.
        split: ``train``, ``val`` (validation, valid, dev) or ``test``.
        image_column: the column of images; by default the only one of that type.
        label_column: the column of labels: class labels, texts or whole numbers; by default the only one of class
            labels, else the one of a usual name (label, class, target, category), else the only one that can be it.
        subset: of a data set that has several.

    Raises:
        NoSplitError: it has no such split.
        UserError: there is no such data set, or its columns are not images and labels.
        DownloadError: the hub cannot be reached.
    """
    return build


class Table:
    """A map-style data set over one table.

    Args:
        rows: a ``datasets.Dataset``.
        image_column: of images.
        label_column: of labels.
        classes: names in the order of the labels.
    """

    def __init__(self, rows: Any, image_column: str, label_column: str, classes: list[str]) -> None:
        import numpy as np  # not above: to list its names loads nothing

        self.rows, self.image_column, self.classes = rows, image_column, classes
        values = rows.with_format(None)[label_column][:]
        if missing := [str(row) for row, value in enumerate(values) if value is None]:
            raise UserError(f"rows {', '.join(missing)} have no {label_column}; fill it in or remove these rows")
        if not hasattr(rows.features[label_column], "names"):
            numbers = {name: number for number, name in enumerate(classes)}
            unknown = sorted(set(map(str, values)) - set(classes))
            if unknown:
                raise UserError(f"labels {', '.join(unknown)} are not in the train split; make the classes equal")
            values = [numbers[str(value)] for value in values]
        self.labels = np.asarray(values, np.int64)

    def __len__(self) -> int:
        return len(self.labels)

    def __getitem__(self, index: int) -> tuple[Any, int]:
        """Return ``(PIL image, label)``; ImageError names a row whose image is damaged."""
        try:
            image = self.rows[index][self.image_column]
        except (OSError, ValueError, SyntaxError) as error:
            raise ImageError(f"row {index}: not a readable image: {error}") from error
        if image is None:
            raise ImageError(f"row {index}: there is no image")
        return image, int(self.labels[index])


def _load(name: str, root: Path, subset: str | None) -> Any:
    """Return the splits of a data set, ``datasets.DatasetDict``."""
    import datasets

    datasets.disable_progress_bars()
    datasets.logging.set_verbosity(CRITICAL)  # what it would say, the errors below say in a line
    if name in LOCAL and not root.is_dir():
        raise UserError(f"{root} is not a folder; --data.root must name the one that holds the data")
    try:
        if name in TABLES:
            return datasets.load_dataset(name, data_files=_files(root, name))
        if name in LOCAL:
            return datasets.load_dataset(name, data_dir=str(root))
        return datasets.load_dataset(name, subset)
    except (ConnectionError, OSError) as error:
        if name in LOCAL:
            raise UserError(f"{root} holds no data that hf/{name} can read: {_first_line(error)}") from error
        raise DownloadError(
            f"data set '{name}' cannot be had of the hub: {_first_line(error)}; see that the name is right and the "
            "network is there, or download its files and read them by hf/parquet or hf/imagefolder"
        ) from error
    except (ValueError, RuntimeError, datasets.exceptions.DatasetsError) as error:
        raise UserError(f"data set 'hf/{name}' cannot be read: {_first_line(error)}") from error


def _files(root: Path, name: str) -> dict[str, list[str]]:
    """Return the files of each split, which a word of their names or folders says; those without one are train's.

    Beside them may lie what is no table: ``Dataset.save_to_disk`` writes JSON files.
    """
    found: dict[str, list[str]] = {}
    for path in sorted(root.rglob(f"*.{name}")):
        words = re.split(r"[^a-z]+", str(path.relative_to(root)).lower())
        split = next((known for names in SPLITS.values() for known in names if known in words), "train")
        found.setdefault(split, []).append(str(path))
    if not found:
        raise UserError(f"{root} holds no data that hf/{name} can read: no file ends in .{name}")
    return found


def _split(tables: Any, split: str, name: str) -> str:
    for known in SPLITS[split]:
        if known in tables:
            return known
    raise NoSplitError(split, f"hf/{name} has {', '.join(sorted(tables))}")


def _columns(table: Any, image: str | None, label: str | None) -> tuple[str, str]:
    """Return the names of the columns of images and labels."""
    from datasets import ClassLabel, Image

    listed = ", ".join(f"{name} ({_kind(feature)})" for name, feature in table.features.items())
    images = [name for name, feature in table.features.items() if isinstance(feature, Image)]
    labels = [name for name, feature in table.features.items() if isinstance(feature, ClassLabel)]
    if not labels:
        plain = [name for name, feature in table.features.items() if _kind(feature) in (*TEXTS, *WHOLE_NUMBERS)]
        labels = [name for name in plain if name.lower().replace("_", "") in LABELS] or plain
    chosen = []
    for option, given, fitting in (("image_column", image, images), ("label_column", label, labels)):
        if given is not None and given not in table.features:
            raise UserError(f"--data.dataset.{option} is '{given}'; the columns are {listed}")
        if given is None and len(fitting) != 1:
            raise UserError(
                f"{len(fitting)} columns can be the {option}; choose with --data.dataset.{option}: {listed}"
            )
        chosen.append(given if given is not None else fitting[0])
    return chosen[0], chosen[1]


def _classes(table: Any, column: str) -> list[str]:
    feature = table.features[column]
    if hasattr(feature, "names"):
        return list(feature.names)
    if _kind(feature) not in (*TEXTS, *WHOLE_NUMBERS):
        raise UserError(f"column '{column}' is {_kind(feature)}; labels are class labels, texts or whole numbers")
    return [str(value) for value in sorted({value for value in table[column][:] if value is not None})]


def _kind(feature: Any) -> str:
    return str(getattr(feature, "dtype", None) or type(feature).__name__)


def _first_line(error: BaseException) -> str:
    return (str(error).strip().splitlines() or [type(error).__name__])[0]
