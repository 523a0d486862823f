"""zoo info shows a network's layers for the images that its options describe."""

from __future__ import annotations

import re

import pytest
from support import error_of, write_photos


def rows(out):
    """Return the cells of the table of layers, a list a row."""
    table = out[out.index("layers, for") :]
    return [[cell.strip() for cell in line.split("│")[1:-1]] for line in table.splitlines() if line.startswith("│")]


def test_layers_are_shown_for_the_classes_channels_and_size_that_are_asked_for(zoo):
    status, out, err = zoo("info", "lenet5", "--classes", 7, "--channels", 1, "--image_size", "28,32")
    assert (status, err) == (0, "")
    assert "layers, for 7 classes of 28x32x1 images" in out
    assert rows(out)[0][1:4] == ["c1.0", "Conv2d", "6x28x32"]
    assert rows(out)[-2][1:4] == ["output.1", "Linear", "7"]


def test_pooling_activation_and_dropout_are_rows_without_a_number(zoo):
    table = rows(zoo("info", "lenet5", "--classes", 10, "--image_size", 28)[1])
    assert [row[2] for row in table if row[0]] == ["Conv2d", "Conv2d", "Linear", "Linear", "Linear"]
    assert [row[0] for row in table if row[0]] == ["1", "2", "3", "4", "5"]
    between = [row for row in table[:-1] if not row[0]]
    assert {row[2] for row in between} == {"ReLU", "AvgPool2d", "Flatten", "Dropout"}
    assert {row[4] for row in between} == {""}


def test_hyperparameters_are_those_of_the_network_shown(zoo):
    size = ("--classes", 10, "--channels", 1, "--image_size", 28)
    status, out, err = zoo("info", "lenet5", *size, "--model.architecture.variant", "1998")
    assert (status, err) == (0, "")
    assert "Subsampling" in {row[2] for row in rows(out)}
    assert "did you mean '--model.architecture.variant'" in error_of(
        zoo("info", "lenet5", *size, "--model.architecture.varian", "1998")
    )


def test_a_config_file_names_the_network_and_its_data(zoo, tmp_path):
    config = "model: {architecture: {name: cnn}}\ndata: {dataset: digits, image_size: 32}\n"
    (tmp_path / "config.yaml").write_text(config)
    status, out, err = zoo("info", "--config", "config.yaml")
    assert (status, err) == (0, "")
    assert out.startswith("architecture cnn, ")
    assert "layers, for 10 classes of 32x32x1 images" in out


def test_freeze_without_a_number_lists_what_can_be_frozen(zoo):
    _, out, _ = zoo("info", "lenet5", "--data", "digits", "--freeze")
    lines = out[out.index("'--model.freeze N'") :].splitlines()[1:]
    assert [line.split() for line in lines] == [["1", "c1.0"], ["2", "c3.0"], ["3", "c5.1"], ["4", "f6.0"]]


@pytest.mark.parametrize(
    ("line", "message"),
    [
        ("info", "which name? zoo info NAME, or zoo info --config FILE"),
        ("info lenet5 --clases 3", "unknown option --clases of 'zoo info'; did you mean '--classes'"),
        ("info lenet5 --classes 0", "--classes is 0 and --channels None; allowed is 1 or more"),
        ("info lenet5 --image_size x", "data.image_size is 'x'; allowed is N or H,W in pixels"),
        ("info lenet5 --freeze 5", "this network has 5 layers, allowed is 1 to 4"),
        ("info lenet5 --plot a.png", "--plot draws the samples of a data set; 'lenet5' is an architecture"),
    ],
)
def test_what_cannot_be_shown_is_an_error(zoo, line, message):
    assert message in error_of(zoo(*line.split()))


def test_samples_of_a_table_are_drawn_with_its_own_options(zoo, tmp_path):
    photos = tmp_path / "photos"
    write_photos(photos, ("ant", "wasp"), 100, 60)
    lines = [f"{path.relative_to(photos)},{path.parent.name}" for path in photos.glob("*/*.png")]
    (tmp_path / "labels.csv").write_text("\n".join(["path,label", *lines]))
    command = ("info", "table", "--plot", "a.png", "--data.root", photos)
    status, out, err = zoo(*command, "--data.dataset.path", "labels.csv")
    assert status == 0, err
    assert "wasp" in out
    assert (tmp_path / "a.png").stat().st_size > 1000
    assert "arguments are required: data.dataset.path" in error_of(zoo(*command))


def test_a_command_is_described(zoo):
    assert re.match(r"command fit, from zoo-classifiers .* \(zoo fit\)\n\nTrain a new run", zoo("info", "fit")[1])


@pytest.mark.parametrize("name", ["airbench", "cnn", "lenet5", "vgg11_bn"])
def test_every_kind_of_built_in_network_is_described(zoo, name):
    status, out, err = zoo("info", name, "--classes", 10, "--image_size", 32)
    assert (status, err) == (0, "")
    assert rows(out)[-1][1] == "all"
