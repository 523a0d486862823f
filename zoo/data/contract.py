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

from collections.abc import Sequence
from typing import Any, Literal, Protocol

import numpy as np
import torch
from PIL import Image
from torch import Tensor

from zoo.core.errors import ImageError, UserError
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


def require_dataset(name: str, split: str, dataset: Any) -> None:
    """Check that a builder returned a data set.

    Raises:
        UserError: a part of the contract is missing; the message names it.
    """
    for attribute in ("__len__", "__getitem__", "classes"):
        if not hasattr(dataset, attribute):
            raise UserError(f"{titled('dataset', name)} breaks the contract: its {split} split has no {attribute}")


def require_labels(name: str, split: str, labels: Tensor, count: int) -> None:
    """Check that there is a label and that all are 0 to ``count - 1``.

    Raises:
        UserError: there is none, or one is outside that range.
    """
    if len(labels) == 0 or int(labels.min()) < 0 or int(labels.max()) >= count:
        raise UserError(
            f"{titled('dataset', name)} breaks the contract: the labels of its {split} split must be 0 to {count - 1}"
        )


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
    if tensor.dtype != torch.uint8 or tensor.ndim != 3 or tensor.shape[2] != channels:
        raise ImageError(
            f"a data set's image must be a PIL image or uint8 (height, width, {channels}), "
            f"received {tensor.dtype} {tuple(tensor.shape)}"
        )
    return tensor
