"""The frozen prefix of a network and the rest give, one after the other, what the network gives."""

from __future__ import annotations

import dataclasses

import pytest
import torch
from torch import Tensor, nn

from zoo.models.classifier import Classifier
from zoo.models.frozen_prefix import FrozenPrefix, NoPrefix


@pytest.fixture
def spec(colour_spec):
    return dataclasses.replace(colour_spec, height=64, width=64)


def inputs(spec):
    generator = torch.Generator().manual_seed(0)
    pixels = torch.rand(4, spec.height, spec.width, spec.channels, generator=generator)
    return pixels.permute(0, 3, 1, 2)  # as Preprocess gives them


@pytest.mark.parametrize(
    ("name", "what", "width"),
    [
        ({"name": "lenet5", "dropout": 0.5}, 2, 16 * 16 * 16),
        ({"name": "cnn", "layout": "8C3-D.5-8C3-MP2-16N-D.5"}, 2, 8 * 30 * 30),
        pytest.param("vgg11_bn", 6, 512 * 4 * 4, marks=pytest.mark.slow),
        ("vgg11_bn", "features", 512 * 2 * 2),
        pytest.param("torchvision/resnet18", 5, 64 * 16 * 16, marks=pytest.mark.slow),
        ("torchvision/resnet18", 2, 2 * 64 * 16 * 16),  # inside a block: what its convolution needs, and its shortcut
        pytest.param("torchvision/densenet121", 40, (256 + 128) * 4 * 4, marks=pytest.mark.slow),
        ("torchvision/swin_t", 13, 192 * 8 * 8 + 768 * 8 * 8),
        ("torchvision/shufflenet_v2_x0_5", 10, None),
    ],
)
def test_two_parts_are_bit_for_bit_the_network_in_both_modes(spec, name, what, width):
    torch.manual_seed(0)
    classifier = Classifier(spec, name, freeze=what)
    example = inputs(spec)
    modes = [module.training for module in classifier.modules()]
    before = {key: value.clone() for key, value in classifier.state_dict().items()}
    prefix = FrozenPrefix(classifier.network, classifier.frozen, example[:2])
    assert modes == [module.training for module in classifier.modules()]
    assert before.keys() == classifier.state_dict().keys()
    assert all(torch.equal(before[key], value) for key, value in classifier.state_dict().items())
    features = prefix.features(example)
    assert features.shape == (4, prefix.width)
    assert width in (None, prefix.width)
    classifier.eval()
    assert torch.equal(prefix.logits(features, training=False), classifier.network(example))
    classifier.train()
    results = []
    for compute in (lambda: classifier.network(example), lambda: prefix.logits(features, training=True)):
        classifier.load_state_dict(before)
        torch.manual_seed(1)
        logits = compute()
        classifier.zero_grad()
        logits.square().sum().backward()
        trained = [parameter for parameter in classifier.parameters() if parameter.requires_grad]
        state = {key: value.clone() for key, value in classifier.state_dict().items()}
        results.append((logits, [parameter.grad for parameter in trained], state))
    (logits, gradients, state), (logits_2, gradients_2, state_2) = results
    assert torch.equal(logits, logits_2)
    assert all(torch.equal(first, second) for first, second in zip(gradients, gradients_2, strict=True))
    assert all(torch.equal(state[key], state_2[key]) for key in state)  # statistics of batch normalisation too


class Forked(nn.Module):
    """A network that looks at its input's values."""

    def __init__(self) -> None:
        super().__init__()
        self.first, self.last = nn.Linear(4, 4), nn.Linear(4, 2)

    def forward(self, images: Tensor) -> Tensor:
        return self.last(self.first(images) if images.sum() > 0 else images)


class Noisy(nn.Module):
    """A network whose frozen module draws at random though it evaluates."""

    def __init__(self) -> None:
        super().__init__()
        self.first, self.last = nn.Sequential(Noise(), nn.Linear(4, 4)), nn.Linear(4, 2)

    def forward(self, images: Tensor) -> Tensor:
        return self.last(self.first(images))


class Noise(nn.Module):
    def forward(self, images: Tensor) -> Tensor:
        return images + torch.rand_like(images)


class Late(nn.Module):
    """A network whose frozen module comes after one that trains."""

    def __init__(self) -> None:
        super().__init__()
        self.last, self.first = nn.Linear(4, 4), nn.Linear(4, 2)

    def forward(self, images: Tensor) -> Tensor:
        return self.first(self.last(images))


class Sized(nn.Module):
    """A network that passes a number on."""

    def __init__(self) -> None:
        super().__init__()
        self.first, self.last = nn.Linear(4, 4), nn.Linear(4, 2)

    def forward(self, images: Tensor) -> Tensor:
        return self.last(self.first(images)) * self.first(images).size(1)


class LayerDrop(nn.Module):
    """A network that leaves a layer out at random while it trains."""

    def __init__(self) -> None:
        super().__init__()
        self.first, self.middle, self.last = nn.Linear(4, 4), nn.Linear(4, 4), nn.Linear(4, 2)

    def forward(self, images: Tensor) -> Tensor:
        features = self.first(images)
        if not (self.training and torch.rand(()) < 0.5):
            features = self.middle(features)
        return self.last(features)


class Counting(nn.Module):
    """A network that counts its steps in a buffer."""

    def __init__(self) -> None:
        super().__init__()
        self.first, self.last = nn.Linear(4, 4), nn.Linear(4, 2)
        self.register_buffer("steps", torch.zeros(1))

    def forward(self, images: Tensor) -> Tensor:
        self.steps += 1
        return self.last(self.first(images)) / self.steps


class Centred(nn.Module):
    """A network whose frozen module looks at the whole batch."""

    def __init__(self) -> None:
        super().__init__()
        self.first, self.last = nn.BatchNorm1d(4, track_running_stats=False), nn.Linear(4, 2)

    def forward(self, images: Tensor) -> Tensor:
        return self.last(self.first(images))


@pytest.mark.parametrize(
    ("network", "reason"),
    [
        (LayerDrop, "draws random numbers, or counts"),
        (Counting, "draws random numbers, or counts|two parts"),
        (Centred, "depends on the other images of its batch"),
        (Forked, "cannot be traced"),
        (Noisy, "changes from call to call"),
        (Late, "not the first"),
    ],
)
def test_a_network_that_cannot_be_cut_says_why(network, reason):
    network = network()
    network.first.requires_grad_(False)
    state, random_state = {key: value.clone() for key, value in network.state_dict().items()}, torch.get_rng_state()
    with pytest.raises(NoPrefix, match=reason):
        FrozenPrefix(network, [network.first], torch.rand(3, 4, generator=torch.Generator().manual_seed(0)))
    assert all(torch.equal(state[key], value) for key, value in network.state_dict().items())
    if not isinstance(network, Noisy):
        assert torch.equal(random_state, torch.get_rng_state())


class Rest(nn.Module):
    """A trained part that counts, and asks for values."""

    def __init__(self) -> None:
        super().__init__()
        self.last = nn.Linear(4, 2)
        self.register_buffer("steps", torch.zeros(1))

    def forward(self, features: Tensor) -> Tensor:
        self.steps += 1
        return self.last(features) if float(features.sum()) < 1e9 else features


class Torn(nn.Module):
    """A network whose trained part cannot be traced."""

    def __init__(self) -> None:
        super().__init__()
        self.first, self.rest = nn.Linear(4, 4), Rest()

    def forward(self, images: Tensor) -> Tensor:
        return self.rest(self.first(images))


@pytest.mark.parametrize("kind", [Sized, Torn])
def test_sizes_and_the_code_of_what_trains_need_no_trace(kind):
    network = kind()
    network.first.requires_grad_(False)
    images = torch.rand(5, 4)
    prefix = FrozenPrefix(network, [network.first], images[:2])
    for training in (False, True):
        assert torch.equal(prefix.logits(prefix.features(images), training=training), network(images))


class Windows(nn.Module):
    """A network whose trained part views features whose dimensions lie in memory in an order of their own."""

    def __init__(self, parts: int) -> None:
        super().__init__()
        self.first, self.last, self.parts = nn.Linear(24, 24), nn.Linear(8, 2), parts

    def forward(self, images: Tensor) -> Tensor:
        outputs = [self.first(images).view(-1, 2, 3, 4).permute(0, 3, 1, 2) for _ in range(self.parts)]
        rows = [output.permute(0, 2, 3, 1).view(-1, 3, 8) for output in outputs]
        return self.last(torch.stack(rows).sum(dim=(0, 2)))


@pytest.mark.parametrize("parts", [1, 2])
def test_features_lie_in_memory_as_the_network_gives_them(parts):
    network = Windows(parts)
    network.first.requires_grad_(False)
    images = torch.rand(5, 24)
    prefix = FrozenPrefix(network, [network.first], images[:2])
    assert torch.equal(prefix.logits(prefix.features(images), training=True), network(images))
