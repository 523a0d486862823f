"""The last layer of a network is found where its output is the logits."""

from __future__ import annotations

import pytest
import torch
from torch import nn

from zoo.models.head import NoHead, find_head


def network(*layers):
    return nn.Sequential(nn.Conv2d(3, 4, 3), nn.AdaptiveAvgPool2d(1), *layers)


@pytest.mark.parametrize(
    "layers",
    [
        (nn.Flatten(), nn.Dropout(0.5), nn.Linear(4, 3)),
        (nn.Conv2d(4, 3, 1), nn.Flatten()),
        (nn.Flatten(), nn.Linear(4, 3, bias=False)),
    ],
)
def test_the_features_and_the_layer_give_the_logits(colour_spec, layers):
    model = network(*layers).eval()
    head = find_head(model, colour_spec)
    images = torch.rand(5, 3, 32, 32)
    features = head.inputs(lambda: model(images))
    bias = 0 if head.bias is None else head.bias
    torch.testing.assert_close(features @ head.weight.T + bias, model(images))


class Distilled(nn.Module):
    """Two last layers, whose mean is the logits."""

    def __init__(self) -> None:
        super().__init__()
        self.body, self.head, self.head_dist = network(nn.Flatten()), nn.Linear(4, 3), nn.Linear(4, 3)

    def forward(self, images):
        features = self.body(images)
        return (self.head(features) + self.head_dist(features.relu())) / 2


def test_two_last_layers_whose_mean_is_the_logits_are_one_head(colour_spec):
    model, images = Distilled().eval(), torch.rand(5, 3, 32, 32)
    head = find_head(model, colour_spec)
    assert head.name == "head and head_dist"
    features = head.inputs(lambda: model(images))
    assert features.shape == (5, 8)
    head.set(torch.arange(24.0).view(3, 8), torch.ones(3))
    torch.testing.assert_close(features @ head.weight.T + head.bias, model(images))
    torch.testing.assert_close(head.logits(features), model(images))
    torch.testing.assert_close(head.weight, torch.arange(24.0).view(3, 8))


@pytest.mark.parametrize(
    ("layers", "reason"),
    [
        ((nn.Flatten(), nn.Linear(4, 3), nn.ReLU()), "the output of its last layer, 3, is not the logits"),
        ((nn.Conv2d(4, 3, 1), nn.Flatten(), nn.LogSoftmax(dim=1)), "the output of its last layer, 2, is not"),
    ],
)
def test_a_network_that_goes_on_after_its_last_layer_has_no_head(colour_spec, layers, reason):
    with pytest.raises(NoHead, match=reason):
        find_head(network(*layers), colour_spec)


def test_an_activation_behind_positive_logits_is_seen(colour_spec):
    last = nn.Linear(4, 3)
    nn.init.constant_(last.bias, 100.0)
    with pytest.raises(NoHead, match="is not the logits"):
        find_head(network(nn.Flatten(), last, nn.ReLU()), colour_spec)


def test_a_network_is_as_it_was(colour_spec):
    model = network(nn.BatchNorm2d(4), nn.Flatten(), nn.Linear(4, 3)).train()
    before = {name: value.clone() for name, value in model.state_dict().items()}
    find_head(model, colour_spec)
    assert all(module.training for module in model.modules())
    assert all(torch.equal(before[name], value) for name, value in model.state_dict().items())


def test_weights_are_set_in_the_shape_of_the_layer(colour_spec):
    model = network(nn.Conv2d(4, 3, 1), nn.Flatten())
    head = find_head(model, colour_spec)
    head.set(torch.ones(3, 4), torch.full((3,), 2.0))
    assert torch.equal(model[2].weight, torch.ones(3, 4, 1, 1))
    assert torch.equal(head.weight, torch.ones(3, 4))
    assert torch.equal(head.bias, torch.full((3,), 2.0))
