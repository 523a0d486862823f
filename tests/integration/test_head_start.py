"""A fresh last layer behind pretrained weights starts solved; where nothing else trains, that is the training."""

from __future__ import annotations

import csv
from dataclasses import replace

import pytest
import torch
import yaml
from support import error_of, weights

from zoo.core import registry
from zoo.data.datamodule import ImageDataModule
from zoo.training.head_start import evenly_by_class
from zoo.training.time_budget import Costs, TimeBudget


@pytest.fixture
def pretrained(tmp_path):
    """Options: a LeNet-5 whose weights are those of seven other classes."""
    spec = replace(ImageDataModule("digits").spec, classes=tuple("abcdefg"))
    torch.manual_seed(3)
    torch.save(registry.call("architecture", "lenet5", (spec,), {}).state_dict(), tmp_path / "seven.pth")
    return ("--model.weights", tmp_path / "seven.pth", "--data.augmentation", "none")


def run_of(result, tmp_path):
    assert result[0] == 0, result
    return tmp_path / result[1].splitlines()[-1]


def rows(run):
    with (run / "metrics.csv").open(newline="") as file:
        return list(csv.DictReader(file))


def test_a_solved_head_is_the_whole_training_where_nothing_else_trains(zoo, tmp_path, pretrained):
    result = zoo("fit", *pretrained, "--model.freeze", "backbone", "--model.mixup", 0.2)
    run = run_of(result, tmp_path)
    assert "--model.mixup: no effect without epochs; --trainer.max_epochs N" in result[2]
    assert "was solved on 1,295 training images" in result[2]
    assert ", of the solved last layer: " in result[2]
    [row] = rows(run)
    assert (row["epoch"], row["step"]) == ("0", "0")
    assert float(row["val/accuracy"]) > 0.9
    assert float(row["train/accuracy"]) > 0.9
    config = yaml.safe_load((run / "config.yaml").read_text())
    assert (config["model"]["head_start"], config["trainer"]["max_epochs"]) == ("solve", 0)
    assert (run / "report.html").is_file()
    best, last = (run / "checkpoints" / f"{name}.ckpt" for name in ("best", "last"))
    assert best.is_file()
    assert last.is_file()
    assert f"{float(row['val/accuracy']):.4f}" in zoo("validate", run)[1]
    assert "is finished: nothing is left to train" in zoo("fit", run)[2]


def test_a_solved_run_trains_on_when_epochs_are_asked_for(zoo, tmp_path, pretrained):
    run = run_of(zoo("fit", *pretrained, "--model.freeze", "backbone"), tmp_path)
    status, _, err = zoo("fit", run, "--trainer.max_epochs", 1)
    assert status == 0, err
    assert "was solved" not in err
    assert [row["epoch"] for row in rows(run)] == ["0", "0"]
    assert rows(run)[-1]["step"] == "41"


def test_epochs_go_on_from_the_solved_head(zoo, tmp_path, pretrained):
    options = (*pretrained, "--trainer.max_epochs", 1, "--trainer.limit_train_batches", 2)
    losses = {}
    for start in ("solve", "fresh"):
        extra = () if start == "solve" else ("--model.head_start", start)
        run = run_of(zoo("fit", *options, *extra), tmp_path)
        assert yaml.safe_load((run / "config.yaml").read_text())["model"]["head_start"] == start
        losses[start] = float(rows(run)[-1]["val/loss"])
    assert losses["solve"] < 1 < losses["fresh"]


def test_zero_starts_at_equal_probabilities(zoo, tmp_path, pretrained):
    options = ("--model.head_start", "zero", "--trainer.max_epochs", 1, "--optimizer.lr", 0.0)
    run = run_of(zoo("fit", *pretrained, *options), tmp_path)
    assert float(rows(run)[-1]["val/loss"]) == pytest.approx(2.302585, abs=1e-4)


def test_without_weights_the_network_starts_as_ever(zoo, tmp_path):
    result = zoo("fit", "--trainer.max_epochs", 1, "--trainer.limit_train_batches", 1)
    run = run_of(result, tmp_path)
    assert "solved" not in result[2]
    assert yaml.safe_load((run / "config.yaml").read_text())["model"]["head_start"] is None


def test_the_last_layer_of_a_run_is_kept_where_the_classes_are_the_same(zoo, tmp_path):
    first = run_of(zoo("fit", "--trainer.max_epochs", 1), tmp_path)
    options = ("--model.weights", first, "--trainer.max_epochs", 1, "--optimizer.lr", 0.0)
    result = zoo("fit", *options)
    assert "was solved" not in result[2]
    second = run_of(result, tmp_path)
    best = torch.load(first / "checkpoints" / "best.ckpt", weights_only=True)["state_dict"]
    assert all(torch.equal(best[name], value) for name, value in weights(second).items())


@pytest.mark.parametrize(
    ("options", "text"),
    [
        (("--model.head_start", "fast"), "model.head_start"),
        (
            (
                *("--model", "torchvision/squeezenet1_1", "--data.image_size", "64", "--trainer.max_epochs", "1"),
                *("--trainer.limit_train_batches", "1", "--model.head_start", "zero"),
            ),
            "model.head_start is zero, but the output of its last layer, classifier.1, is not the logits; leave it out",
        ),
    ],
)
def test_what_cannot_be_is_one_line(zoo, options, text):
    assert text in error_of(zoo("fit", *options))


def test_images_are_chosen_evenly_by_class_without_damaged_ones():
    labels = torch.tensor([0] * 50 + [1] * 5 + [2] * 20 + [-1] * 9)
    chosen = evenly_by_class(labels, 25)
    assert torch.bincount(labels[chosen]).tolist() == [10, 5, 10]
    assert torch.equal(chosen, chosen.sort().values)
    assert len(evenly_by_class(labels, 1000)) == 75


def test_within_a_time_a_solved_head_is_the_result_where_no_step_fits(zoo, tmp_path, pretrained, monkeypatch):
    monkeypatch.setattr(TimeBudget, "_measure", lambda *_: Costs(1000.0, 1.0, 1.0))
    result = zoo("fit", *pretrained, "--time", "20s")
    run = run_of(result, tmp_path)
    assert "--time 20s: no time for an epoch, the solved last layer is the result" in result[2]
    assert float(rows(run)[0]["val/accuracy"]) > 0.8
    assert yaml.safe_load((run / "config.yaml").read_text())["trainer"]["max_epochs"] == 0


def test_within_a_time_a_solved_head_is_the_training_where_nothing_else_trains(zoo, tmp_path, pretrained):
    result = zoo("fit", *pretrained, "--time", "1h", "--model.freeze", "backbone")
    assert len(rows(run_of(result, tmp_path))) == 1
