"""The schema of config files takes what zoo takes, and refuses typos."""

from __future__ import annotations

import json
import subprocess
import sys

import jsonschema
import pytest
import yaml
from support import REPOSITORY

CONFIGS = sorted((REPOSITORY / "configs").rglob("*.yaml"))


def printed():
    """Return a validator for what a process of its own prints: where one trained, torch has classes of Lightning's."""
    command = [sys.executable, "-m", "zoo", "fit", "--print_schema"]
    content = json.loads(subprocess.run(command, capture_output=True, text=True, check=True).stdout)
    jsonschema.Draft202012Validator.check_schema(content)
    return jsonschema.Draft202012Validator(content)


@pytest.fixture(scope="module")
def validator():
    return printed()


@pytest.mark.parametrize("path", CONFIGS, ids=lambda path: f"{path.parent.name}/{path.stem}")
def test_every_recipe_is_valid(validator, path):
    validator.validate(yaml.safe_load(path.read_text()))


def test_the_config_of_a_run_is_valid(validator, digits_run):
    validator.validate(yaml.safe_load((digits_run / "config.yaml").read_text()))


@pytest.mark.parametrize(
    "text",
    [
        "{}",
        "{model: cnn, data: digits}",
        "model: {architecture: {dropout: 0.2}}",
        "model: {architecture: {name: torchvision/resnet18}}",
        "model: {architecture: 'zoo-classifiers:lenet5', freeze: features}",
        "data: {dataset: {name: folder, channels: 1}, image_size: [32, 48]}",
        "data: {augmentation: crop_flip}",
        "data: {augmentation: [flip, {name: rotate, degrees: 3}, torchvision.transforms.v2.RandomInvert]}",
        "data: {augmentation: {class_path: torchvision.transforms.v2.RandomInvert, init_args: {p: 0.1}}}",
        "optimizer: {class_path: SGD, init_args: {lr: 0.1, momentum: 0.9}}",
        "lr_scheduler: {class_path: torch.optim.lr_scheduler.StepLR, init_args: {step_size: 3}}",
        "trainer: {limit_train_batches: 0.5, precision: bf16-mixed, devices: 2, accelerator: cpu}",
        "trainer: {callbacks: [{class_path: EarlyStopping, init_args: {monitor: val/loss}}]}",
        "seed_everything: true",
        "$schema: zoo.config.schema.json",
    ],
)
def test_what_zoo_takes_is_valid(validator, zoo, tmp_path, text):
    validator.validate(yaml.safe_load(text))
    (tmp_path / "config.yaml").write_text(text)
    status, _, err = zoo("fit", "--config", "config.yaml", "--print_config")
    assert status == 0, err


def test_classes_of_other_packages_are_valid(validator):
    validator.validate({"optimizer": {"class_path": "my_package.Lion", "init_args": {"beta": 1}}})


@pytest.mark.parametrize(
    "text",
    [
        "modle: {architecture: lenet5}",
        "model: lenet6",
        "model: {architecture: lenet6}",
        "model: {architecture: torchvision/resnet19}",
        "model: {architecture: {name: lenet5, dropuot: 0.2}}",
        "model: {architecture: {name: lenet5, variant: 1999}}",
        "model: {loss: crossentropy}",
        "data: {dataset: minst}",
        "data: {batch_size: many}",
        "data: {augmentation: flop}",
        "data: {augmentation: [{name: rotate, degree: 3}]}",
        "trainer: {max_epoch: 3}",
        "trainer: {precision: bf17-mixed}",
        "optimizer: {class_path: torch.optim.Adan}",
        "optimizer: {class_path: torch.optim.SGD, init_args: {lrr: 0.1}}",
        "lr_scheduler: {class_path: torch.optim.lr_scheduler.StepLR}",
        "seed_everything: x",
    ],
)
def test_a_typo_is_not_valid(validator, text):
    with pytest.raises(jsonschema.ValidationError):
        validator.validate(yaml.safe_load(text))


def test_a_plugins_name_and_its_options_are_in_it(install):
    source = "def tiny(spec, depth: int = 2):\n    '''A network.'''\n"
    points = "[zoo.architectures]\ntiny = tiny_net:tiny\nbroken = tiny_net:gone\n"
    install("tiny-net", points, source, "tiny_net")
    validator = printed()
    assert validator.is_valid({"model": {"architecture": {"name": "tiny", "depth": 3}}})
    assert not validator.is_valid({"model": {"architecture": {"name": "tiny", "depth": "deep"}}})
    assert validator.is_valid({"model": {"architecture": {"name": "broken", "whatever": 1}}})
