"""Starting weights from data: some networks compute their first weights from training images."""

from __future__ import annotations

import torch

from zoo.data.item_reader import BAD
from zoo.data.sources import Source
from zoo.models.classifier import Classifier

#: Training images that a network may see before it is trained.
INIT_IMAGES = 1000


def init_from_data(classifier: Classifier, source: Source) -> None:
    """Call the network's ``init_from_data``, if it has one, with float32 inputs ``(count, channels, height, width)``.

    Args:
        classifier: its network has fresh weights.
        source: the training images; at most INIT_IMAGES of them are used, evenly spaced.
    """
    if (init := getattr(classifier.network, "init_from_data", None)) is None:
        return
    indices = torch.linspace(0, len(source) - 1, min(len(source), INIT_IMAGES)).long()
    for images, labels in source.fetch([indices]):
        init(classifier.preprocess(images[labels != BAD]))
