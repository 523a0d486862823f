"""What a classifier gives in Python, and how a notebook shows it."""

from __future__ import annotations

import json
import shutil
from xml.etree import ElementTree

import numpy as np
import pytest
from PIL import Image
from sklearn.datasets import load_digits

import zoo as package
from zoo.core.errors import ImageError, UserError
from zoo.models.prediction import PredictionTable
from zoo.runtime import UnlikeTrainingImages

#: The picture of most tests is no digit.
pytestmark = pytest.mark.filterwarnings("ignore::zoo.runtime.UnlikeTrainingImages")


@pytest.fixture(scope="module")
def classifier(digits_run):
    return package.load(digits_run)


@pytest.fixture
def picture(tmp_path):
    path = tmp_path / "<seven> & co.png"
    Image.radial_gradient("L").resize((20, 30)).save(path)
    return path


def cells(html):
    """Return the words of the one table of a text of HTML, row by row."""
    return [[cell.text or "" for cell in row] for row in ElementTree.fromstring(f"<div>{html}</div>").find("table")]


def test_predictions_are_those_of_the_command(zoo, classifier, digits_run, picture):
    zoo("predict", digits_run, picture, "--output", "guesses.json", "--top_k", 3)
    [row] = json.loads((picture.parent / "guesses.json").read_text())
    [guesses] = classifier.predict(picture, top_k=3)
    assert [(guess["class"], guess["probability"]) for guess in row["predictions"]] == guesses


def test_a_file_a_folder_an_image_and_arrays_of_the_same_pixels_are_the_same(classifier, picture):
    image = Image.open(picture)
    pixels = np.asarray(image)
    expected = classifier.predict(picture)[0]
    assert len(expected) == 5
    for one in (str(picture), picture.parent, image, pixels, pixels[..., None]):
        assert list(classifier.predict(one)) == [expected]
    several = classifier.predict([picture, image, pixels])
    assert several.titles == [str(picture), "image 1", "image 2"]
    assert np.allclose([[value for _, value in pairs] for pairs in several], [value for _, value in expected])
    assert len(classifier.predict(np.stack([pixels[..., None]] * 40), top_k=99)) == 40


def test_an_image_unlike_the_training_images_is_a_warning(classifier):
    white, digit = Image.new("L", (20, 30), 255), np.uint8(load_digits().images[17] * 255 / 16)
    with pytest.warns(UnlikeTrainingImages) as caught:
        classifier.predict([digit, white, white])
    texts = [str(warning.message) for warning in caught]
    for number in (1, 2):
        assert any(text.startswith(f"image {number}: much brighter than the images trained on") for text in texts), (
            texts
        )
    assert not any(text.startswith("image 0") for text in texts)
    assert {warning.filename for warning in caught} == {__file__}


def test_sizes_are_compared_as_the_images_are_before_scaling(classifier):
    with pytest.warns(UnlikeTrainingImages, match=r"much smaller .*\(2x30 pixels"):
        classifier.predict(np.asarray(Image.radial_gradient("L").resize((2, 30))))


def test_predicting_leaves_a_network_in_training_as_it_is(digits_run, picture):
    classifier = package.load(digits_run).train()
    classifier.predict(picture)
    assert classifier.training
    assert classifier.network.training


@pytest.mark.parametrize(
    ("image", "message"),
    [
        (np.zeros((8, 8, 3), np.uint8), r"image 0 is uint8 \(8, 8, 3\); allowed are .* \(height, width, 1\)"),
        (np.zeros((8, 8)), "image 0 is float64"),
        ([np.zeros((0, 8), np.uint8)], "image 0 is uint8 "),
        (np.zeros(8, np.uint8), "image 0 is uint8 "),
        ("gone.png", "gone.png: no such file or folder"),
    ],
)
def test_what_is_no_picture_is_named(classifier, image, message):
    with pytest.raises((UserError, ImageError), match=message):
        classifier.predict(image)


def test_predictions_are_a_table_in_a_notebook_and_text_elsewhere():
    found = PredictionTable(["<b>.png", "c.png"], [[("cat & dog", 0.75), ("ant", 0.25)], [("ant", 1.0)]])
    rows = [["image", "class", "probability"], ["<b>.png", "cat & dog", "75.00%"]]
    rows += [["", "ant", "25.00%"], ["c.png", "ant", "100.00%"]]
    assert cells(found._repr_html_()) == rows
    lines = repr(found).splitlines()
    assert [line.split() for line in lines[2:]] == [["ant", "25.00%"], ["c.png", "ant", "100.00%"]]
    assert len(set(map(len, lines))) == 1


def test_a_notebook_shows_what_a_classifier_is(digits_run, tmp_path):
    run = tmp_path / "my runs" / "version_0"
    shutil.copytree(digits_run, run)
    (run / "report.html").unlink()
    (run / "results.json").write_text('{"test/accuracy": 0.9625}')
    html = package.load(run)._repr_html_()
    shown = dict(cells(html))
    assert float(shown.pop("best val accuracy").removesuffix("%")) > 50
    assert shown == {
        "architecture": "lenet5",
        "data set": "digits",
        "test accuracy": "96.2%",
        "classes": "10: 0, 1, 2, 3, 4, 5, 6, 7, 8, 9",
        "images": "8x8x1",
        "parameters": "21,386",
    }
    assert "<a" not in html
    (run / "report.html").touch()
    assert (
        'my%20runs/version_0/report.html">report</a>' in package.load(run / "checkpoints" / "last.ckpt")._repr_html_()
    )


def test_a_checkpoint_away_from_its_run_shows_itself(digits_run, tmp_path):
    path = shutil.copy(digits_run / "checkpoints" / "best.ckpt", tmp_path)
    classifier = package.load(path)
    assert classifier.run is None
    assert [row[0] for row in cells(classifier._repr_html_())] == ["architecture", "classes", "images", "parameters"]
