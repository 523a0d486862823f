"""predictions.csv: a row for each image that was tested, under its name, and whole or not at all."""

from __future__ import annotations

import csv
import json
import os

import pytest
import torch
from support import write_photos

from zoo.cli import main
from zoo.core.errors import RunError
from zoo.reports.predictions_csv import write_predictions

#: Names of classes that are also names of columns.
CLASSES = ("label", "path, or not")


def rows(path):
    with path.open(newline="", encoding="utf-8", errors="surrogateescape") as file:
        return list(csv.DictReader(file))


@pytest.fixture(scope="module")
def photos_run(tmp_path_factory):
    """A run of two classes of photographs, whose test split has a damaged file, after its test."""
    folder = tmp_path_factory.mktemp("photos")
    for split in ("train", "val", "test"):
        write_photos(folder / "photos" / split, CLASSES, 128, 128)
    (folder / "photos" / "test" / "label" / "1.png").write_text("damaged")
    words = ["--data", "folder", "--data.root", str(folder / "photos"), "--data.num_workers", "0"]
    words += ["--data.skip_bad", "true", "--trainer.max_epochs", "1", "--trainer.default_root_dir", str(folder)]
    assert main(["fit", *words]) == 0
    run = folder / "folder-lenet5" / "version_0"
    assert main(["test", str(run), "--data.batch_size", "8"]) == 0
    return run


def test_a_test_writes_a_row_for_each_image_with_the_probability_of_each_class(zoo, untested_run):
    assert zoo("test", untested_run)[0] == 0
    table, results = rows(untested_run / "predictions.csv"), json.loads((untested_run / "results.json").read_text())
    assert len(table) == results["images"]
    names = [f"probability of {name}" for name in results["classes"]]
    assert list(table[0]) == ["path", "label", "prediction", *names]
    assert [row["path"] for row in table[:2]] == ["test 0", "test 1"]
    assert sum(row["label"] == row["prediction"] for row in table) / len(table) == pytest.approx(
        results["test/accuracy"]
    )
    for row in table:
        values = [float(row[name]) for name in names]
        assert sum(values) == pytest.approx(1, abs=1e-5)
        assert row[f"probability of {row['prediction']}"] == max(row[name] for name in names)


def test_files_are_named_from_the_root_and_damaged_ones_have_no_row(photos_run):
    table = rows(photos_run / "predictions.csv")
    expected = [f"test/{name}/{number}.png" for name in CLASSES for number in sorted(map(str, range(20)))]
    expected.remove("test/label/1.png")
    assert [row["path"] for row in table] == expected
    assert [row["label"] for row in table] == [row["path"].split("/")[1] for row in table]


@pytest.mark.parametrize("limit", [1, 3])
def test_a_test_of_some_batches_has_rows_of_their_images(zoo, photos_run, limit):
    assert zoo("test", photos_run, "--data.batch_size", 8, "--trainer.limit_test_batches", limit)[0] == 0
    assert len(rows(photos_run / "predictions.csv")) == 8 * limit - 1


def test_mistakes_in_a_report_link_to_their_files(zoo, photos_run):
    assert zoo("test", photos_run)[0] == 0
    page = (photos_run / "report.html").read_text()
    assert '<a href="../../photos/test/path%2C%20or%20not/0.png">test/<wbr>path, or not/<wbr>0.png</a>' in page


def test_a_report_writes_predictions_that_are_missing(zoo, photos_run):
    table = rows(photos_run / "predictions.csv")
    (photos_run / "predictions.csv").unlink()
    assert zoo("report", photos_run)[0] == 0
    assert rows(photos_run / "predictions.csv") == table


def test_a_table_that_is_not_completed_leaves_the_old_one(tmp_path):
    path = tmp_path / "predictions.csv"
    path.write_text("old")
    with pytest.raises(OSError, match="of the data"), write_predictions(path, CLASSES, ["a.png"]):
        raise OSError("of the data")
    assert os.listdir(tmp_path) == ["predictions.csv"]
    assert path.read_text() == "old"


def test_a_folder_that_does_not_exist_is_an_error_of_one_line(tmp_path):
    path = tmp_path / "nowhere" / "predictions.csv"
    with pytest.raises(RunError, match=r"predictions\.csv cannot be written"), write_predictions(path, CLASSES, []):
        pass


def test_names_that_are_no_utf_8_come_back_as_they_were(tmp_path):
    name = os.fsdecode(b"b\xe9e\n.png")
    with write_predictions(tmp_path / "predictions.csv", CLASSES, ["x", name]) as table:
        table.add(torch.tensor([1]), torch.tensor([[0.25, 0.75]]), [1])
    [row] = rows(tmp_path / "predictions.csv")
    assert list(row.values()) == [name, "path, or not", "path, or not", "0.250000", "0.750000"]
