"""torchvision's networks, fitted to any classes, channels and size."""

from __future__ import annotations

import dataclasses

import pytest
import torch
from torchvision import models

import zoo
from zoo.architectures import torchvision as family
from zoo.core.errors import UserError


def test_the_family_is_torchvisions_own_list():
    """A newer torchvision may add names, which belong into the list; none may be missing from torchvision."""
    assert set(family.NAMES) <= set(models.list_models(module=models))


@pytest.mark.parametrize(
    "name", ["vgg11", "vgg16_bn", "torchvision/resnet18", "torchvision/mobilenet_v3_small", "torchvision/vit_b_32"]
)
@pytest.mark.parametrize("channels", [1, 3])
def test_a_network_trains_at_a_small_size(colour_spec, name, channels):
    values = (0.5,) * channels
    spec = dataclasses.replace(colour_spec, channels=channels, height=64, width=64, mean=values, std=values)
    torch.manual_seed(0)
    network = zoo.create_architecture(name, spec)
    logits = network(torch.randn(4, channels, 64, 64))
    assert logits.shape == (4, 3)
    torch.nn.functional.cross_entropy(logits, torch.tensor([0, 1, 2, 0])).backward()
    assert all(parameter.grad is not None for parameter in network.parameters())


@pytest.mark.parametrize("name", ["torchvision/inception_v3", "torchvision/googlenet"])
def test_networks_with_auxiliary_classifiers_return_logits_alone(colour_spec, name):
    spec = dataclasses.replace(colour_spec, height=96, width=96)
    assert zoo.create_architecture(name, spec)(torch.randn(2, 3, 96, 96)).shape == (2, 3)


@pytest.mark.parametrize(
    ("name", "size", "smallest"),
    [
        ("vgg16", (31, 31), 32),
        ("torchvision/alexnet", (32, 32), 63),
        ("torchvision/vit_b_16", (50, 50), 16),
        ("torchvision/vit_b_16", (32, 64), 16),
        ("torchvision/regnet_y_400mf", None, None),
    ],
)
def test_a_size_that_cannot_work_names_the_smallest(colour_spec, name, size, smallest):
    if size is None:  # works at any size
        zoo.create_architecture(name, dataclasses.replace(colour_spec, height=8, width=8))
        return
    spec = dataclasses.replace(colour_spec, height=size[0], width=size[1])
    with pytest.raises(UserError, match=rf"at {size[0]}x{size[1]} pixels; the smallest square it can is {smallest} "):
        zoo.create_architecture(name, spec)


def test_vgg16_is_torchvisions(colour_spec):
    spec = dataclasses.replace(colour_spec, height=224, width=224)
    ours, theirs = zoo.create_architecture("vgg16", spec), models.vgg16(weights=None, num_classes=3)
    shapes = [{key: tuple(value.shape) for key, value in network.state_dict().items()} for network in (ours, theirs)]
    assert shapes[0] == shapes[1]


def test_vgg_has_its_dropout(colour_spec):
    network = zoo.create_architecture("vgg11", colour_spec, dropout=0.1)
    assert {module.p for module in network.modules() if isinstance(module, torch.nn.Dropout)} == {0.1}
    with pytest.raises(UserError, match=r"dropout is 1\.5"):
        zoo.create_architecture("vgg11", colour_spec, dropout=1.5)
