"""Images of a split as the network gets them, for a notebook to show."""

from __future__ import annotations

import torch

from zoo.core.errors import UserError
from zoo.data.contract import Split
from zoo.data.image_data import ImageData
from zoo.data.item_reader import BAD
from zoo.data.items import item_names
from zoo.data.splits import SPLITS
from zoo.data.views import augmented_views
from zoo.images.gallery import Gallery, Picture


def sample_gallery(data: ImageData, split: Split, count: int, views: int) -> Gallery:
    """Return evenly spaced images of a split with their classes, and what training makes of each.

    Args:
        data: the splits.
        split: train, val or test.
        count: of images, 1 or more; a damaged one is left out.
        views: of each image, as the first epochs of a training get it; 0 shows the images alone.

    Raises:
        UserError: the split or a number is not allowed.
        NoSplitError, ImageError, DownloadError: as ``ImageData.source``.
    """
    if split not in SPLITS:
        raise UserError(f"show: split is {split!r}; allowed are {', '.join(SPLITS)}")
    for name, value, least in (("count", count, 1), ("views", views, 0)):
        if value < least:
            raise UserError(f"show: {name} is {value}; allowed is {least} or more")
    source, names, classes = data.source(split), item_names(data, split), data.spec.classes
    indices = torch.linspace(0, len(source) - 1, min(count, len(source)), dtype=torch.float64).long()
    [(images, labels)] = source.fetch([indices])
    good = labels != BAD
    rows = list(zip(images[good].numpy(), indices[good].tolist(), labels[good].tolist(), strict=True))
    changed = augmented_views(data, split, count, views)[1].numpy() if views else [()] * len(rows)
    pictures = []
    for (pixels, index, label), views_of_image in zip(rows, changed, strict=True):
        pictures.append(Picture(pixels, names[index], classes[label]))
        pictures += [
            Picture(view, names[index], f"{classes[label]}, epoch {epoch}")
            for epoch, view in enumerate(views_of_image, start=1)
        ]
    return Gallery(pictures)
