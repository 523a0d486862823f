"""Networks that compute their first weights from training images get them."""

from __future__ import annotations

import torch
from torch import nn

from zoo.data.item_reader import BAD
from zoo.data.sources import MemorySource
from zoo.models.classifier import Classifier
from zoo.training.starting_weights import INIT_IMAGES, init_from_data


class Recording(nn.Module):
    """Keeps the inputs that it gets."""

    inputs = None

    def init_from_data(self, inputs):
        self.inputs = inputs


def test_at_most_so_many_undamaged_images_come_preprocessed(grey_spec):
    count = INIT_IMAGES + 500
    labels = torch.zeros(count, dtype=torch.int64)
    labels[0] = BAD
    images = torch.full((count, 8, 8, 1), 51, dtype=torch.uint8)
    classifier = Classifier(grey_spec)
    classifier.network = Recording()
    init_from_data(classifier, MemorySource(images, labels))
    assert classifier.network.inputs.shape == (INIT_IMAGES - 1, 1, 8, 8)
    expected = torch.tensor((51 / 255 - grey_spec.mean[0]) / grey_spec.std[0])
    torch.testing.assert_close(classifier.network.inputs[0, 0, 0, 0], expected)


def test_other_networks_keep_their_weights(grey_spec):
    classifier = Classifier(grey_spec)
    before = {name: value.clone() for name, value in classifier.state_dict().items()}
    init_from_data(classifier, MemorySource(torch.zeros(3, 8, 8, 1, dtype=torch.uint8), torch.zeros(3).long()))
    assert all(torch.equal(before[name], value) for name, value in classifier.state_dict().items())
