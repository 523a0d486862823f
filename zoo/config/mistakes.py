"""Test images that a run classifies wrong, with their pixels."""

from __future__ import annotations

import csv
from pathlib import Path

import numpy as np

from zoo.config.recorded_split import recorded_augmentation, recorded_split
from zoo.core.errors import UserError
from zoo.data.contract import as_tensor
from zoo.data.image_data import ImageData
from zoo.data.items import item_names
from zoo.images.files import from_pillow
from zoo.images.gallery import Gallery, Picture
from zoo.reports.plots import shrink
from zoo.runs.config_file import read_config
from zoo.runs.folder import Run


def mistakes(run: Run, count: int, root: str | Path | None = None) -> Gallery:
    """Return the mistakes in predictions.csv, the most confident first.

    Args:
        run: a tested one.
        count: at most so many.
        root: where the data lies now; None is where it was.

    Raises:
        UserError: the run was not tested, or count is below 1.
        ImageError: a file is gone or damaged; it is named.
    """
    if count < 1:
        raise UserError(f"mistakes: count is {count}; allowed is 1 or more")
    wrong = sorted(_wrong(run), key=lambda row: -float(row[f"probability of {row['prediction']}"]))[:count]
    if not wrong:
        return Gallery([], f"{run.path} has no mistake on its test images")
    data = _open(run, root)
    dataset, items = data.splits.items("test")
    positions = {name: position for position, name in enumerate(item_names(data, "test"))}
    pictures = []
    for row in wrong:
        if (position := positions.get(row["path"])) is None:
            raise UserError(
                f"{row['path']} of {run.predictions} is no longer a test image; test again: zoo test {run.path}"
            )
        image = dataset[position if items is None else int(items[position])][0]
        share = float(row[f"probability of {row['prediction']}"])
        pictures.append(
            Picture(_pixels(image), row["path"], f"{row['label']}, predicted {row['prediction']} ({share:.1%})")
        )
    return Gallery(pictures)


def _wrong(run: Run) -> list[dict[str, str]]:
    if not run.predictions.is_file():
        raise UserError(f"{run.path} has no predictions.csv; run.test(), or zoo test {run.path}, writes it")
    with run.predictions.open(newline="", encoding="utf-8", errors="surrogateescape") as file:
        return [row for row in csv.DictReader(file) if row["label"] != row["prediction"]]


def _open(run: Run, root: str | Path | None) -> ImageData:
    """Return the run's data, as its configuration and its split.csv say; no image is read yet."""
    data = read_config(run.config)["data"]
    data |= recorded_split(run, data) | recorded_augmentation(data) | {"memory_gib": 0, "num_workers": 0}
    data["dataset"] = {key: value for key, value in data["dataset"].items() if key != "from"}
    return ImageData(**data | ({} if root is None else {"root": root}))


def _pixels(image: object) -> np.ndarray:
    """Return an image of a data set as uint8 ``(height, width, channels)``, made smaller where it is large."""
    if hasattr(image, "getbands"):
        channels = 1 if image.getbands() in (("1",), ("L",), ("I",), ("F",)) else 3
        return shrink(from_pillow(image, channels))  # type: ignore[arg-type]
    pixels = np.asarray(image)
    pixels = pixels[..., None] if pixels.ndim == 2 else pixels
    return shrink(as_tensor(pixels, pixels.shape[2]).numpy())
