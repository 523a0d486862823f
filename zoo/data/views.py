"""Some images of a split as they are, and as training changes them: for a report, for ``zoo check --augmentation``."""

from __future__ import annotations

import torch
from torch import Tensor

from zoo.data.contract import Split
from zoo.data.image_data import ImageData
from zoo.data.item_reader import BAD
from zoo.data.sampling import EpochSampler


def augmented_views(data: ImageData, split: Split, count: int, views: int) -> tuple[Tensor, Tensor]:
    """Return images of a split, and what the network gets of each in the first epochs.

    Args:
        data: opened with its augmentation.
        split: train, val or test; damaged images are left out.
        count: at most so many images, evenly spaced.
        views: of each image, one an epoch.

    Returns:
        uint8 ``(count, height, width, channels)`` and ``(count, views, height, width, channels)``.
    """
    source = data.source(split)
    indices = torch.linspace(0, len(source) - 1, min(count, len(source)), dtype=torch.float64).long()
    [(images, labels)] = source.fetch([indices])
    indices, images = indices[labels != BAD], images[labels != BAD]
    changed, augmentation = data.augmented_source(split)
    sampler = EpochSampler(len(source), shuffle=False, seed=data.seed)
    drawn = []
    for epoch in range(views):
        sampler.set_epoch(epoch)
        order, generators = torch.arange(len(source)), (sampler.generator_of_run(), sampler.generator())
        drawn.append(augmentation.draw(order, epoch, changed.size, *generators)[indices])
    results = [
        augmentation.apply(pixels, choices)
        for choices, (pixels, _) in zip(drawn, changed.fetch([indices] * views, drawn), strict=True)
    ]
    return images, torch.stack(results, dim=1) if results else images[:, None][:, :0]
