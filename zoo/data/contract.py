"""What a data set must give: the contract of the entry points in ``zoo.datasets``.

A builder ``builder(root, split, **options)`` returns a map-style data set (``ImageDataset`` below), or raises
NoSplitError where the split does not exist. ``zoo.testing.check_dataset`` runs the whole contract as a test.

A data set may have these attributes as well:

| attribute         | meaning                                                            | without it              |
|-------------------|--------------------------------------------------------------------|-------------------------|
| ``labels``        | int64 ``(count,)``, the label of each item                         | items are read for them |
| ``images``        | uint8 ``(count, height, width, channels)``, served in whole        | items are read one by   |
|                   | batches; needs ``labels``                                          | one                     |
| ``channels``      | 1 (grey), 3 (RGB) or another number                                | those of item 0         |
| ``image_size``    | ``(height, width)`` that networks see by default                   | that of item 0          |
| ``mean``, ``std`` | of the training pixels per channel, on the scale [0, 1]            | they are computed       |
| ``augmentation``  | the default in training, as ``--data.augmentation`` takes it       | none                    |
| ``path(index)``   | the file of an item: ``zoo check`` names it, splits are drawn by   | it names the index;     |
|                   | it                                                                 | splits go by count      |
| ``unsplit``       | True: ``train`` has the images of all splits, to draw them from    | it has its own test, or |
|                   |                                                                    | none                    |
| ``files_root``    | the folder that the paths in split.csv are relative to             | the data root           |
| ``column(name)``  | a value for each item, by which ``--data.group`` keeps images      | it takes a regular      |
|                   | together; None where there is no such column                       | expression on the path  |
| ``group_column``  | the column that keeps images together without ``--data.group``     | none does               |
| ``notes``         | lines about what was recognised, which ``zoo fit`` prints first    | nothing is printed      |
| ``plain_files``   | True, set by the class itself: item i is the file ``path(i)`` with | ``__getitem__`` reads   |
|                   | ``labels[i]`` and nothing else; training may decode it faster      | every image             |
| ``white_level``   | the level that becomes 255 where it reads files of 16 bits; zoo    | 16-bit images are given |
|                   | sets it before it reads items                                      | as they are             |
| ``left_out()``    | counts, by kind, of the files in its folder that are none of its   | nothing is said         |
|                   | images; the split ``train`` speaks for all                         |                         |

A builder may have an attribute ``as_found``: a builder that opens a split with its faults left in, for ``zoo check``.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal, Protocol, SupportsFloat, SupportsIndex

import numpy as np
import torch
from PIL import Image
from torch import Tensor

from zoo.core.errors import ImageError, UserError, brief
from zoo.core.foreign import errors_of, is_from_outside
from zoo.core.registry import titled
from zoo.images.files import from_pillow
from zoo.runtime import WHITE_LEVEL, to_8_bits

Split = Literal["train", "val", "test"]


class ImageDataset(Protocol):
    """A map-style data set that can be pickled, so that worker processes can read it."""

    #: Names in the order of the labels, the same in every split.
    classes: Sequence[str]

    def __len__(self) -> int: ...

    def __getitem__(self, index: int) -> tuple[Any, int]:
        """Return ``(image, label)``, the same at every call.

        An image is a PIL image, or uint8 or uint16 ``(height, width)`` or ``(height, width, channels)``; a label is an
        index into ``classes``.

        Raises:
            zoo.ImageError: the image is damaged; the message names its file.
        """
        ...


class BrokenDatasetError(UserError):
    """A data set breaks a clause of the contract, which the message names."""


class ItemRaisesError(BrokenDatasetError):
    """A data set raises an error where an item is read, and the error is no ImageError."""


def broken(name: str, clause: str) -> BrokenDatasetError:
    """Return the error of a data set, by its registered name, that breaks a clause."""
    return BrokenDatasetError(f"{titled('dataset', name)} breaks the contract: {clause}")


def require_dataset(name: str, split: str, dataset: Any) -> None:
    """Check that a builder returned a data set: its parts, its classes and its length; no item is read.

    Raises:
        BrokenDatasetError: a part of the contract is missing or of another type; the message names it.
        UserError: a part raises an error.
    """
    with errors_of(titled("dataset", name)):
        for attribute in ("__len__", "__getitem__", "classes"):
            if not hasattr(dataset, attribute):
                received = "" if dataset is not None else "; the builder returned None"
                raise broken(name, f"its {split} split has no {attribute}{received}")
        if not isinstance(dataset.classes, Iterable):
            raise broken(name, f"classes of its {split} split must be texts, received {dataset.classes!r}")
        classes = list(map(str, dataset.classes))
        if twice := next((each for each in classes if classes.count(each) > 1), None):
            raise broken(name, f"classes of its {split} split must differ, '{twice}' comes twice")
        length = dataset.__len__()
        if not isinstance(length, SupportsIndex) or int(length) < 0:
            raise broken(
                name, f"the length of its {split} split must be a whole number, 0 or more, received {length!r}"
            )


def require_attributes(name: str, split: str, dataset: Any) -> None:
    """Check what a data set says of its images, some of which may read the first one.

    Raises:
        BrokenDatasetError: an attribute is of another type; the message names it.
        UserError: an attribute raises an error.
    """
    with errors_of(titled("dataset", name)):
        for attribute, (allowed, is_allowed) in ATTRIBUTES.items():
            value = getattr(dataset, attribute, None)
            if value is not None and not is_allowed(value):
                raise broken(name, f"{attribute} of its {split} split must be {allowed}, received {value!r}")


def require_listed(name: str, split: str, dataset: Any) -> None:
    """Check the ``labels`` and the ``images`` of a data set that has them as arrays.

    Raises:
        BrokenDatasetError: they are not as many as its items, or labels are no indices of its classes.
    """
    labels, images = getattr(dataset, "labels", None), getattr(dataset, "images", None)
    if labels is None:
        return
    values, classes = np.asarray(labels), len(list(dataset.classes))
    if values.shape != (len(dataset),):
        raise broken(name, f"labels of its {split} split must be {(len(dataset),)}, one an item, not {values.shape}")
    if values.dtype.kind not in "iub" and not (values.dtype.kind == "f" and (values == np.floor(values)).all()):
        raise broken(name, f"labels of its {split} split must be int64, received {values.dtype}")
    require_labels(name, split, values, classes)
    if isinstance(images, np.ndarray) and len(images) != len(dataset):
        raise broken(name, f"images of its {split} split must be {len(dataset):,}, one an item, not {len(images):,}")


def require_labels(name: str, split: str, labels: Tensor | np.ndarray, count: int) -> None:
    """Check that there is a label and that all are 0 to ``count - 1``.

    Raises:
        BrokenDatasetError: there is none, or one is outside that range.
    """
    if len(labels) == 0 or int(labels.min()) < 0 or int(labels.max()) >= count:
        wrong = next((f", received {int(label)}" for label in labels if not 0 <= int(label) < count), "")
        raise broken(name, f"the labels of its {split} split must be 0 to {count - 1}{wrong}")


@dataclass(frozen=True)
class Place:
    """Where an item is: registered name and split of its data set, and how many classes that has."""

    name: str
    split: str
    classes: int


def read_item(dataset: Any, index: int, place: Place) -> tuple[Any, int]:
    """Return the image and the label of an item.

    Raises:
        ImageError: the data set says that the image is damaged.
        ItemRaisesError: the data set raises anything else.
        BrokenDatasetError: the item is no pair of an image and a label.
    """
    where = f"item {index} of its {place.split} split"
    try:
        item = dataset[index]
    except BaseException as error:
        if is_from_outside(error):
            raise
        length = f"; its length is {len(dataset):,}" if isinstance(error, IndexError) else ""
        title = titled("dataset", place.name)
        raise ItemRaisesError(f"{title} breaks the contract: {where} raises {brief(error)}{length}") from error
    if not isinstance(item, tuple | list) or len(item) != 2:
        size = f" of {len(item)}" if isinstance(item, tuple | list) else ""
        raise broken(place.name, f"{where} must be (image, label), received {type(item).__name__}{size}")
    image, label = item
    if not hasattr(image, "getbands") and getattr(image, "ndim", 0) not in (2, 3):
        allowed = f"the image of {where} must be a PIL image or uint8 (height, width, channels)"
        raise broken(place.name, f"{allowed}, received {_described(image)}")
    return image, _index(label, where, place)


def _index(label: Any, where: str, place: Place) -> int:
    try:
        index = int(label)
        is_whole = not isinstance(label, str | bytes) and bool(index == label)
    except (TypeError, ValueError, RuntimeError, OverflowError):
        index, is_whole = -1, False
    if is_whole and 0 <= index < place.classes:
        return index
    raise broken(
        place.name,
        f"the label of {where} must be 0 to {place.classes - 1}, an index of its classes, received {label!r}",
    )


def _described(image: Any) -> str:
    shape = getattr(image, "shape", None)
    return type(image).__name__ if shape is None else f"{type(image).__name__} {tuple(shape)}"


def _is_whole(value: Any) -> bool:
    return isinstance(value, SupportsIndex) and int(value) > 0


def _is_size(value: Any) -> bool:
    return isinstance(value, Iterable) and list(map(_is_whole, value)) == [True, True]


def _are_numbers(value: Any) -> bool:
    return isinstance(value, Iterable) and all(isinstance(each, SupportsFloat) for each in value)


#: Attributes that a data set may have: what is allowed, in words and as a test.
ATTRIBUTES: Mapping[str, tuple[str, Callable[[Any], bool]]] = {
    "channels": ("a whole number, 1 or more", _is_whole),
    "image_size": ("(height, width) in pixels", _is_size),
    "mean": ("numbers, one a channel", _are_numbers),
    "std": ("numbers, one a channel", _are_numbers),
}


def require_classes(name: str, split: str, classes: Sequence[str], expected: Sequence[str]) -> None:
    """Check that a split has the classes that the model was, or will be, trained for.

    Raises:
        UserError: they differ; the message lists the difference.
    """
    if tuple(classes) == tuple(expected):
        return
    extra = [name for name in classes if name not in expected]
    missing = [name for name in expected if name not in classes]
    detail = f"not expected: {', '.join(extra) or 'none'}; missing: {', '.join(missing) or 'none'}"
    if not extra and not missing:
        detail = "the same names in another order"
    raise UserError(
        f"the classes of the {split} split of '{name}' differ from those of the model's training data ({detail})"
    )


def as_tensor(image: Any, channels: int, white_level: int = WHITE_LEVEL) -> Tensor:
    """Return a data set's image as uint8 ``(height, width, channels)``, values 0 to 255.

    Args:
        image: a PIL image, or a uint8 or uint16 array or tensor ``(height, width)`` or ``(height, width, channels)``.
        channels: a grey image becomes three equal channels where they are 3, a colour image luma where they are 1.
        white_level: the level of a 16-bit image that becomes 255.

    Raises:
        ImageError: the image is of another type or shape.
    """
    if hasattr(image, "getbands"):  # a PIL image
        image = from_pillow(image, channels, white_level)
    if isinstance(image, np.ndarray) and image.dtype == np.uint16:
        image = to_8_bits(image, white_level)
    tensor = torch.as_tensor(np.array(image) if isinstance(image, np.ndarray) else image)
    if tensor.ndim == 2:
        tensor = tensor[..., None]
    if tensor.ndim == 3 and tensor.dtype == torch.uint8 and {tensor.shape[2], channels} == {1, 3}:
        if channels == 3:
            return tensor.expand(-1, -1, 3)
        return as_tensor(Image.fromarray(np.ascontiguousarray(tensor)), 1)
    if tensor.dtype != torch.uint8 or tensor.ndim != 3 or tensor.shape[2] != channels or 0 in tensor.shape:
        raise ImageError(
            f"a data set's image must be a PIL image or uint8 (height, width, {channels}), "
            f"received {tensor.dtype} {tuple(tensor.shape)}"
        )
    return tensor
