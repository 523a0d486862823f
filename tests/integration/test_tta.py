"""--tta flip: the same averaged logits from a run, its test, and its exported file."""

from __future__ import annotations

import json

import numpy as np
import pytest
import torch
from PIL import Image

import zoo as library
from zoo import runtime
from zoo.cli.classify import ExportedNetwork, opened_network


@pytest.fixture
def pixels():
    return torch.randint(0, 256, (5, 8, 8, 1), dtype=torch.uint8, generator=torch.Generator().manual_seed(0))


def averaged(run, pixels):
    """Return the logits that are expected."""
    classifier = library.load(run)
    with torch.inference_mode():
        return (classifier(pixels) + classifier(pixels.flip(2))) / 2


def test_a_test_is_of_averaged_logits_and_its_report_stays_so(zoo, untested_run):
    assert zoo("test", untested_run)[0] == 0
    plain = json.loads((untested_run / "results.json").read_text())
    status, _, err = zoo("test", untested_run, "--tta", "flip")
    assert status == 0, err
    mirrored = json.loads((untested_run / "results.json").read_text())
    assert ("tta" in plain, mirrored["tta"]) == (False, "flip")
    assert mirrored["test/loss"] != plain["test/loss"]
    table = (untested_run / "predictions.csv").read_text()
    (untested_run / "predictions.csv").unlink()
    assert zoo("report", untested_run)[0] == 0
    assert (untested_run / "predictions.csv").read_text() == table


def test_an_exported_file_averages_by_itself(zoo, untested_run, pixels):
    assert zoo("test", untested_run)[0] == 0
    status, _, err = zoo("export", untested_run, "--tta", "flip")
    assert status == 0, err
    file = runtime.Classifier(untested_run / "model.onnx")
    assert (file.metadata["tta"], file.metadata["test_accuracy"]) == ("flip", None)  # it was tested without
    [logits] = file.session.run(["logits"], {"images": pixels.numpy()})
    np.testing.assert_allclose(logits, averaged(untested_run, pixels).numpy(), atol=1e-4)
    runtime.verify(untested_run / "model.onnx")
    Image.fromarray(pixels[0, ..., 0].numpy()).save(untested_run / "image.png")
    status, _, err = zoo("predict", untested_run / "model.onnx", untested_run / "image.png", "--tta", "flip")
    assert (status, err) == (
        2,
        "error: the file was exported with --tta flip and averages by itself; leave --tta out\n",
    )


def test_run_and_plain_file_predict_the_same_average(digits_run, digits_model, pixels):
    expected = library.load(digits_run).probabilities(averaged(digits_run, pixels)).numpy()
    for model in (digits_run, digits_model):
        with opened_network(str(model), 1, invert=False, tta="flip") as network:
            np.testing.assert_allclose(network.probabilities(pixels.numpy()), expected, atol=1e-5)


def test_a_file_of_several_classes_an_image_is_not_averaged(digits_model):
    file = runtime.Classifier(digits_model)
    file.labels = "several"
    with pytest.raises(library.UserError, match="averages networks that give an image one class"):
        ExportedNetwork(file, invert=False, tta="flip")


def test_another_kind_is_one_line(zoo, digits_run):
    status, _, err = zoo("test", digits_run, "--tta", "rotate")
    assert (status, err.count("\n")) == (2, 1)
    assert "--tta: invalid choice: 'rotate' (choose from 'flip')" in err
