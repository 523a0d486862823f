"""What zoo info shows of a data set: images of each class in each split, and samples."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from zoo.core import registry
from zoo.core.errors import NoSplitError, UserError
from zoo.data.contract import Place, as_tensor, read_item, require_dataset
from zoo.data.groups import group_keys
from zoo.data.inspection import channels, labels
from zoo.data.split import SPLIT_SEED, count_split, hash_split, normal_path
from zoo.data.split_file import relative_paths
from zoo.data.split_options import TEST_FRACTION, SplitOptions
from zoo.data.splits import SPLITS, Parts

#: Limits of ``summarise``: images of each class, and classes.
SAMPLES = 8
MAX_CLASSES = 100


@dataclass(frozen=True)
class Summary:
    """What ``zoo info`` shows of a data set.

    Args:
        classes: class names in the order of the labels.
        counts: by split, the number of images of each class.
        shapes: smallest and largest shape of the samples: ``28x28x1`` or ``112x150x3 to 500x333x3``.
        samples: for each class up to SAMPLES training images, evenly spaced, uint8 ``(height, width, channels)``,
            made smaller by ``shrink``.
    """

    classes: list[str]
    counts: dict[str, list[int]]
    shapes: str
    samples: list[list[np.ndarray]]


def default_parts(unsplit: Any, root: Path, place: Place) -> Parts:
    """Return the parts that are drawn by default from a data set that has no splits at all."""
    fractions = (SplitOptions.val_fraction, TEST_FRACTION)
    if hasattr(unsplit, "path"):
        keys = [normal_path(path) for path in relative_paths(unsplit, root)]
        parts = hash_split(group_keys(unsplit, keys), SPLIT_SEED, fractions)
    else:
        parts = count_split(labels(unsplit, place), SPLIT_SEED, fractions)
    return dict(zip(SPLITS, parts, strict=True))


def summarise(
    name: str, root: Path, shrink: Callable[[np.ndarray], np.ndarray], options: Mapping[str, Any] | None = None
) -> Summary:
    """Count the images of a data set and take samples of each class.

    Args:
        name: registered name of the data set.
        root: the data root.
        shrink: makes a large image, uint8 ``(height, width, channels)``, smaller.
        options: of the data set.

    Raises:
        UserError: the name is unknown, the data set cannot be opened, or it has over MAX_CLASSES classes.
        DownloadError: files are missing and cannot be downloaded.
        ImageError: one of the samples is damaged.
    """
    options = options or {}
    splits, places = {}, {}
    for split in ("train", "val", "test"):
        try:
            splits[split] = registry.call("dataset", name, (root, split), options)
        except NoSplitError:
            if split == "train":
                raise
            continue
        require_dataset(name, split, splits[split])
        places[split] = Place(name, split, len(list(splits[split].classes)))
    train = splits["train"]
    classes = [str(class_name) for class_name in train.classes]
    if len(classes) > MAX_CLASSES:
        raise UserError(f"samples are drawn of at most {MAX_CLASSES} classes; '{name}' has {len(classes)}")
    train_labels = labels(train, places["train"])
    by_split = {split: labels(dataset, places[split]) for split, dataset in splits.items()}
    if getattr(train, "unsplit", False):
        by_split = {split: train_labels[part] for split, part in default_parts(train, root, places["train"]).items()}
    counts = {split: np.bincount(values, minlength=len(classes)).tolist() for split, values in by_split.items()}
    depth = channels(train, places["train"])
    samples: list[list[np.ndarray]] = []
    shapes: set[tuple[int, ...]] = set()
    for label in range(len(classes)):
        own = np.flatnonzero(train_labels == label)
        chosen = np.unique(own[np.linspace(0, len(own) - 1, SAMPLES).astype(int)]) if len(own) else own
        samples.append([])
        for index in chosen:
            image = as_tensor(read_item(train, int(index), places["train"])[0], depth).numpy()
            shapes.add(image.shape)
            samples[-1].append(shrink(image))
    ordered = sorted(shapes, key=np.prod)
    texts = ["x".join(map(str, shape)) for shape in (ordered[0], ordered[-1])]
    return Summary(classes, counts, texts[0] if len(shapes) == 1 else " to ".join(texts), samples)
