"""The temperature of a run: the same probabilities from run, table, exported file and report."""

from __future__ import annotations

import csv
import json

import numpy as np
import pytest
import torch
from support import error_of

import zoo as library
from zoo import runtime
from zoo.reports.page import read_figures


@pytest.fixture
def temperature(untested_run):
    return json.loads((untested_run / "calibration.json").read_text())["temperature"]


@pytest.fixture
def pixels():
    return torch.randint(0, 256, (5, 8, 8, 1), dtype=torch.uint8, generator=torch.Generator().manual_seed(0))


def test_fit_fits_it_and_says_so_in_the_report(untested_run, temperature):
    figures = read_figures(untested_run / "report.html")
    assert figures["temperature"] == temperature != 1
    assert figures["scaled_calibration_error"] < figures["calibration_error"]
    assert "cross-fitted on 143 validation images" in (untested_run / "report.html").read_text()


def test_run_table_and_file_give_the_same_probabilities(zoo, untested_run, temperature, pixels):
    assert zoo("test", untested_run)[0] == 0
    assert zoo("export", untested_run)[0] == 0
    classifier, file = library.load(untested_run), runtime.Classifier(untested_run / "model.onnx")
    with torch.inference_mode():
        logits = classifier(pixels)
    expected = (logits / temperature).softmax(1).numpy()
    assert file.metadata["temperature"] == classifier.temperature == temperature
    [in_file] = file.session.run(["logits"], {"images": pixels.numpy()})
    np.testing.assert_allclose(in_file, logits.numpy(), rtol=1e-4, atol=1e-4)
    np.testing.assert_allclose(file.probabilities(pixels.numpy()), expected, atol=1e-5)
    assert dict(classifier.predict(pixels.numpy())[0])[classifier.spec.classes[expected[0].argmax()]] == pytest.approx(
        expected[0].max(), abs=1e-5
    )
    figures = read_figures(untested_run / "report.html")
    assert (figures["split"], figures["temperature"]) == ("test", temperature)
    with (untested_run / "predictions.csv").open() as table:
        rows = [[float(value) for value in row[3:]] for row in list(csv.reader(table))[1:]]
    assert np.mean(np.max(rows, axis=1)) > read_figures(untested_run / "report.html")["accuracy"] - 0.2


def test_a_run_without_it_has_the_probabilities_it_had(zoo, untested_run, pixels):
    (untested_run / "calibration.json").unlink()
    assert zoo("test", untested_run)[0] == 0
    assert read_figures(untested_run / "report.html")["scaled_calibration_error"] is None
    classifier = library.load(untested_run)
    assert torch.equal(classifier.probabilities(classifier(pixels)), classifier(pixels).softmax(1))


def test_the_temperature_of_another_checkpoint_does_not_count(untested_run, temperature):
    recorded = json.loads((untested_run / "calibration.json").read_text())
    (untested_run / "calibration.json").write_text(json.dumps(recorded | {"step": recorded["step"] + 1}))
    assert library.load(untested_run).temperature == 1


def test_zoo_report_fits_it_where_training_did_not(zoo, untested_run, temperature):
    (untested_run / "calibration.json").unlink()
    assert zoo("report", untested_run)[0] == 0
    recorded = json.loads((untested_run / "calibration.json").read_text())
    assert recorded["temperature"] == pytest.approx(temperature, rel=1e-3)


def test_a_report_that_is_refused_writes_no_temperature(zoo, untested_run):
    (untested_run / "calibration.json").unlink()
    (untested_run / "metrics.csv").write_text("epoch,step\nx,1\n")
    assert "metrics.csv:2 is damaged" in error_of(zoo("report", untested_run))
    assert not (untested_run / "calibration.json").exists()
