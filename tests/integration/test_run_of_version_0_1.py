"""A run of zoo 0.1.0 (fit with --model cnn --model.architecture.layout 4C3-MP2-16N, test, export) stays usable."""

from __future__ import annotations

import csv
import json
import shutil
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

import zoo as library
from zoo.runtime import Classifier

#: What zoo 0.1.0 said of the first test image of digits.
PROBABILITIES = {
    "0": 0.12490095943212509,
    "1": 0.1155475378036499,
    "2": 0.038583312183618546,
    "3": 0.05527800694108009,
    "4": 0.22358007729053497,
    "5": 0.06913064420223236,
    "6": 0.15647147595882416,
    "7": 0.08242256939411163,
    "8": 0.08886049687862396,
    "9": 0.04522497206926346,
}
FIXTURE = Path(__file__).parent.parent / "fixtures" / "run_0.1"


@pytest.fixture
def run(tmp_path):
    return shutil.copytree(FIXTURE, tmp_path / "runs" / "digits-cnn" / "version_0")


@pytest.fixture
def digit():
    """The first test image of digits, uint8 (8, 8)."""
    return library.create_dataset("digits", ".", "test").images[0][..., 0]


def probabilities(model):
    return {prediction.name: prediction.probability for prediction in model}


def test_it_loads_as_a_classifier_with_the_same_probabilities(run, digit):
    classifier = library.load(run)
    assert classifier.spec.classes == tuple("0123456789")
    with torch.inference_mode():
        logits = classifier(torch.from_numpy(np.array(digit))[None, ..., None])
    assert logits.softmax(1)[0].tolist() == pytest.approx(list(PROBABILITIES.values()), abs=1e-6)


def test_its_test_measures_the_same(zoo, run):
    before = json.loads((run / "results.json").read_text())
    status, _, err = zoo("test", run)
    assert status == 0, err
    after = json.loads((run / "results.json").read_text())
    assert after.keys() >= before.keys()
    assert after["test/accuracy"] == before["test/accuracy"]
    assert after["test/loss"] == pytest.approx(before["test/loss"], rel=1e-5)
    assert {after[key] == before[key] for key in ("classes", "images", "checkpoint", "epoch", "step")} == {True}


def test_it_trains_on(zoo, run):
    before = (run / "metrics.csv").read_text()
    status, _, err = zoo("fit", run, "--trainer.max_epochs", 3)
    assert status == 0, err
    assert "from step 82" in err
    with (run / "metrics.csv").open(newline="") as file:
        assert [row["epoch"] for row in csv.DictReader(file) if row["val/accuracy"]] == ["0", "1", "2"]
    assert (run / "metrics.csv").read_text().startswith(before)
    assert torch.load(run / "checkpoints" / "last.ckpt", weights_only=True)["global_step"] == 3 * 41


def test_it_exports_to_a_file_that_answers_alike(zoo, run, digit):
    old = Classifier(run / "model.onnx")
    assert probabilities(old.predict(digit, top_k=10)) == pytest.approx(PROBABILITIES, abs=1e-5)
    status, _, err = zoo("export", run)
    assert status == 0, err
    new = Classifier(run / "model.onnx")
    assert probabilities(new.predict(digit, top_k=10)) == pytest.approx(PROBABILITIES, abs=1e-5)
    assert new.metadata.keys() >= old.metadata.keys()


def test_its_exported_file_is_verified(zoo, run):
    status, out, err = zoo("verify", run / "model.onnx")
    assert status == 0, err
    assert "verified" in out


def test_runs_lists_it(zoo, run):
    status, out, err = zoo("runs", "runs")
    assert status == 0, err
    [line] = [line for line in out.splitlines() if "digits-cnn" in line]
    assert "finished" in line


def test_predict_prints_the_same_probabilities(zoo, run, digit, tmp_path):
    Image.fromarray(digit).save(tmp_path / "digit.png")
    status, _, err = zoo("predict", run, "digit.png", "--output", "predictions.json")
    assert status == 0, err
    [row] = json.loads((tmp_path / "predictions.json").read_text())
    assert {each["class"]: each["probability"] for each in row["predictions"]} == pytest.approx(PROBABILITIES, abs=1e-6)


def test_its_report_is_made_again(zoo, run):
    status, _, err = zoo("report", run)
    assert status == 0, err
    assert (run / "report.html").stat().st_size > 10_000
