"""He's residual networks for small images."""

from __future__ import annotations

import pytest
import torch

from zoo import create_architecture
from zoo.architectures.resnet import Block
from zoo.core.errors import UserError
from zoo.core.spec import InputSpec

SPEC = InputSpec(tuple("0123456789"), 3, 32, 32, (0.5,) * 3, (0.25,) * 3)


@pytest.mark.parametrize(
    ("layers", "count"), [(20, 269_722), (32, 464_154), (44, 658_586), (56, 853_018), (110, 1_727_962)]
)
def test_it_has_the_papers_layers_and_parameters(layers, count):
    network = create_architecture(f"resnet{layers}", SPEC)
    weights = [value for value in network.parameters() if value.ndim > 1]
    assert len(weights) == layers
    assert sum(value.numel() for value in network.parameters()) == count


def test_a_shortcut_takes_every_second_pixel_and_adds_maps_of_zeros():
    block, maps = Block(2, 4, 2).eval(), torch.rand(1, 2, 6, 6)
    torch.nn.init.zeros_(block.bn2.weight)
    result = block(maps)
    assert torch.equal(result[:, 1:3], maps[:, :, ::2, ::2])
    assert not result[:, [0, 3]].any()


def test_maps_halve_twice():
    network, shapes = create_architecture("resnet20", SPEC), []
    for group in (network.group1, network.group2, network.group3):
        group.register_forward_hook(lambda _, __, maps: shapes.append(tuple(maps.shape[1:])))
    network(torch.rand(2, 3, 32, 32))
    assert shapes == [(16, 32, 32), (32, 16, 16), (64, 8, 8)]


@pytest.mark.parametrize(
    ("options", "side", "message"), [({"width": 0}, 32, "width is 0"), ({}, 3, "3x3 is too small")]
)
def test_what_cannot_work_is_an_error(options, side, message):
    spec = InputSpec(tuple("01"), 1, side, side, (0.5,), (0.25,))
    with pytest.raises(UserError, match=message):
        create_architecture("resnet20", spec, **options)
