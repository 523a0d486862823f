"""What zoo fit decides where it starts from pretrained weights."""

from __future__ import annotations

import pytest
import torch
import yaml

from zoo.core.spec import InputSpec
from zoo.training.task import ImageClassifier

NETWORK = ("--model", "airbench", "--model.architecture.width", 4, "--data", "digits", "--data.image_size", 32)
COSINE = "torch.optim.lr_scheduler.CosineAnnealingLR"


@pytest.fixture
def decided(zoo):
    """Return the configuration of a fit with options."""

    def parse(*words):
        status, out, err = zoo("fit", *NETWORK, *words, "--print_config")
        assert status == 0, err
        return yaml.safe_load(out)

    return parse


def test_from_pretrained_weights_adamw_starts_low_and_its_rate_falls(decided):
    config = decided("--model.weights", "network.pth")
    assert config["optimizer"]["class_path"] == "torch.optim.AdamW"
    assert config["optimizer"]["init_args"]["lr"] == 5e-5
    assert config["lr_scheduler"]["class_path"] == COSINE


def test_the_rate_grows_with_the_square_root_of_the_batch(decided):
    config = decided("--model.weights", "network.pth", "--data.batch_size", 128)
    assert config["optimizer"]["init_args"]["lr"] == 1e-4


def test_a_single_option_changes_the_rate_alone(decided):
    config = decided("--model.weights", "network.pth", "--optimizer.lr", 3e-3)
    assert config["optimizer"]["class_path"] == "torch.optim.AdamW"
    assert config["optimizer"]["init_args"]["lr"] == 3e-3
    assert config["lr_scheduler"]["class_path"] == COSINE


@pytest.mark.parametrize("text", ["optimizer: {class_path: torch.optim.SGD}", "lr_scheduler: null"])
def test_a_file_that_names_optimizer_or_schedule_decides_all_of_them(decided, tmp_path, text):
    (tmp_path / "own.yaml").write_text(text)
    config = decided("--model.weights", "network.pth", "--config", "own.yaml")
    assert config["lr_scheduler"] is None
    assert config["model"]["layer_decay"] is None


def test_an_optimizer_on_the_command_line_decides_all_of_them(decided):
    config = decided("--model.weights", "network.pth", "--optimizer", "SGD", "--optimizer.lr", 0.1)
    assert config["optimizer"]["class_path"] == "torch.optim.SGD"
    assert config["lr_scheduler"] is None


def test_from_fresh_weights_everything_stays_as_it_is(decided):
    config = decided()
    assert config["optimizer"]["class_path"] == "torch.optim.Adam"
    assert config["lr_scheduler"] is None
    assert config["model"]["layer_decay"] is None


def test_a_fit_records_epochs_and_mode_and_keeps_the_statistics_of_the_weights(zoo, tmp_path):
    spec = InputSpec(tuple("abc"), 1, 32, 32, (0.5,), (0.5,))
    network = ImageClassifier(spec, {"name": "airbench", "width": 4}).network
    torch.save(network.state_dict(), tmp_path / "network.pth")
    status, out, err = zoo("fit", *NETWORK, "--model.weights", "network.pth", "--trainer.limit_train_batches", 2)
    assert status == 0, err
    run = tmp_path / out.splitlines()[-1]
    config = yaml.safe_load((run / "config.yaml").read_text())
    assert "fine-tuning   AdamW, rate 5e-05, CosineAnnealingLR, 3 epochs, BatchNorm eval" in err
    assert config["trainer"]["max_epochs"] == 3
    assert config["model"]["batch_norm"] == "eval"
    state = torch.load(run / "checkpoints" / "last.ckpt", weights_only=True)["state_dict"]
    statistics = [name for name in network.state_dict() if "running_" in name]
    assert statistics
    for name in statistics:
        assert torch.equal(state[f"network.{name}"], network.state_dict()[name])


def test_batch_norm_trains_by_the_batch_unless_asked(colour_spec):
    images, name = torch.zeros(4, 32, 32, 3, dtype=torch.uint8), {"name": "airbench", "width": 4}
    for mode, changes in (("train", True), ("eval", False)):
        model = ImageClassifier(colour_spec, name, batch_norm=mode).train()
        before = {key: value.clone() for key, value in model.state_dict().items() if "running_mean" in key}
        model(images)
        assert changes != all(torch.equal(model.state_dict()[key], value) for key, value in before.items())
