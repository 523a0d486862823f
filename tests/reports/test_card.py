"""The model card of a run."""

from __future__ import annotations

import hashlib
import re
import shutil
from pathlib import Path

import pytest
import torch
import yaml

from zoo.reports.card import model_card
from zoo.reports.intervals import interval
from zoo.runs.folder import Run


@pytest.mark.parametrize(
    ("correct", "count", "low", "high"), [(8, 10, 0.4902, 0.9433), (0, 10, 0.0, 0.2775), (81, 263, 0.2553, 0.3662)]
)
def test_an_interval_is_that_of_wilson(correct, count, low, high):
    assert interval(correct, count) == pytest.approx((low, high), abs=1e-4)


def test_a_card_has_the_figures_of_the_test_in_text_and_front_matter(tmp_path, digits_run, digits_model):
    run = Run(shutil.copytree(digits_run, tmp_path / "run"))
    run.predictions.write_text("path,label,prediction\n0,3,3\n1,3,3\n2,3,5\n3,7,7\n")
    card = model_card(run, "digit-classifier", "digit_classifier-1.0-py3-none-any.whl")
    _, front, text = card.split("---\n", 2)
    content = yaml.safe_load(front)
    [result] = content["model-index"][0]["results"]
    accuracy = result["metrics"][0]["value"]
    assert content["pipeline_tag"] == "image-classification"
    assert f"| accuracy | {accuracy:.1%} |" in text
    assert "Measured on the 359 images of the test split" in text
    assert "| 3 | 3 | 66.7% | 20.8% to 93.9% |" in text
    assert "zoo predict digit-classifier photo.jpg" in text
    assert "pip install zoo_runtime-*.whl digit_classifier-1.0-py3-none-any.whl" in text


def test_a_solved_last_layer_is_told_apart_from_training(zoo, tmp_path, digits_run):
    weights = tmp_path / "secret-folder" / "first.pth"
    weights.parent.mkdir()
    state = torch.load(digits_run / "checkpoints" / "best.ckpt", weights_only=True)["state_dict"]
    state = {key.removeprefix("network."): value for key, value in state.items()}
    torch.save({key: value[:9] if value.shape[0] == 10 else value for key, value in state.items()}, weights)
    options = ("--model.freeze", "backbone", "--trainer.max_epochs", 0, "--run", "solved")
    status, _, err = zoo("fit", "--model.weights", weights, *options)
    assert status == 0, err
    card = model_card(Run(tmp_path / "runs" / "solved"))
    assert "the last layer was solved by logistic regression on the training images; no epoch was trained |" in card
    assert f"| starts from | `first.pth`, SHA-256 `{hashlib.sha256(weights.read_bytes()).hexdigest()}` |" in card
    assert str(tmp_path) not in card
    assert "secret-folder" not in card
    assert not re.search(r"AdamW|batch size|augmentation|of epoch|chosen by it", card)


def test_a_trained_run_names_its_optimizer_and_the_epoch_of_its_checkpoint(digits_run):
    card = model_card(Run(digits_run))
    assert "# lenet5 trained on digits\n" in card
    assert re.search(r"\| epochs \| \d+; the checkpoint is of epoch \d+, step [\d,]+ \|", card)
    assert "| optimizer | " in card
    assert "`zoo export RUN` writes `model.onnx`" in card
    for heading in ("## Intended use", "## Misuse", "### Where the images come from"):
        assert f"\n{heading}\n" in card


def test_images_in_a_folder_are_called_after_it(digits_run, tmp_path):
    run = Run(shutil.copytree(digits_run, tmp_path / "run"))
    config = yaml.safe_load(run.config.read_text())
    config["data"] |= {"dataset": {"name": "folder"}, "root": "/home/me/flowers"}
    run.config.write_text(yaml.safe_dump(config))
    card = model_card(run)
    assert "Data set: `flowers`, read by `folder`." in card
    assert "type: imagefolder" in card
    assert "/home/me" not in card


def test_a_run_that_was_not_tested_says_so(zoo, untested_run):
    status, out, err = zoo("card", untested_run, "--output", "card.md")
    assert status == 0, err
    assert out.strip() == "card.md"
    text = Path("card.md").read_text(encoding="utf-8")
    assert "It was not tested" in text
    assert "model-index" not in text
