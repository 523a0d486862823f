"""Pictures of guesses and of samples: complete files, any class name, sizes that stay within reason."""

from __future__ import annotations

import io
import json

import numpy as np
import pytest
from PIL import Image

from zoo.reports.plots import ClassRow, draw_predictions, draw_samples, shrink


def test_guesses_are_drawn_beside_their_image(tmp_path):
    images = [np.zeros((40, 60, 3), np.uint8), np.full((3000, 20, 1), 200, np.uint8)]
    guesses = [[("$a_1$ & <b>", 0.75), ("x" * 60, 0.25)], [(f"class {number}", 0.1) for number in range(10)]]
    seen = [np.full((32, 32, 3), 90, np.uint8), np.full((8, 8, 1), 0, np.uint8)]
    draw_predictions(tmp_path / "guesses.png", ["a.png", "b_$.png"], images, seen, guesses)
    with Image.open(tmp_path / "guesses.png") as picture:
        assert picture.size == (1200, 684)
        colours = picture.convert("RGB").getcolors(1 << 20)
    assert colours is not None
    assert (31, 119, 180) in [colour for _, colour in colours]  # the bars
    assert (90, 90, 90) in [colour for _, colour in colours]  # what the network sees of the first


@pytest.mark.parametrize(("suffix", "start"), [("svg", b"<?xml"), ("pdf", b"%PDF"), ("PNG", b"\x89PNG")])
def test_a_picture_is_of_the_kind_its_name_says(tmp_path, suffix, start):
    rows = [ClassRow("dots", "1 train", [np.zeros((8, 8, 1), np.uint8)] * 3), ClassRow("none", "0 train", [])]
    draw_samples(tmp_path / f"grid.{suffix}", "a title", rows)
    assert (tmp_path / f"grid.{suffix}").read_bytes().startswith(start)


def test_info_draws_samples_and_counts_them(zoo, tmp_path):
    status, out, err = zoo("info", "digits", "--plot", "grid.png")
    assert status == 0, err
    assert "images of 8x8x1" in out
    assert [line.split()[1:-1:2] for line in out.splitlines() if line.startswith("│ all")] == [["all", "1,438", "359"]]
    with Image.open(io.BytesIO((tmp_path / "grid.png").read_bytes())) as picture:
        assert picture.size == (1056, 1152)


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (
            ("info", "digits", "--plot", "grid.txt"),
            "--plot is 'grid.txt'; allowed are names that end in .png, .svg, .pdf",
        ),
        (("info", "digits", "--plot", "no/grid.png"), "there is no folder no; make it first"),
        (("info", "lenet5", "--plot", "grid.png"), "'lenet5' is an architecture"),
    ],
)
def test_what_cannot_be_drawn_is_an_error(zoo, tmp_path, words, message):
    status, _, err = zoo(*words)
    assert status == 2
    assert message in err
    assert not (tmp_path / "grid.png").exists()


def test_of_many_images_the_first_are_drawn_and_a_line_says_so(zoo, tmp_path, digits_run):
    (tmp_path / "images").mkdir()
    for number in range(22):
        Image.new("L", (8, 8)).save(tmp_path / "images" / f"{number:02}.png")
    status, out, err = zoo("predict", digits_run, "images", "--plot", "guesses.png")
    assert status == 0, err
    assert "--plot draws the first 20 of 22 images" in err
    assert len(out.splitlines()) == 22
    with Image.open(tmp_path / "guesses.png") as picture:
        assert picture.height == round(120 * (0.3 + 20 * 2.8))


def test_names_that_are_no_utf_8_are_drawn_and_written(zoo, tmp_path, digits_run):
    name = b"n\xff.png".decode("utf-8", "surrogateescape")
    Image.new("L", (8, 8)).save(tmp_path / name)
    status, _, err = zoo("predict", digits_run, name, "--plot", "guesses.png", "--output", "guesses.json")
    assert status == 0, err
    assert json.loads((tmp_path / "guesses.json").read_text())[0]["file"] == name


def test_more_bars_than_can_be_read_are_left_out(tmp_path):
    image = np.zeros((8, 8, 1), np.uint8)
    draw_predictions(tmp_path / "many.png", ["a"], [image], [image], [[(str(number), 0.001) for number in range(1000)]])
    with Image.open(tmp_path / "many.png") as picture:
        assert picture.height < 1000


def test_large_images_are_drawn_from_fewer_pixels():
    assert shrink(np.zeros((4000, 3000, 3), np.uint8)).shape == (500, 375, 3)
    assert shrink(np.zeros((512, 20, 1), np.uint8)).shape == (512, 20, 1)
