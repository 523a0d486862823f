"""folder: photographs in folders named after their classes."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import cached_property
from pathlib import Path
from typing import Literal

import numpy as np
from PIL import Image

from zoo.core.errors import ImageError, NoSplitError, UserError
from zoo.core.spec import WHITE_LEVELS
from zoo.data.augmentation_setting import Setting
from zoo.data.default_augmentation import augmentation_of_files
from zoo.datasets.layout import Layout, LayoutName, class_folders, find_layout, require_no_wrapper
from zoo.images.files import ANY, decode, find_images, image_size, open_image
from zoo.images.left_out import count_left_out

#: Default height and width where photographs differ in size: those of ImageNet's networks.
PHOTOGRAPH_SIZE = 224


def folder(
    root: Path, split: Literal["train", "val", "test"], channels: int = 3, layout: LayoutName = "auto"
) -> ImageFolder:
    """Your own images, one folder for each class, of any size.

    The layout is ``train/<class>/...`` with ``val`` and ``test`` beside it, or ``<class>/...`` alone, from which zoo
    draws the splits. Other usual names of splits are recognised in any case: Training, valid, validation, dev, Testing,
    eval ... The training folders, in alphabetical order, are the classes. Hidden files and folders are left out, and
    files whose ending is not that of an image, and the runs that training left.

    Args:
        root: the folder with ``train``, or with the class folders.
        split: ``train``, ``val`` or ``test``.
        channels: 3 reads every image as RGB, 1 as grey; 2, 4 or more takes images of exactly so many channels, .npy
            files ``(height, width, channels)`` too.
        layout: ``splits`` or ``classes`` says what the folders in the root are; ``auto`` recognises it.

    Raises:
        UserError: the folder does not exist or has no class folder, a class folder has no image, or the classes of a
            split differ from those of ``train``; two folders are one split, or a folder may be a split or a class.
        NoSplitError: ``train`` has no such split beside it, or there are class folders alone.
    """
    places = find_layout(root, layout)
    parent = _parent(places, split)
    classes = list(class_folders(places.splits.get("train", root)))
    require_no_wrapper(places, classes)
    if split != "train":
        names = {name for name, path in class_folders(parent).items() if any(find_images(path, channels))}
        _require_same_classes(parent, names, set(classes))
    dataset = _read(places, parent, classes, channels)
    _require_images(parent, dataset)
    return dataset


def as_found(
    root: Path, split: Literal["train", "val", "test"], channels: int = 3, layout: LayoutName = "auto"
) -> ImageFolder:
    """Open a split with its faults left in, for ``zoo check``; arguments and other errors as ``folder``.

    The classes are all folders of the split itself, also those without an image.
    """
    places = find_layout(root, layout)
    parent = _parent(places, split)
    return _read(places, parent, list(class_folders(parent)), channels)


folder.as_found = as_found  # type: ignore[attr-defined]  # zoo.data.contract says what it is for


class ImageFolder:
    """A map-style data set of image files.

    Args:
        files: paths of the images.
        labels: int64 ``(count,)``, indices into ``classes``.
        classes: class names in the order of the labels.
        channels: 1 (grey), 3 (RGB), or the number that every file has.
    """

    #: Item i is the file ``path(i)`` with ``labels[i]`` and nothing else (zoo.data.contract).
    plain_files = True
    #: The level that becomes 255 in files of 16 bits; ImageData sets it.
    white_level = WHITE_LEVELS[-1]
    #: Whether these are the images of all splits (zoo.data.contract).
    unsplit = False
    #: Lines about what was recognised (zoo.data.contract).
    notes: Sequence[str] = ()
    #: The root, and the folders in it that hold class folders; None where a table names the files.
    places: tuple[Path, Sequence[Path]] | None = None

    def __init__(self, files: list[str], labels: np.ndarray, classes: list[str], channels: int) -> None:
        if channels < 1:
            raise UserError(f"data.channels is {channels}; allowed is 1 or more")
        self.files = files
        self.labels = labels
        self.classes = classes
        self.channels = channels

    def __len__(self) -> int:
        return len(self.files)

    def __getitem__(self, index: int) -> tuple[Image.Image | np.ndarray, int]:
        """Return ``(image, label)``: a PIL image of mode L or RGB, and a class index.

        Of 2, 4 or more channels the image is uint8 ``(height, width, channels)``.

        Raises:
            ImageError: the file is damaged or has other channels; the message names it.
        """
        read = open_image if self.channels in (1, 3) else decode
        return read(self.files[index], self.channels, self.white_level), int(self.labels[index])

    def left_out(self) -> Mapping[str, int]:
        """Count the files in the folder that are no images of its classes, by kind (zoo.data.contract)."""
        return count_left_out(*self.places, self.classes, self.channels) if self.places else {}

    @property
    def augmentation(self) -> Setting:
        """How training changes the images where the user does not say (zoo.data.contract)."""
        return augmentation_of_files(self.classes, self.image_size)

    def path(self, index: int) -> str:
        """Return the file of an image."""
        return self.files[index]

    @cached_property
    def image_size(self) -> tuple[int, int]:
        """``(height, width)`` for the network: that of 100 images if they agree on at most 224, else 224x224."""
        sizes = set()
        for index in np.unique(np.linspace(0, len(self) - 1, 100).astype(int)):
            try:
                sizes.add(image_size(self.files[index], self.channels))
            except ImageError:  # an error names the image when it is read
                continue
        if len(sizes) == 1 and max(size := sizes.pop()) <= PHOTOGRAPH_SIZE:
            return size
        return PHOTOGRAPH_SIZE, PHOTOGRAPH_SIZE


def _parent(places: Layout, split: str) -> Path:
    """Return the folder that holds a split's class folders."""
    if split in places.splits:
        return places.splits[split]
    if places.splits:
        raise NoSplitError(
            split, f"{places.root} has {places.splits['train'].name}/ but no {split}/ with class folders"
        )
    if split != "train":
        raise NoSplitError(split, f"{places.root} has class folders alone; zoo draws its splits")
    return places.root


def _require_same_classes(path: Path, names: set[str], train: set[str]) -> None:
    extra, missing = sorted(names - train), sorted(train - names)
    if extra or missing:
        detail = f"not in train/: {', '.join(extra) or 'none'}; missing: {', '.join(missing) or 'none'}"
        raise UserError(f"the classes in {path} differ from those in train/ ({detail}); make them equal")


def _read(places: Layout, parent: Path, classes: list[str], channels: int) -> ImageFolder:
    files: list[str] = []
    labels: list[int] = []
    for label, name in enumerate(classes):
        images = sorted(find_images(parent / name, channels))
        files += images
        labels += [label] * len(images)
    dataset = ImageFolder(files, np.array(labels, np.int64), classes, channels)
    dataset.places, dataset.notes, dataset.unsplit = (places.root, places.parents), [places.note], not places.splits
    return dataset


def _require_images(parent: Path, dataset: ImageFolder) -> None:
    for name, count in zip(dataset.classes, np.bincount(dataset.labels, minlength=len(dataset.classes)), strict=True):
        if count == 0:
            arrays = any(find_images(parent / name, ANY))
            hint = "; .npy files are images with --data.channels N, where N is 2, 4 or more" if arrays else ""
            raise UserError(f"class folder {parent / name} holds no image; add images or remove the folder{hint}")
