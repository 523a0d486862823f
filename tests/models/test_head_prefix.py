"""Where nothing but the last layer trains, what it gets is computed once, of networks that cannot be traced too."""

from __future__ import annotations

import pytest
import torch
from torch import nn

from zoo.models.frozen_prefix import FrozenPrefix, NoPrefix
from zoo.models.head import find_head
from zoo.models.head_prefix import HeadPrefix


class Network(nn.Module):
    """A network whose own code asks for values, which no trace can record."""

    drop = 0.0
    centred = False

    def __init__(self) -> None:
        super().__init__()
        self.body = nn.Sequential(nn.Conv2d(3, 4, 3), nn.BatchNorm2d(4), nn.Dropout(0.5), nn.AdaptiveAvgPool2d(1))
        self.head = nn.Linear(4, 3)
        self.body.requires_grad_(False)

    def forward(self, images):
        features = self.body(images).flatten(1)
        if float(features.sum()) > 1e9:
            features = features * 0
        if self.centred:
            features = features - features.mean(dim=0)
        return self.head(nn.functional.dropout(features, self.drop, self.training and self.drop > 0))


def parts(network, colour_spec):
    example = torch.rand(2, 3, 32, 32, generator=torch.Generator().manual_seed(0))
    return HeadPrefix(network.train(), [network.body], find_head(network, colour_spec), example)


def test_features_and_last_layer_are_the_network_in_both_modes(colour_spec):
    network, images = Network(), torch.rand(5, 3, 32, 32)
    prefix = parts(network, colour_spec)
    with pytest.raises(NoPrefix, match="cannot be traced"):
        FrozenPrefix(network, [network.body], images[:2])
    features = prefix.features(images)
    assert (features.shape, prefix.width, prefix.dtype) == ((5, 4), 4, torch.float32)
    for training in (False, True):
        network.train(training)
        network.body.eval()
        assert torch.equal(prefix.logits(features, training=training), network(images))


def test_the_last_layer_learns_and_the_network_keeps_its_mode(colour_spec):
    network = Network()
    prefix = parts(network, colour_spec)
    prefix.logits(prefix.features(torch.rand(5, 3, 32, 32)), training=True).sum().backward()
    assert network.head.weight.grad.any()
    assert all(module.training for module in network.modules())


def test_the_last_layer_is_no_part_of_what_decides_the_features(colour_spec):
    assert not any(name.startswith("head") for name in parts(Network(), colour_spec).state())


@pytest.mark.parametrize(
    ("drop", "centred", "frozen", "reason"),
    [
        (0.5, False, True, "draws random numbers or changes its buffers in front of its last layer"),
        (0.0, True, True, "depends on the other images of its batch"),
        (0.0, False, False, "draws random numbers or changes its buffers"),
    ],
)
def test_what_changes_from_call_to_call_is_refused(colour_spec, drop, centred, frozen, reason):
    network = Network()
    network.drop, network.centred = drop, centred
    head, example = find_head(network, colour_spec), torch.rand(2, 3, 32, 32)
    with pytest.raises(NoPrefix, match=reason):
        HeadPrefix(network.train(), [network.body] if frozen else [], head, example)
