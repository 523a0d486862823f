"""LeNet-5: both variants against the paper's numbers and the sizes they promise."""

from __future__ import annotations

import dataclasses

import pytest
import torch

import zoo
from zoo.core.errors import UserError


def parameters(network):
    return sum(parameter.numel() for parameter in network.parameters())


@pytest.mark.parametrize("variant", ["keras", "1998"])
@pytest.mark.parametrize(("size", "channels"), [((28, 28), 1), ((32, 32), 3), ((64, 48), 3), ((224, 224), 3)])
def test_any_size_gives_finite_logits_and_every_parameter_a_gradient(colour_spec, variant, size, channels):
    height, width = size
    values = (0.5,) * channels
    spec = dataclasses.replace(colour_spec, channels=channels, height=height, width=width, mean=values, std=values)
    network = zoo.create_architecture("lenet5", spec, variant=variant)
    logits = network(torch.randn(2, channels, height, width))
    assert logits.shape == (2, 3)
    assert logits.isfinite().all()
    logits.sum().backward()
    assert all(parameter.grad is not None and parameter.grad.abs().sum() > 0 for parameter in network.parameters())


def test_eight_pixels_are_enough_for_the_default(grey_spec):
    assert zoo.create_architecture("lenet5", grey_spec)(torch.randn(5, 1, 8, 8)).shape == (5, 10)


def test_the_papers_layers_have_the_papers_numbers_of_parameters(grey_spec):
    network = zoo.create_architecture("lenet5", dataclasses.replace(grey_spec, height=28, width=28), variant="1998")
    c1, s2 = parameters(network[0][0]), parameters(network[0][2])
    c3, s4 = network[1][0], parameters(network[1][2])
    connections = int(c3.mask.sum()) * 25 + len(c3.bias)
    c5, f6 = parameters(network[2][0]), parameters(network[3][1])
    assert (c1, s2, connections, s4, c5, f6) == (156, 12, 1516, 32, 48120, 10164)


def test_the_tutorials_layout_has_its_numbers_of_parameters(grey_spec):
    network = zoo.create_architecture("lenet5", dataclasses.replace(grey_spec, height=28, width=28))
    convolutions = 6 * 25 + 6 + 16 * 6 * 25 + 16
    assert parameters(network) == convolutions + (784 + 1) * 120 + (120 + 1) * 84 + (84 + 1) * 10


def test_the_sparse_convolution_sees_only_its_connections(grey_spec):
    network = zoo.create_architecture("lenet5", dataclasses.replace(grey_spec, height=28, width=28), variant="1998")
    c3 = network[1][0]
    x = torch.zeros(1, 6, 14, 14)
    x[:, 5] = 1  # seen by the maps whose row of the table holds 5, not by the first three
    difference = (c3(x) - c3(torch.zeros_like(x))).abs().amax((0, 2, 3))
    assert (difference[:3] == 0).all()
    assert (difference[3:6] > 0).all()


def test_dropout_acts_in_training_alone(grey_spec):
    network = zoo.create_architecture("lenet5", grey_spec, dropout=0.5)
    x = torch.randn(4, 1, 8, 8)
    assert not torch.equal(network(x), network(x))
    network.eval()
    assert torch.equal(network(x), network(x))


@pytest.mark.parametrize(("variant", "smallest"), [("keras", 8), ("1998", 28)])
def test_too_small_a_size_names_the_smallest(grey_spec, variant, smallest):
    spec = dataclasses.replace(grey_spec, height=smallest - 1, width=40)
    with pytest.raises(UserError, match=rf"at {smallest - 1}x40 pixels; the smallest side it can is {smallest}"):
        zoo.create_architecture("lenet5", spec, variant=variant)


@pytest.mark.parametrize("dropout", [-0.1, 1.0])
def test_dropout_outside_its_range_is_an_error(grey_spec, dropout):
    with pytest.raises(UserError, match="allowed is 0 or more and less than 1"):
        zoo.create_architecture("lenet5", grey_spec, dropout=dropout)
