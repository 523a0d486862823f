"""zoo test RUN --on FOLDER: other images, as they are."""

from __future__ import annotations

import csv
import json
import shutil
from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from sklearn.datasets import load_digits

from zoo.api import TrainedRun


@pytest.fixture
def run(digits_run, tmp_path):
    """A run of digits without other results."""
    return Path(shutil.copytree(digits_run, tmp_path / "run"))


@pytest.fixture
def field(tmp_path):
    """Ten images each of the digits 3 and 7, from scikit-learn's last ones."""
    digits, folder = load_digits(), tmp_path / "field photos"
    for label in (3, 7):
        (folder / str(label)).mkdir(parents=True)
        for number, pixels in enumerate(digits.images[digits.target == label][-10:]):
            levels = np.rint(pixels * 255 / 16).astype(np.uint8)
            Image.fromarray(levels).save(folder / str(label) / f"{number}.png")
    return folder


def test_results_name_the_folder_its_counts_and_what_is_missing(run, field, zoo):
    status, out, err = zoo("test", run, "--on", field)
    assert status == 0, err
    assert "20 images as they are" in out
    assert "no image of 0, 1, 2, 4, 5, 6, 8, 9: the figures are of the other classes" in err
    [path] = run.glob("results-on-field-photos-*.json")
    results = json.loads(path.read_text())
    assert (results["root"], results["images"], results["counts"]) == (str(field), 20, {"3": 10, "7": 10})
    assert results["missing_classes"] == list("01245689")
    assert results["digest"].startswith(path.stem[-8:])
    with path.with_name(path.name.replace("results", "predictions")).with_suffix(".csv").open(newline="") as file:
        rows = list(csv.DictReader(file))
    assert [row["path"] for row in rows] == [f"{label}/{number}.png" for label in "37" for number in range(10)]
    assert results["test/accuracy"] == pytest.approx(sum(row["label"] == row["prediction"] for row in rows) / 20)


def test_the_runs_own_results_and_report_stay(run, field, zoo):
    assert zoo("test", run)[0] == 0
    files = [run / name for name in ("results.json", "predictions.csv", "report.html")]
    before = [path.read_bytes() for path in files]
    assert zoo("test", run, "--on", field)[0] == 0
    assert [path.read_bytes() for path in files] == before


def test_the_digest_is_that_of_the_images_wherever_they_lie(run, field, zoo):
    copy = shutil.copytree(field, field.parent / "elsewhere" / field.name)
    assert [zoo("test", run, "--on", folder)[0] for folder in (field, copy)] == [0, 0]
    assert len(list(run.glob("results-on-*.json"))) == 1
    (field / "3" / "0.png").unlink()
    assert zoo("test", run, "--on", field)[0] == 0
    assert len(list(run.glob("results-on-*.json"))) == 2


def test_a_table_lists_the_images_as_well(run, field, zoo):
    rows = [f"{path},{path.parent.name}" for path in sorted(field.glob("*/*.png"))]
    table = field.parent / "labels.csv"
    table.write_text("\n".join(["path,label", *rows]))
    by_table = TrainedRun(run).test(on=table)
    assert by_table == TrainedRun(run).test(on=field)


def test_images_that_were_trained_on_are_counted(zoo, field):
    options = ("--data", "folder", "--data.root", field, "--data.image_size", 8, "--data.batch_size", 4)
    status, out, err = zoo("fit", *options, "--trainer.max_epochs", 1, "--data.val_fraction", 0.3)
    assert status == 0, err
    run = Path(out.splitlines()[-1])
    trained = [line for line in (run / "split.csv").read_text().splitlines() if ",train," in line]
    assert (
        f"{len(trained)} of the 20 images are ones that the network was trained on"
        in zoo("test", run, "--on", field)[2]
    )


def test_what_cannot_be_tested_on_is_an_error(run, field, zoo):
    (field.parent / "split").mkdir()
    shutil.copytree(field, field.parent / "split" / "train")
    (field.parent / "wasps" / "wasp").mkdir(parents=True)
    shutil.copy(field / "3" / "0.png", field.parent / "wasps" / "wasp")
    (field.parent / "nothing" / "3").mkdir(parents=True)
    for name, text in {
        "nowhere": "which does not exist; allowed are a folder of class folders and a table",
        "split": "which has split folders such as train/; name the images to test on, such as",
        "wasps": "whose classes wasp the network does not have; its classes are 0, 1, 2",
        "nothing": "in which no image lies in a class folder",
    }.items():
        status, _, err = zoo("test", run, "--on", field.parent / name)
        assert (status, text in err, len(err.splitlines())) == (2, True, 1), err
    assert not list(run.glob("results-on-*"))
