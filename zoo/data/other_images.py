"""Images that are no part of a run's data: class folders, or a table, on which a trained network is tested."""

from __future__ import annotations

import os
from collections.abc import Collection, Sequence
from copy import copy
from dataclasses import dataclass
from hashlib import sha256
from pathlib import Path
from typing import Any

import numpy as np

from zoo.core import registry
from zoo.core.errors import UserError
from zoo.core.spec import InputSpec
from zoo.data.split import normal_path
from zoo.data.split_file import digests, relative_paths


@dataclass(frozen=True)
class OtherImages:
    """Images as they are, all of them, without splits.

    Args:
        root: the folder, or the table.
        dataset: a map-style data set whose labels are indices into the network's classes.
        names: of the images, by position: paths from the folder, or from the table's.
        missing: classes of the network without an image.
        contents: a digest of each file's content, by position.
    """

    root: Path
    dataset: Any
    names: Sequence[str]
    missing: list[str]
    contents: Sequence[str | None]

    @property
    def digest(self) -> str:
        """SHA-256 over names, contents and classes, whatever their order."""
        classes = [self.dataset.classes[label] for label in self.dataset.labels]
        rows = sorted(zip(map(normal_path, self.names), map(str, self.contents), classes, strict=True))
        lines = "".join(f"{name}\n{content}\n{label}\n" for name, content, label in rows)
        return sha256(lines.encode("utf-8", "surrogateescape")).hexdigest()

    def among(self, contents: Collection[str | None]) -> int:
        """Return how many of the images have their content among others, such as those a network was trained on."""
        return sum(content in contents for content in self.contents if content is not None)


def open_other_images(path: str | Path, spec: InputSpec, data_root: Path) -> OtherImages:
    """Open a folder with class folders, or a table of images and labels, for a trained network.

    Args:
        path: the folder, or a ``.csv``, ``.tsv`` or ``.parquet`` table.
        spec: of the network.
        data_root: where the relative paths of a table may start, if not at the table's folder.

    Raises:
        UserError: there is no such folder or table, it has splits, holds no image, or a class that the network lacks.
    """
    root = Path(os.path.abspath(path))  # without '..', for it names the results
    name, folder, options = ("folder", root, {}) if root.is_dir() else ("table", data_root, {"path": str(root)})
    if not root.exists():
        raise UserError(f"--on is '{path}', which does not exist; allowed are a folder of class folders and a table")
    builder: Any = registry.load("dataset", name)
    opened = builder.as_found(folder, "train", channels=spec.channels, **options)
    if not opened.unsplit:
        example = f"{path}/test" if name == "folder" else "a table without it"
        what = "split folders such as train/" if name == "folder" else "a column of splits"
        raise UserError(f"--on is '{path}', which has {what}; name the images to test on, such as {example}")
    counts = np.bincount(opened.labels, minlength=len(opened.classes))
    occurring = [str(name) for name, count in zip(opened.classes, counts, strict=True) if count]
    if not occurring:
        raise UserError(f"--on is '{path}', in which no image lies in a class folder")
    if unknown := [name for name in occurring if name not in spec.classes]:
        raise UserError(
            f"--on is '{path}', whose classes {', '.join(unknown)} the network does not have; its classes are "
            f"{', '.join(spec.classes)}: rename or remove the others"
        )
    dataset = copy(opened)
    numbers = [spec.classes.index(str(name)) if str(name) in occurring else -1 for name in opened.classes]
    dataset.labels, dataset.classes = np.array(numbers, np.int64)[opened.labels], list(spec.classes)
    dataset.white_level = spec.white_level
    files = [os.path.abspath(dataset.path(item)) for item in range(len(dataset))]
    names = relative_paths(dataset, folder)
    missing = [name for name in spec.classes if name not in occurring]
    return OtherImages(root, dataset, names, missing, digests(files))
