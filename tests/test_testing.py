"""The contract as tests: every built-in name keeps it, and each rule finds what breaks it."""

from __future__ import annotations

import functools

import numpy as np
import pytest
import torch
from PIL import Image
from torch import nn

import zoo as library
from zoo.core import registry
from zoo.core.errors import NoSplitError
from zoo.testing import (
    ContractError,
    check_architecture,
    check_augmentation,
    check_dataset,
    check_loss,
    check_metric,
    check_optimizer,
    check_scheduler,
)

SINGLE = [name for name in library.list_architectures() if "/" not in name]
#: Of each of these 500 MB of weights are written as ONNX, which two of them show in every run of the tests.
LARGE = {name for name in SINGLE if name.startswith("vgg")} - {"vgg11", "vgg16_bn"}


#: Of deep networks, whose shallow ones show the same.
DEEP = {"resnet44", "resnet56", "resnet110"}


@pytest.mark.parametrize(
    "name", [pytest.param(name, marks=pytest.mark.slow) if name in DEEP else name for name in SINGLE]
)
def test_every_single_architecture_keeps_the_contract(name, monkeypatch):
    if name in LARGE:
        monkeypatch.setattr("zoo.testing.networks._check_onnx", lambda *_: None)
    check_architecture(name, channels=(1,) if name.startswith("vgg") else (1, 3), classes=(3,))


@pytest.mark.slow
@pytest.mark.parametrize("name", sorted(LARGE))
def test_every_large_architecture_can_be_exported(name):
    check_architecture(name, channels=(3,), classes=(3,))


@pytest.mark.parametrize(
    "name",
    [
        *("resnet18", "mobilenet_v3_small", "squeezenet1_1"),
        *(pytest.param(name, marks=pytest.mark.slow) for name in ("shufflenet_v2_x0_5", "vit_b_32")),
    ],
)
def test_networks_of_the_family_keep_the_contract(name):
    check_architecture(f"torchvision/{name}", channels=(3,), classes=(3,), size=(64, 64))


def test_digits_keeps_the_contract(tmp_path):
    check_dataset("digits", root=tmp_path)


@pytest.mark.parametrize("name", ["mnist", "fashion_mnist", "cifar10", "folder"])
def test_real_data_keeps_the_contract(name, real_data):
    check_dataset(name, root=real_data / "hymenoptera" if name == "folder" else real_data)


class Net(nn.Module):
    """A network that keeps the contract, unless told otherwise."""

    def __init__(self, spec, fault=""):
        super().__init__()
        self.fault, self.calls = fault, 0
        self.dense = nn.Linear(spec.channels * spec.height * spec.width, len(spec.classes))
        self.norm = nn.BatchNorm1d(len(spec.classes), track_running_stats=fault != "batch")
        if fault == "unused":
            self.unused = nn.Linear(2, 2)
        self.register_buffer("count", torch.zeros(1))

    def forward(self, images):
        if self.fault == "input":
            images.mul_(2)
        if self.fault == "state":
            self.count += 1
        logits = self.dense(images.flatten(1))
        if self.fault != "batch" or len(images) > 1:
            logits = self.norm(logits)
        if self.fault == "branch" and bool(logits.isfinite().all()):
            logits = logits * 1
        if self.fault == "exotic":
            logits = torch.special.i0(logits)
        if self.fault == "random":
            logits = logits + torch.rand_like(logits)
        if self.fault == "infinite":
            logits = logits / 0
        others = {"shape": logits[:, :1], "half": logits.half(), "tuple": (logits,), "detached": logits.detach()}
        return others.get(self.fault, logits)


def test_a_network_that_keeps_the_contract_passes():
    check_architecture(Net)


@pytest.mark.parametrize(
    ("fault", "rule"),
    [
        ("shape", r"it must return logits, a floating tensor \(1, 2\), received \(1, 1\)"),
        ("half", "logits are float32, received torch.float16"),
        ("tuple", "received tuple of Tensor"),
        ("detached", "its logits must carry a gradient in training"),
        ("infinite", "logits are finite"),
        ("input", "the input is left as it is"),
        ("random", "the same logits twice"),
        ("batch", "depend on it alone"),
        ("state", "leaves weights and buffers alone"),
        ("branch", r"shapes alone can pass through a network, for its layers: Tensor\.item\(\) cannot be called"),
        ("exotic", "a network can be exported: the network cannot be written as ONNX"),
        ("unused", "every parameter gets a gradient; unused.weight does not"),
    ],
)
def test_a_network_that_breaks_a_rule_is_told_which(fault, rule):
    with pytest.raises(ContractError, match=rule):
        check_architecture(Net, fault=fault)


def test_a_builder_that_returns_no_module_is_told_so():
    with pytest.raises(ContractError, match=r"must return an nn\.Module, received str"):
        check_architecture(lambda spec: "network")


class Data:
    """Numbered images, unless told otherwise."""

    def __init__(self, fault, split):
        self.fault, self.split = fault, split
        self.classes = {"names": ["a", "a"], "other": ["a", split]}.get(fault, ["a", "b"])
        if fault == "labels":
            self.labels = [0] * 4
        if fault == "pickle":
            self.function = lambda: None

    def __len__(self):
        return 0 if self.fault == "empty" else 4

    def __getitem__(self, index):
        level = index + (10 if self.split == "test" and self.fault != "same" else 0)
        image = np.full((6, 5, 1), level, np.uint8)
        if self.fault == "twice":
            image = np.random.default_rng().integers(0, 256, (6, 5, 1), np.uint8)
        if self.fault == "float":
            image = image / 255
        if self.fault == "pil":
            return Image.fromarray(image[..., 0]), index % 2
        return image, 2 if self.fault == "range" else index % 2


def build(root, split, fault=""):
    if split == "val" or (split == "train" and fault == "train"):
        raise NoSplitError(split)
    return Data(fault, split)


@pytest.mark.parametrize("fault", ["", "pil"])
def test_a_data_set_that_keeps_the_contract_passes(tmp_path, fault):
    check_dataset(functools.partial(build, fault=fault), root=tmp_path)


@pytest.mark.parametrize(
    ("fault", "rule"),
    [
        ("train", "there is a train split"),
        ("names", "classes of its train split must differ, 'a' comes twice"),
        ("other", "every split has the classes of train; test has"),
        ("empty", "train holds none"),
        ("pickle", "can be pickled"),
        ("labels", "labels agree with the items; item 1 of train"),
        ("range", "the label of item 0 of its train split must be 0 to 1, an index of its classes, received 2"),
        ("float", r"uint16 array \(height, width, channels\); item 0 of train is ndarray float64 \(6, 5, 1\)"),
        ("twice", "an item is the same twice; item 0 of train"),
        ("same", "splits are disjoint; 4 of 4 of test are in train"),
    ],
)
def test_a_data_set_that_breaks_a_rule_is_told_which(tmp_path, fault, rule):
    with pytest.raises(ContractError, match=rule):
        check_dataset(build, root=tmp_path, fault=fault)


@pytest.mark.parametrize("name", ["randaugment", ["random_resized_crop", "flip"], {"name": "noise", "sigma": 0.2}])
def test_augmentations_of_its_own_keep_the_contract(name):
    check_augmentation(name)


def test_an_augmentation_with_random_numbers_of_its_own_breaks_the_contract(install):
    source = (
        "class Swap:\n"
        "    calls = 0\n"
        "    def __call__(self, image):\n"
        "        self.calls += 1\n"
        "        return image.transpose(self.calls % 2)\n"
        "def swap(spec):\n"
        "    return Swap()\n"
    )
    install("swap-plugin", "[zoo.augmentations]\nswap = swap_plugin:swap\n", source, "swap_plugin")
    with pytest.raises(ContractError, match="its random numbers come from torch"):
        check_augmentation("swap")


@pytest.mark.parametrize("name", registry.list_names("loss"))
def test_every_loss_keeps_the_contract(name):
    check_loss(name)


@pytest.mark.parametrize("name", registry.list_names("metric"))
def test_every_metric_keeps_the_contract(name):
    check_metric(name, classes=(10,))


@pytest.mark.parametrize("name", sorted(set(registry.list_names("optimizer")) - {"SparseAdam"}))
def test_every_optimizer_keeps_the_contract(name):
    if "/" not in name:
        check_optimizer(name)


SCHEDULES = {
    "CosineAnnealingLR": {"T_max": 10},
    "CosineAnnealingWarmRestarts": {"T_0": 4},
    "CyclicLR": {"base_lr": 0.1, "max_lr": 0.2},
    "ExponentialLR": {"gamma": 0.9},
    "MultiStepLR": {"milestones": [3]},
    "OneCycleLR": {"max_lr": 0.1, "total_steps": 20},
    "StepLR": {"step_size": 2},
}


@pytest.mark.parametrize("name", registry.list_names("scheduler"))
def test_every_scheduler_keeps_the_contract(name):
    check_scheduler(name, **SCHEDULES.get(name, {}))


def test_parts_that_break_the_contract_are_named():
    with pytest.raises(ContractError, match=r"a loss is a number for each image, \(6,\), received \(\)"):
        check_loss(lambda spec: lambda logits, shares: logits.sum())
    with pytest.raises(ContractError, match="right logits have a lower loss than wrong ones"):
        check_loss(lambda spec: lambda logits, shares: (logits * shares).sum(dim=1))
    with pytest.raises(ContractError, match=r"returns a torchmetrics\.Metric, received int"):
        check_metric(lambda spec: 6)
    with pytest.raises(ContractError, match="an optimizer is a class of torch's, received 6"):
        check_optimizer(6)
    with pytest.raises(ContractError, match="a scheduler is a class of torch's, received 6"):
        check_scheduler(6)
