"""Grad-CAM against the class activation map, and on networks of every family."""

from __future__ import annotations

import pytest
import torch
from torch import nn

from zoo import create_architecture
from zoo.core.spec import InputSpec
from zoo.reports.gradcam import FeatureMap, find_feature_map, heat_maps


class Pooled(nn.Module):
    """Convolutions, the mean of each map, one linear layer: where Grad-CAM is CAM."""

    def __init__(self):
        super().__init__()
        self.features = nn.Sequential(nn.Conv2d(3, 6, 3, padding=1), nn.ReLU(), nn.Conv2d(6, 5, 3, padding=1))
        self.head = nn.Linear(5, 4)

    def forward(self, images):
        return self.head(self.features(images).mean(dim=(2, 3)))


def test_it_is_the_class_activation_map_where_maps_are_averaged():
    torch.manual_seed(0)
    network, images = Pooled().eval(), torch.randn(4, 3, 8, 8)
    feature_map = find_feature_map(network, images)
    assert feature_map == FeatureMap("features", 0, (8, 8))
    with torch.no_grad():
        maps, answers = network.features(images), network(images).argmax(dim=1)
        expected = (network.head.weight[answers][:, :, None, None] * maps).sum(dim=1).relu()
    expected = expected / expected.amax(dim=(1, 2), keepdim=True)
    torch.testing.assert_close(heat_maps(network, images, feature_map), expected)


def test_weights_and_their_gradients_stay_as_they_are():
    network, images = Pooled().eval(), torch.randn(2, 3, 8, 8)
    before = {name: value.clone() for name, value in network.state_dict().items()}
    heat_maps(network, images, FeatureMap("features", 0, (8, 8)))
    assert all(torch.equal(value, before[name]) for name, value in network.state_dict().items())
    assert all(parameter.grad is None for parameter in network.parameters())
    assert not network.features._forward_hooks


def test_frozen_layers_and_inference_mode_are_no_obstacle():
    network = Pooled().eval().requires_grad_(False)
    with torch.inference_mode():
        heat = heat_maps(network, torch.randn(2, 3, 8, 8), FeatureMap("features", 0, (8, 8)))
    assert heat.amax(dim=(1, 2)).tolist() == pytest.approx([1, 1])


@pytest.mark.parametrize(
    ("name", "size", "module"),
    [
        ("lenet5", 32, "c3"),
        ("cnn", 32, "4"),
        ("vgg11", 64, "avgpool"),
        ("torchvision/resnet18", 64, "layer4"),
        ("torchvision/densenet121", 64, "features"),  # works on its last map in place
        ("torchvision/mobilenet_v3_small", 64, "features"),
        ("torchvision/swin_t", 64, "permute"),
    ],
)
def test_a_convolutional_network_has_a_last_map(name, size, module):
    spec = InputSpec(("a", "b", "c"), 3, size, size, (0.5,) * 3, (0.5,) * 3)
    torch.manual_seed(0)
    network, images = create_architecture(name, spec).eval(), torch.randn(2, 3, size, size)
    feature_map = find_feature_map(network, images)
    assert feature_map is not None
    assert feature_map.module.startswith(module), feature_map
    heat = heat_maps(network, images, feature_map)
    assert heat.shape == (2, size, size)
    assert bool(heat.isfinite().all())
    assert float(heat.min()) >= 0
    assert float(heat.max()) <= 1


class Attended(nn.Module):
    """Passes what an attention of 2 heads does, (batch, heads, tokens, width), through a module."""

    def __init__(self):
        super().__init__()
        self.norm, self.head = nn.LayerNorm(4), nn.Linear(4, 3)

    def forward(self, images):
        tokens = images.flatten(1)[:, :96].reshape(-1, 2, 12, 4)
        return self.head(self.norm(tokens).mean(dim=(1, 2)))


@pytest.mark.parametrize(
    "network", [nn.Sequential(nn.Flatten(), nn.Linear(192, 8), nn.ReLU(), nn.Linear(8, 3)), Attended()]
)
def test_a_network_without_maps_has_none(network):
    assert find_feature_map(network.eval(), torch.randn(1, 3, 8, 8)) is None


class Reused(nn.Module):
    """Uses one module before and after its last map."""

    def __init__(self):
        super().__init__()
        self.convolution, self.relu = nn.Conv2d(3, 5, 3, padding=1), nn.ReLU()
        self.dense, self.head = nn.Linear(320, 6), nn.Linear(6, 4)

    def forward(self, images):
        return self.head(self.relu(self.dense(self.relu(self.convolution(images)).flatten(1))))


def test_the_map_may_be_an_earlier_output_of_a_module_that_is_used_twice():
    torch.manual_seed(0)
    network, images = Reused().eval(), torch.randn(2, 3, 8, 8)
    feature_map = find_feature_map(network, images)
    assert feature_map == FeatureMap("relu", 0, (8, 8))
    assert heat_maps(network, images, feature_map).amax(dim=(1, 2)).tolist() == pytest.approx([1, 1])


def test_a_map_of_a_single_place_is_none():
    network = nn.Sequential(nn.Conv2d(3, 4, 8), nn.Flatten(), nn.Linear(4, 3))
    assert find_feature_map(network, torch.randn(1, 3, 8, 8)) is None
