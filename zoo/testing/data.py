"""The contract of data sets and augmentations."""

from __future__ import annotations

import hashlib
import pickle
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch

from zoo.core.errors import NoSplitError, UserError
from zoo.core.spec import InputSpec
from zoo.data.augmentation_setting import Setting, build_augmentation
from zoo.data.contract import Place, as_tensor, read_item, require_dataset, require_listed
from zoo.testing.contract import ContractError, builder_of, clauses, require
from zoo.testing.inputs import random_images

#: Items of each split that are checked, evenly spaced.
SAMPLE = 50


def check_dataset(dataset: str | Callable[..., Any], *, root: str | Path, **options: Any) -> None:
    """Check that a data set keeps its contract (``zoo.data.contract``): classes, items, pickling, disjoint splits.

    Args:
        dataset: a registered name, or a builder.
        root: the data root; a data set may download missing files to it.
        **options: of the builder.

    Raises:
        ContractError: a rule is broken; the message states the first one.
        UserError: the name is unknown, or the builder refuses the options.
    """
    builder = builder_of("dataset", dataset)
    splits = {}
    for split in ("train", "val", "test"):
        try:
            splits[split] = builder(Path(root), split, **options)
        except NoSplitError:
            require(split != "train", "there is a train split")
    name = dataset if isinstance(dataset, str) else getattr(dataset, "__name__", "builder")
    with clauses():
        for split, data in splits.items():
            require_dataset(name, split, data)
    classes = list(splits["train"].classes)
    valid = all(isinstance(name, str) for name in classes) and len(set(classes)) == len(classes) >= 2
    require(valid, f"classes are at least two different texts, received {classes!r}")
    seen = {split: _check_split(name, split, data, classes) for split, data in splits.items()}
    for split in seen.keys() - {"train"}:
        shared = len(seen[split] & seen["train"])
        require(
            shared <= len(seen[split]) / 2,
            f"splits are disjoint; {shared} of {len(seen[split])} of {split} are in train",
        )


def check_augmentation(setting: Setting, *, channels: Sequence[int] = (1, 3), size: tuple[int, int] = (32, 32)) -> None:
    """Check that an augmentation keeps its contract: size and type of images, seeds, pickling.

    Args:
        setting: as ``--data.augmentation`` takes it: a registered name, or with its arguments.
        channels: of the images; each is tried.
        size: height and width that the network sees, in pixels.

    Raises:
        ContractError: a rule is broken; the message states the first one.
        UserError: the name is unknown, or the augmentation refuses its arguments or such images.
    """
    for depth in channels:
        spec = InputSpec(("a", "b"), depth, *size, (0.5,) * depth, (0.25,) * depth)
        augmentation = build_augmentation(setting, spec)
        image = random_images(spec, 1).mul(64).add(128).clamp(0, 255).to(torch.uint8)[0].permute(1, 2, 0)
        again = pickle.loads(pickle.dumps(augmentation))
        for seed in range(8):
            choice, untouched = [0, 0, seed % 2, seed], image.clone()
            changed = augmentation.change(image, choice)
            require(torch.equal(image, untouched), "it leaves the image that it is given as it is")
            require(changed.shape == image.shape, f"it keeps the size, {tuple(image.shape)}: {tuple(changed.shape)}")
            require(torch.equal(changed, augmentation.change(image, choice)), "its random numbers come from torch")
            require(torch.equal(changed, again.change(image, choice)), "it is the same after pickling")


def _check_split(name: str, split: str, data: Any, classes: list[str]) -> set[str]:
    """Check the items of a split, and return the digests of their pixels."""
    require(list(data.classes) == classes, f"every split has the classes of train; {split} has {list(data.classes)!r}")
    require(len(data) > 0, f"a split holds an image; {split} holds none")
    with clauses():
        require_listed(name, split, data)
    try:
        again = pickle.loads(pickle.dumps(data))
    except Exception as error:
        raise ContractError(f"breaks the contract: a data set can be pickled, for worker processes: {error}") from error
    require(len(again) == len(data), "a pickled data set is of the same length")
    listed = getattr(data, "labels", None)
    digests, channels = set(), set()
    for index in np.unique(np.linspace(0, len(data) - 1, SAMPLE).astype(int)).tolist():
        with clauses():
            image, label = read_item(data, index, Place(name, split, len(classes)))
        where = f"item {index} of {split}"
        require(listed is None or int(listed[index]) == label, f"labels agree with the items; {where}")
        pixels = _pixels(image, where)
        channels.add(pixels.shape[2])
        require(np.array_equal(pixels, _pixels(data[index][0], where)), f"an item is the same twice; {where}")
        digests.add(hashlib.sha256(pixels.tobytes()).hexdigest())
    require(
        len(channels) == 1 or {1, 3} == channels,
        f"images have equal channels, or 1 and 3; {split} has {sorted(channels)}",
    )
    return digests


def _pixels(image: Any, where: str) -> np.ndarray:
    """Return the pixels of an item's image, uint8 ``(height, width, channels)``."""
    if hasattr(image, "getbands"):
        return np.asarray(as_tensor(image, 3))
    try:
        return np.asarray(as_tensor(image, 1 if image.ndim == 2 else image.shape[2]))
    except (UserError, AttributeError, IndexError) as error:
        raise ContractError(
            "breaks the contract: an image is a PIL image or a uint8 or uint16 array (height, width, channels); "
            f"{where} is {type(image).__name__} {getattr(image, 'dtype', '')} {getattr(image, 'shape', '')}"
        ) from error
