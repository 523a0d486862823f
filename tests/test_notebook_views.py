"""What a notebook shows of a run and of data: run.history, predictions, mistakes, report and data.show."""

from __future__ import annotations

import re
import shutil
import subprocess
import sys

import numpy as np
import pytest
from PIL import Image
from support import FIT_PHOTOS, write_photos

import zoo as package
from zoo.core.errors import UserError


@pytest.fixture(scope="module")
def run(digits_model):
    """A tested run of three epochs."""
    return package.TrainedRun(digits_model.parent)


@pytest.fixture(scope="module")
def tested(run, tmp_path_factory):
    """A copy with the predictions of its test."""
    copy = package.TrainedRun(shutil.copytree(run.path, tmp_path_factory.mktemp("tested") / "run"))
    copy.test()
    return copy


def test_the_history_draws_loss_and_accuracy(run):
    html = run.history._repr_html_()
    assert html.count("<svg") == 2
    assert "Loss over 3 epochs" in html
    assert repr(run.history).splitlines()[0].split() == [
        "epoch",
        "train/loss",
        "train/accuracy",
        "val/loss",
        "val/accuracy",
    ]


def test_the_history_draws_the_figures_that_are_asked_for(run):
    drawing = run.history.plot("val/f1", "val/accuracy")
    assert drawing._repr_html_().count("<svg") == 1
    assert repr(drawing) == "val/f1, val/accuracy over epochs"


def test_two_drawings_in_a_notebook_share_no_id(run):
    ids = [set(re.findall(r' id="([^"]+)"', run.history.plot(*columns)._repr_html_())) for columns in ((), ("val/f1",))]
    assert ids[0]
    assert ids[1]
    assert not ids[0] & ids[1]


def test_a_figure_that_was_not_measured_is_named_with_those_that_were(run):
    with pytest.raises(UserError, match=r"history has no 'val/acuracy'; measured are train/loss, .*did you mean"):
        run.history.plot("val/acuracy")


def test_the_history_is_a_row_an_epoch(run):
    assert len(run.history) == len(run.history.frame) == 3
    assert run.history[-1]["epoch"] == 2
    assert run.history.frame["val/accuracy"].iloc[-1] == run.metrics[-1]["val/accuracy"]


def test_predictions_are_a_frame_whose_labels_are_text(tested):
    frame = tested.predictions
    assert frame.columns[:4].tolist() == ["path", "label", "prediction", "probability of 0"]
    assert set(frame["label"]) == set("0123456789")
    assert (frame["label"] == frame["prediction"]).mean() == pytest.approx(tested.results["test/accuracy"])


def test_predictions_of_a_run_that_was_not_tested_are_refused(untested_run):
    run = package.TrainedRun(untested_run)
    with pytest.raises(UserError, match=r"has no predictions.csv; run.test\(\) writes it"):
        _ = run.predictions
    with pytest.raises(UserError, match=r"has no predictions.csv; run.test\(\)"):
        run.mistakes()


def test_without_pandas_a_frame_says_what_to_install(tested, monkeypatch):
    monkeypatch.setitem(sys.modules, "pandas", None)
    with pytest.raises(UserError, match="pip install pandas"):
        _ = tested.predictions


def test_mistakes_come_with_their_pixels_the_most_confident_first(tested):
    frame = tested.predictions.query("label != prediction")
    mistakes = tested.mistakes(4)
    assert len(mistakes) == 4
    shares = [float(picture.caption.split("(")[1].rstrip("%)")) for picture in mistakes]
    assert shares == sorted(shares, reverse=True)
    assert {picture.name for picture in mistakes} <= set(frame["path"])
    number = int(mistakes[0].name.split()[1])
    assert (mistakes[0].pixels == package.create_dataset("digits", ".", "test")[number][0]).all()


def test_the_report_is_a_path_that_shows_itself_when_it_is_called(run):
    assert run.report == run.path / "report.html"
    assert run.report.read_text(encoding="utf-8").startswith("<!doctype html>")
    shown = run.report(height=300)._repr_html_()
    assert shown.startswith('<iframe srcdoc="&lt;!doctype html&gt;')
    assert "height: 300px" in shown


def test_data_shows_images_of_a_split_and_what_training_makes_of_them():
    data = package.ImageDataModule("digits", augmentation="crop")
    assert len(data.show("val", count=3)) == 3
    captions = [picture.caption for picture in data.show(count=2, views=2)]
    assert captions[1] == f"{captions[0]}, epoch 1"
    assert captions[2] == f"{captions[0]}, epoch 2"
    assert len(captions) == 6


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"split": "valid"}, "split is 'valid'; allowed are train, val, test"),
        ({"count": 0}, "count is 0; allowed is 1 or more"),
        ({"views": -1}, "views is -1; allowed is 0 or more"),
    ],
)
def test_what_cannot_be_shown_is_refused(arguments, message):
    with pytest.raises(UserError, match=message):
        package.ImageDataModule("digits").show(**arguments)


def test_photographs_among_the_mistakes_are_the_files(zoo, tmp_path):
    write_photos(tmp_path / "photos", ("ant", "bee"), 128, 0)
    assert zoo("fit", *FIT_PHOTOS, "--data.root", tmp_path / "photos", "--quiet")[0] == 0
    run = package.TrainedRun(tmp_path / "runs" / "folder-lenet5" / "version_0")
    run.test()
    [mistake, *_] = run.mistakes()
    pixels = np.asarray(Image.open(tmp_path / "photos" / mistake.name))
    assert (mistake.pixels == pixels).all()
    (tmp_path / "photos").rename(tmp_path / "moved")
    assert run.mistakes(root=tmp_path / "moved")[0].name == mistake.name


def test_importing_zoo_imports_no_pandas():
    code = "import sys, zoo, zoo.api; sys.exit('pandas' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0
