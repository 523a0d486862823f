"""Layers are numbered as data meets them; what is frozen stays bit for bit what it is."""

from __future__ import annotations

import dataclasses

import pytest
import torch
from torch import nn

import zoo as library
from zoo.core.errors import UserError
from zoo.models.classifier import Classifier
from zoo.models.layers import freeze, layers


@pytest.fixture
def spec(colour_spec):
    return dataclasses.replace(colour_spec, height=64, width=64)


@pytest.mark.parametrize(
    ("name", "count", "first", "last"),
    [
        ("lenet5", 5, "c1.0", "output.1"),
        ("vgg16", 16, "features.0", "classifier.6"),
        ("vgg16_bn", 16, "features.0", "classifier.6"),
        ("vgg11", 11, "features.0", "classifier.6"),
        ("torchvision/resnet18", 21, "conv1", "fc"),
        ("torchvision/vit_b_32", 38, "conv_proj", "heads.head"),
        ("torchvision/swin_t", 41, "features.0.0", "head"),
    ],
)
def test_every_parameter_belongs_to_one_layer_in_the_order_of_the_data(spec, name, count, first, last):
    network = library.create_architecture(name, spec)
    found = layers(network, spec)
    assert len(found) == count
    assert (found[0].name, found[-1].name) == (first, last)
    named = [parameter for layer in found for parameter in layer.parameters]
    assert sorted(named) == sorted(name for name, _ in network.named_parameters())
    assert sum(layer.count for layer in found) == sum(parameter.numel() for parameter in network.parameters())


def test_shapes_and_flops_are_those_of_one_image(grey_spec):
    spec = dataclasses.replace(grey_spec, height=28, width=28)
    c1, *_, output = layers(library.create_architecture("lenet5", spec), spec)
    assert (c1.shape, c1.flops) == ((6, 28, 28), 2 * 28 * 28 * 6 * 25)
    assert (output.shape, output.flops) == ((10,), 2 * 84 * 10)


def test_numbering_changes_nothing(spec):
    network = library.create_architecture("vgg11_bn", spec)
    network.features.eval()
    before = {key: value.clone() for key, value in network.state_dict().items()}
    modes = [module.training for module in network.modules()]
    layers(network, spec)
    assert modes == [module.training for module in network.modules()]
    assert all(torch.equal(before[key], value) for key, value in network.state_dict().items())


def test_frozen_dropout_lets_everything_pass_and_other_dropout_does_not(spec):
    classifier = Classifier(spec, {"name": "cnn", "layout": "8C3-D.5-8C3-16N-D.5"}, freeze=2).train()
    dropouts = [module.training for module in classifier.network.modules() if isinstance(module, nn.Dropout)]
    assert dropouts == [False, True]


@pytest.mark.parametrize(
    ("what", "message"),
    [
        (0, "model.freeze is 0; this network has 11 layers, allowed is 1 to 10"),
        (11, "model.freeze is 11; this network has 11 layers, allowed is 1 to 10"),
        ("featurs", "no such module; did you mean 'features'"),
        ("avgpool", "'avgpool', a module without weights"),
    ],
)
def test_what_cannot_be_frozen_is_an_error(spec, what, message):
    network = library.create_architecture("vgg11", spec)
    with pytest.raises(UserError) as caught:
        freeze(network, spec, what)
    assert message in str(caught.value)


def test_freezing_everything_is_an_error(spec):
    network = nn.Sequential(nn.Sequential(nn.Flatten(), nn.Linear(64 * 64 * 3, 3)))
    with pytest.raises(UserError, match="leaves nothing to train"):
        freeze(network, spec, "0")


def test_a_run_keeps_what_it_froze(zoo, tmp_path):
    status, _, err = zoo("fit", "--model.freeze", 2, "--trainer.max_epochs", 1)
    assert status == 0
    assert "21,386, 2,572 frozen" in err
    run = tmp_path / "runs" / "digits-lenet5" / "version_0"
    first = torch.load(run / "checkpoints" / "last.ckpt")["state_dict"]
    assert zoo("fit", run, "--trainer.max_epochs", 2)[0] == 0
    second = torch.load(run / "checkpoints" / "last.ckpt")["state_dict"]
    changed = {key for key in first if not torch.equal(first[key], second[key])}
    assert changed
    assert not any(key.startswith(("network.c1.", "network.c3.")) for key in changed)
    _, out, _ = zoo("info", "lenet5", "--data", "digits", "--freeze", 2)
    assert [line.split()[-2] for line in out.splitlines() if "Conv2d" in line] == ["yes", "yes"]


class Distilled(nn.Module):
    """Two last layers side by side."""

    def __init__(self) -> None:
        super().__init__()
        self.body, self.head, self.head_dist = nn.Conv2d(3, 4, 64), nn.Linear(4, 3), nn.Linear(4, 3)

    def forward(self, images):
        features = self.body(images).flatten(1)
        return self.head(features) + self.head_dist(features)


def test_the_backbone_ends_before_last_layers_side_by_side(spec):
    network = Distilled()
    assert freeze(network, spec, "backbone").parameters == {"body.weight", "body.bias"}
    chain = nn.Sequential(nn.Flatten(), nn.Linear(3 * 64 * 64, 3), nn.Linear(3, 3))
    assert freeze(chain, spec, "backbone").parameters == {"1.weight", "1.bias"}


class NormAct(nn.BatchNorm2d):
    """A normalisation that holds its activation, as those of timm do."""

    def __init__(self, channels: int) -> None:
        super().__init__(channels)
        self.act = nn.ReLU()

    def forward(self, features):
        return self.act(super().forward(features))


def test_a_frozen_normalisation_that_holds_other_modules_keeps_its_statistics(spec):
    body = nn.Sequential(nn.Conv2d(3, 4, 3), NormAct(4))
    network = nn.Sequential(body, nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(4, 3))
    network.train()
    for module in freeze(network, spec, "backbone").modules:
        module.eval()
    network(torch.rand(4, 3, 8, 8))
    assert not network[0][1].running_mean.any()
    assert network.training


def test_a_fit_leaves_the_statistics_of_frozen_batch_normalisation_as_they_are(zoo, tmp_path):
    short = ("--trainer.max_epochs", 2, "--trainer.limit_train_batches", 2, "--trainer.limit_val_batches", 1)
    network = ("--model", "torchvision/resnet18", "--data.image_size", 32, "--model.freeze", 5)
    status, out, err = zoo("fit", *network, *short, "--data.augmentation", "crop")
    assert status == 0, err
    state = torch.load(tmp_path / out.splitlines()[-1] / "checkpoints" / "last.ckpt")["state_dict"]
    means = {key: bool(value.any()) for key, value in state.items() if key.endswith("running_mean")}
    assert len(means) == 20
    assert {key for key, moved in means.items() if not moved} == {
        key for key in means if key.startswith(("network.bn1.", "network.layer1."))
    }


def test_weights_and_modules_that_are_shared_stay_what_they_are(grey_spec):
    class Shared(nn.Module):
        def __init__(self):
            super().__init__()
            self.first, self.second = nn.Linear(64, 64), nn.Linear(64, 64)
            self.second.weight = self.first.weight
            self.blocks = nn.ModuleList([self.first])

        def forward(self, images):
            return self.second(self.blocks[0](images.flatten(1)))

    network = Shared()
    before = dict(network.named_parameters())
    assert [layer.name for layer in layers(network, grey_spec)] == ["first", "second"]
    after = dict(network.named_parameters())
    assert before.keys() == after.keys()
    assert all(after[name] is before[name] for name in before)


@pytest.mark.parametrize(
    ("name", "stem"),
    [
        ("torchvision/resnet18", {"conv1", "bn1"}),
        ("torchvision/efficientnet_b0", {"features.0.0", "features.0.1"}),
        (  # a position and a normalisation belong to the layer before them
            "torchvision/vit_b_32",
            {"class_token", "conv_proj", "encoder.pos_embedding", "encoder.layers.encoder_layer_0.ln_1"},
        ),
        ("torchvision/convnext_tiny", {"features.0.0", "features.0.1"}),
    ],
)
def test_the_stem_is_what_comes_before_the_first_block(spec, name, stem):
    network = library.create_architecture(name, spec)
    frozen = freeze(network, spec, "stem").parameters
    assert {path.removesuffix(".weight").removesuffix(".bias") for path in frozen} == stem


@pytest.mark.parametrize("name", ["lenet5", "torchvision/resnet18", "torchvision/vit_b_32"])
def test_the_backbone_is_all_but_the_last_layer(spec, name):
    network = library.create_architecture(name, spec)
    freeze(network, spec, "backbone")
    last = layers(network, spec)[-1]
    assert [path for path, value in network.named_parameters() if value.requires_grad] == last.parameters


def test_a_module_of_that_name_wins(spec):
    network = nn.Sequential()
    network.add_module("backbone", nn.Sequential(nn.Conv2d(3, 4, 3), nn.AdaptiveAvgPool2d(1), nn.Flatten()))
    network.add_module("neck", nn.Linear(4, 4))
    network.add_module("head", nn.Linear(4, 3))
    freeze(network, spec, "backbone")
    assert {path for path, value in network.named_parameters() if not value.requires_grad} == {
        "backbone.0.weight",
        "backbone.0.bias",
    }


def test_a_range_freezes_several_modules_and_layers_before_them_are_named(spec):
    network = library.create_architecture("torchvision/resnet18", spec)
    frozen = freeze(network, spec, "layer2.0-1")
    assert {path.split(".")[0] for path in frozen.parameters} == {"layer2"}
    assert len(frozen.modules) == 2
    assert frozen.trained_before[:2] == ["conv1", "layer1.0.conv1"]
    assert freeze(network, spec, 4).trained_before == []


@pytest.mark.parametrize(
    ("name", "what", "text"),
    [
        ("lenet5", "stem", "this network has no blocks behind one"),
        ("torchvision/resnet18", "layer2.0-7", "'layer2.0-7'; this network has no module 'layer2.2'"),
        ("torchvision/resnet18", "layer2.3-1", "this network has no module 'layer2.3-1'"),
    ],
)
def test_words_that_name_nothing_are_errors(spec, name, what, text):
    with pytest.raises(UserError) as error:
        freeze(library.create_architecture(name, spec), spec, what)
    assert text in str(error.value)
