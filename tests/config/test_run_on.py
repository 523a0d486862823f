"""zoo test RUN --on FOLDER: other images, as they are."""

from __future__ import annotations

import csv
import json
import shutil
from pathlib import Path

import numpy as np
import pytest
import yaml
from PIL import Image
from sklearn.datasets import load_digits
from sklearn.metrics import f1_score

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


def test_macro_f1_is_of_the_classes_that_occur(run, field, zoo):
    assert zoo("test", run, "--on", field)[0] == 0
    [path] = run.glob("predictions-on-*.csv")
    with path.open(newline="") as file:
        rows = [(row["label"], row["prediction"]) for row in csv.DictReader(file)]
    assert {"3", "7"} < {prediction for _, prediction in rows}, "another class must be predicted"
    labels, predicted = zip(*rows, strict=True)
    [results] = run.glob("results-on-*.json")
    expected = f1_score(labels, predicted, labels=["3", "7"], average="macro")
    assert json.loads(results.read_text())["test/f1"] == pytest.approx(expected)


def test_damaged_images_that_are_left_out_are_counted(run, field, zoo):
    (field / "3" / "broken.png").write_bytes(b"junk")
    status, _, err = zoo("test", run, "--on", field)
    assert (status, list(run.glob("*-on-*"))) == (2, [])
    assert "broken.png: not a readable image" in err
    status, out, err = zoo("test", run, "--on", field, "--data.skip_bad", "true")
    assert status == 0, err
    assert "20 images as they are, without 1 that cannot be read" in out
    [path] = run.glob("results-on-*.json")
    results = json.loads(path.read_text())
    assert (results["images"], results["left_out"], results["counts"]) == (20, 1, {"3": 10, "7": 10})


def test_all_images_are_measured_in_one_process(run, field, zoo):
    for option in ("limit_test_batches=1", "limit_test_batches=0.5", "fast_dev_run=true", "devices=2"):
        status, _, err = zoo("test", run, "--on", field, f"--trainer.{option}")
        assert (status, "zoo test --on" in err, len(err.splitlines())) == (2, True, 1), err
    config = yaml.safe_load((run / "config.yaml").read_text())
    config["trainer"] |= {"devices": 2, "limit_test_batches": 1}  # whatever trained and limited the run
    (run / "config.yaml").write_text(yaml.safe_dump(config))
    status, out, err = zoo("test", run, "--on", field)
    assert status == 0, err
    assert "20 images as they are" in out


def test_the_runs_own_data_may_be_gone(zoo, field, tmp_path):
    data = shutil.copytree(field, tmp_path / "data")
    options = ("--data", "folder", "--data.root", data, "--data.image_size", 8, "--data.batch_size", 4)
    status, out, err = zoo("fit", *options, "--trainer.max_epochs", 1, "--data.val_fraction", 0.3)
    assert status == 0, err
    shutil.rmtree(data)
    assert zoo("test", out.splitlines()[-1], "--on", field)[0] == 0


def test_files_are_named_after_the_folder_that_dots_mean(run, field, zoo, monkeypatch):
    long = shutil.copytree(field, field.parent / ("long name " * 24).strip())
    monkeypatch.chdir(field / "3")
    assert zoo("test", run, "--on", "..")[0] == 0
    [path] = run.glob("results-on-*.json")
    assert path.name.startswith("results-on-field-photos-")
    assert json.loads(path.read_text())["root"] == str(field)
    assert zoo("test", run, "--on", long)[0] == 0
    assert len(list(run.glob("results-on-long-name-*.json"))) == 1


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
    table.write_text(table.read_text().replace(rows[0], rows[0][:-1] + "7"))
    assert TrainedRun(run).test(on=table) != by_table
    assert len(list(run.glob("results-on-labels-*.json"))) == 2, "a table with another label has results of its own"


def test_relative_paths_of_a_table_may_start_at_the_data_root(run, field, zoo):
    rows = [f"{path.relative_to(field)},{path.parent.name}" for path in sorted(field.glob("*/*.png"))]
    table = field.parent / "lists" / "labels.csv"
    table.parent.mkdir()
    table.write_text("\n".join(["path,label", *rows]))
    status, _, err = zoo("test", run, "--on", table)
    assert (status, "20 images cannot be read" in err) == (2, True), err
    status, _, err = zoo("test", run, "--on", table, "--data.root", field)
    assert status == 0, err
    [path] = run.glob("predictions-on-*.csv")
    assert path.read_text().splitlines()[1].startswith("3/0.png,")


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
