"""cnn: the layout's tokens become the layers they stand for."""

from __future__ import annotations

import dataclasses

import pytest
import torch
from torch import nn

import zoo
from zoo.core.errors import UserError


@pytest.fixture
def spec(grey_spec):
    return dataclasses.replace(grey_spec, height=28, width=28)


def parameters(network):
    return sum(parameter.numel() for parameter in network.parameters())


@pytest.mark.parametrize(
    ("layout", "size", "count"),
    [
        # Keras' summary of the tutorial's own model prints these counts.
        ("32C3-MP2-64C3-MP2-64C3-64N", 28, 93_322),
        ("32C5s-MP2-64C5s-MP2-1024N", 28, 3_274_634),
    ],
)
def test_the_tutorials_networks_have_their_numbers_of_parameters(spec, layout, size, count):
    spec = dataclasses.replace(spec, height=size, width=size)
    assert parameters(zoo.create_architecture("cnn", spec, layout=layout)) == count


@pytest.mark.parametrize(
    ("layout", "shape"),
    [
        ("4C3", (4, 26, 26)),
        ("4C3s", (4, 28, 28)),
        ("4C2s", (4, 28, 28)),
        ("4C5-MP2", (4, 12, 12)),
        ("AP3", (1, 9, 9)),
        ("D.25-7N", (7,)),
        ("7N-D0.5", (7,)),
    ],
)
def test_a_token_gives_its_shape(spec, layout, shape):
    network = zoo.create_architecture("cnn", spec, layout=layout)
    assert network[:-1](torch.zeros(2, 1, 28, 28)).shape == (2, *shape)
    assert network(torch.zeros(2, 1, 28, 28)).shape == (2, 10)


def test_every_parameter_gets_a_gradient(colour_spec):
    network = zoo.create_architecture("cnn", colour_spec, layout="8C3s-MP2-D.25-8C2s-AP2-16N-D.5")
    network(torch.randn(8, 3, 32, 32)).square().sum().backward()
    assert all(parameter.grad is not None and parameter.grad.abs().sum() > 0 for parameter in network.parameters())


def test_dropout_has_its_rate(spec):
    network = zoo.create_architecture("cnn", spec, layout="4N-D.25")
    assert [module.p for module in network.modules() if isinstance(module, nn.Dropout)] == [0.25]


@pytest.mark.parametrize(
    ("layout", "message"),
    [
        ("32C3-MP2-64X3", "token 3, '64X3', is none of 32C3"),
        ("32C3--64N", "token 2, '', is none of"),
        ("0C3", "token 1, '0C3', is none of"),
        ("D1.5", "token 1, 'D1.5', is none of"),
        ("64N-32C3", "token 2, '32C3', stands behind a dense layer"),
        ("32C3-MP2-64C3-MP2-64C3-MP9", "token 6, 'MP9', gets too few pixels at images of 28x28; the smallest side"),
    ],
)
def test_a_wrong_layout_points_at_its_token(spec, layout, message):
    with pytest.raises(UserError) as caught:
        zoo.create_architecture("cnn", spec, layout=layout)
    assert message in str(caught.value)


@pytest.mark.parametrize("layout", ["32C3-MP2-64C3-MP2-64C3-64N", "8C5-AP3-D.1-4C2s-MP2-5N"])
def test_the_smallest_side_it_names_works_and_one_less_does_not(spec, layout):
    with pytest.raises(UserError) as caught:
        zoo.create_architecture("cnn", dataclasses.replace(spec, height=2, width=2), layout=layout)
    side = int(str(caught.value).split("can work at is ")[1].split()[0])
    zoo.create_architecture("cnn", dataclasses.replace(spec, height=side, width=side), layout=layout)
    with pytest.raises(UserError):
        zoo.create_architecture("cnn", dataclasses.replace(spec, height=side - 1, width=side), layout=layout)
