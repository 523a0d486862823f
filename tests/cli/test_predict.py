"""zoo predict with many images: rows, errors, what can name images, and going on after an interruption."""

from __future__ import annotations

import csv
import io
import json
import os
import re
import signal
import sys
import time

import numpy as np
import pytest
from PIL import Image
from sklearn.datasets import load_digits
from support import error_of

from zoo.cli import prediction_progress
from zoo.cli.prediction_progress import PredictionProgress
from zoo.core.whole_file import hold

#: Images that take some seconds.
MANY = 20_000


@pytest.fixture
def images(tmp_path):
    """A folder of 24 grey images, of which 07.png and 20.png are damaged."""
    folder = tmp_path / "images"
    folder.mkdir()
    random = np.random.default_rng(0)
    for number in range(24):
        Image.fromarray(random.integers(0, 256, (9, 7 + number % 3), np.uint8)).save(folder / f"{number:02}.png")
    for number in (7, 20):
        (folder / f"{number:02}.png").write_bytes(b"damaged")
    return folder


def rows_of(path):
    with open(path, newline="") as file:
        return list(csv.DictReader(file))


def test_a_damaged_image_is_a_row_with_its_error_and_the_status_is_1(zoo, digits_model, images, tmp_path):
    status, out, err = zoo("predict", digits_model, "images", "--output", "out.csv")
    rows = rows_of("out.csv")
    assert status == 1
    assert [row["file"] for row in rows] == [f"images/{number:02}.png" for number in range(24)]
    assert [row["file"] for row in rows if row["error"]] == ["images/07.png", "images/20.png"]
    assert all(bool(row["class"]) != bool(row["error"]) for row in rows)
    assert "error: 2 of 24 images could not be read, the first: images/07.png: not a readable image (7 bytes)" in err
    assert out == ""
    assert not (tmp_path / "out.csv.part").exists()


def test_strict_stops_at_a_damaged_image_and_the_rows_before_it_stay(zoo, digits_model, images, tmp_path):
    result = zoo("predict", digits_model, "images", "--output", "out.csv", "--strict")
    assert "images/07.png: not a readable image" in error_of(result)
    assert "out.csv.part holds 7 rows; the same command with --resume goes on" in result[2]
    assert not (tmp_path / "out.csv").exists()


@pytest.mark.parametrize("suffix", ["csv", "json", "jsonl"])
def test_a_resumed_file_is_the_file_of_one_command(zoo, digits_model, images, tmp_path, suffix):
    zoo("predict", digits_model, "images", "--output", f"whole.{suffix}")
    zoo("predict", digits_model, "images", "--output", f"out.{suffix}", "--strict")
    with (tmp_path / f"out.{suffix}.part").open("ab") as part:
        part.write({"csv": b"images/07", "jsonl": b'{"file": "ima', "json": b',\n{"file": "ima'}[suffix])  # cut off
    status, _, err = zoo("predict", digits_model, "images", "--output", f"out.{suffix}", "--resume")
    assert status == 1
    assert f"7 rows are in out.{suffix}.part; 17 images are left" in err
    assert same_but_for_rounding((tmp_path / f"out.{suffix}").read_text(), (tmp_path / f"whole.{suffix}").read_text())


def same_but_for_rounding(first, second):
    """Compare texts whose numbers may differ in their last digits: batches of other sizes round otherwise."""
    words = [text.replace(",", " ").replace("}", " ").split() for text in (first, second)]
    return len(words[0]) == len(words[1]) and all(
        a == b or abs(float(a) - float(b)) < 1e-5 for a, b in zip(*words, strict=True)
    )


def test_the_errors_before_an_interruption_count_as_well(zoo, digits_model, images, tmp_path):
    zoo("predict", digits_model, "images", "--output", "out.csv")
    lines = (tmp_path / "out.csv").read_bytes().splitlines(keepends=True)
    (tmp_path / "out.csv.part").write_bytes(b"".join(lines[:10]))
    status, _, err = zoo("predict", digits_model, "images", "--output", "out.csv", "--resume")
    assert status == 1
    assert "error: 2 of 24 images could not be read" in err


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (("--top_k", 3), "was written with other classes or options (--top_k, --all)"),
        (("--all",), "was written with other classes or options (--top_k, --all)"),
        (("--invert",), "give network and options of the interrupted command"),
    ],
)
def test_rows_of_other_options_are_kept_and_not_resumed(zoo, digits_model, images, tmp_path, words, message):
    zoo("predict", digits_model, "images", "--output", "out.csv", "--strict", "--top_k", 1)
    changed = zoo("predict", digits_model, "images", "--output", "out.csv", "--resume", "--top_k", 1, *words)
    assert message in error_of(changed)
    assert len((tmp_path / "out.csv.part").read_text().splitlines()) == 8


def test_without_resume_rows_of_an_interrupted_command_are_overwritten_and_a_line_says_so(zoo, digits_model, images):
    zoo("predict", digits_model, "images", "--output", "out.csv", "--strict")
    status, _, err = zoo("predict", digits_model, "images/00.png", "--output", "out.csv")
    assert status == 0
    assert "out.csv.part of an interrupted command is overwritten; --resume would go on with it" in err
    assert len(rows_of("out.csv")) == 1


def test_a_file_of_rows_that_another_process_writes_is_left_to_it(zoo, digits_model, images, tmp_path):
    with (tmp_path / "out.csv.part").open("wb") as part:
        hold(part)
        part.write(b"rows of the other")
        part.flush()
        line = error_of(zoo("predict", digits_model, "images", "--output", "out.csv"))
    assert f"process {os.getpid()} writes out.csv.part; wait for it, or name another --output" in line
    assert (tmp_path / "out.csv.part").read_bytes() == b"rows of the other"


def test_a_stopped_command_leaves_whole_rows_and_goes_on(zoo, zoo_process, digits_model, images, tmp_path):
    for name in ("07.png", "20.png"):
        (images / name).unlink()
    for number in range(MANY):  # more than are read before the signal comes
        os.link(images / "00.png", images / f"more{number:05}.png")
    process = zoo_process("predict", digits_model, "images", "--output", "out.jsonl")
    part = tmp_path / "out.jsonl.part"
    while process.poll() is None and not (part.exists() and part.read_text()):
        time.sleep(0.05)
    process.send_signal(signal.SIGINT)
    _, err = process.communicate(timeout=30)
    assert process.returncode == 130
    assert "the same command with --resume goes on" in err
    assert not (tmp_path / "out.jsonl").exists()
    assert all(json.loads(line)["predictions"] for line in part.read_text().splitlines())
    assert zoo("predict", digits_model, "images", "--output", "out.jsonl", "--resume")[0] == 0
    assert len((tmp_path / "out.jsonl").read_text().splitlines()) == 22 + MANY


def test_a_run_and_its_exported_file_write_the_same_rows(zoo, digits_run, digits_model, images, tmp_path):
    for name, model in (("run", digits_run), ("file", digits_model)):
        zoo("predict", model, "images", "--output", f"{name}.csv", "--quiet")
    assert same_but_for_rounding((tmp_path / "run.csv").read_text(), (tmp_path / "file.csv").read_text())


def test_an_image_unlike_the_training_images_has_a_warning_and_like_ones_have_none(zoo, digits_model, tmp_path):
    digit = np.rint(load_digits().images[0] * 255 / 16).astype(np.uint8)
    for name, pixels in (("like", digit), ("negative", 255 - digit)):
        Image.fromarray(pixels).save(tmp_path / f"{name}.png")
    status, _, err = zoo("predict", digits_model, "like.png", "negative.png", "--output", "out.csv")
    like, negative = rows_of("out.csv")
    assert (status, like["warning"]) == (0, "")
    assert negative["warning"].endswith("; for dark strokes on a light ground try --invert")
    assert err == f"warning: negative.png: {negative['warning']}\n"
    assert zoo("predict", digits_model, "negative.png", "--invert")[2] == ""


def test_warnings_of_many_images_are_counted_in_one_line(zoo, digits_run, images):
    for name in ("07.png", "20.png"):
        (images / name).unlink()
    _, _, err = zoo("predict", digits_run, "images", "--output", "out.csv")
    assert re.search(r"warning: unlike the training images: \d+, the first: images/\d\d.png: ", err)
    assert len(err.splitlines()) == 2


def test_all_writes_a_column_a_class(zoo, digits_model, images):
    zoo("predict", digits_model, "images/00.png", "--output", "out.csv", "--all", "--top_k", 1)
    [row] = rows_of("out.csv")
    assert list(row) == ["file", "class", "probability", *"0123456789", "warning", "error"]
    assert sum(float(row[name]) for name in "0123456789") == pytest.approx(1, abs=1e-5)
    assert row["probability"] == row[row["class"]]


def test_a_class_below_the_threshold_is_not_named(zoo, digits_model, images, tmp_path):
    zoo("predict", digits_model, "images/00.png", "--output", "out.csv", "--threshold", 1, "--all")
    [row] = rows_of("out.csv")
    assert (row["class"], row["probability"], row["class_10"], row["error"]) == ("", "", "", "")
    assert float(row["3"]) >= 0
    status, out, _ = zoo("predict", digits_model, "images/00.png", "--output", "out.json", "--threshold", 1)
    [row] = json.loads((tmp_path / "out.json").read_text())
    assert (status, row["file"], row["predictions"], "error" in row) == (0, "images/00.png", [], False)
    assert "none reaches the threshold" in out


def test_quiet_prints_errors_alone(zoo, digits_model, images):
    assert zoo("predict", digits_model, "images/00.png", "--output", "out.csv", "--quiet") == (0, "", "")
    status, out, err = zoo("predict", digits_model, "images", "--output", "out.csv", "--quiet")
    assert (status, out, len(err.splitlines())) == (1, "", 1)


def test_a_command_without_a_row_leaves_no_file(zoo, digits_model, images, tmp_path):
    assert zoo("predict", digits_model, "images/07.png", "--output", "out.csv", "--strict")[0] == 2
    assert not list(tmp_path.glob("out.csv*"))


def test_files_of_a_folder_that_are_no_images_are_counted(zoo, digits_model, images):
    (images / "deep").mkdir()
    for name in ("notes.txt", "deep/Thumbs.db", "deep/.hidden.png"):
        (images / name).touch()
    _, _, err = zoo("predict", digits_model, "images", "--output", "out.csv")
    assert err.startswith("images: left out: 1 .db, 1 .txt, 1 hidden\n")
    assert len(rows_of("out.csv")) == 24


def test_of_many_images_without_a_file_a_line_each_is_printed(zoo, digits_model, images):
    status, out, _ = zoo("predict", digits_model, "images")
    lines = [line.split("\t") for line in out.splitlines()]
    assert status == 1
    assert [line[0] for line in lines] == [f"images/{number:02}.png" for number in range(24)]
    assert lines[7][1].startswith("error: images/07.png: not a readable image")
    assert 0 < float(lines[0][2]) <= 1


def test_lists_patterns_and_standard_input_name_images(zoo, digits_model, images, tmp_path, monkeypatch):
    (tmp_path / "list.txt").write_text("images/03.png\n\nimages/gone.png\r\n")
    status, _, _ = zoo("predict", digits_model, "@list.txt", "images/0[01].png", "--output", "out.csv")
    assert status == 1
    rows = rows_of("out.csv")
    assert [row["file"] for row in rows] == [f"images/{name}.png" for name in ("03", "gone", "00", "01")]
    assert rows[1]["error"] == "images/gone.png: no such file"
    stdin = io.TextIOWrapper(io.BytesIO(b"images/05.png\nimages/06.png"))
    monkeypatch.setattr(sys, "stdin", stdin)
    assert zoo("predict", digits_model, "-", "--output", "out.csv", "--quiet")[0] == 0
    assert [row["file"] for row in rows_of("out.csv")] == ["images/05.png", "images/06.png"]


def test_a_picture_at_an_address_is_that_of_the_file(zoo, digits_model, images, server):
    folder, address = server
    picture = folder / "ü 1.png"
    picture.write_bytes((images / "00.png").read_bytes())
    words = ("predict", digits_model, "images/00.png", f"{address}ü 1.png", f"{address}gone.png")
    status, _, _ = zoo(*words, "--output", "out.csv", "--quiet")
    here, there, gone = rows_of("out.csv")
    assert status == 1
    assert here["probability"] == there["probability"]
    assert gone["error"] == f"{address}gone.png: the server answers 404 File not found"


def test_invert_shows_the_network_the_negative(zoo, digits_model, images, tmp_path):
    picture = Image.open(images / "00.png")
    Image.fromarray(255 - np.asarray(picture)).save(tmp_path / "negative.png")
    zoo("predict", digits_model, "negative.png", "--output", "a.csv", "--quiet")
    zoo("predict", digits_model, "images/00.png", "--output", "b.csv", "--quiet", "--invert")
    [a], [b] = rows_of("a.csv"), rows_of("b.csv")
    assert a["class"] == b["class"]
    assert a["probability"] == b["probability"]


@pytest.mark.parametrize(
    ("words", "message"),
    [
        ("--threshold 2", "--threshold is 2; allowed is 0 to 1"),
        ("--quiet", "--quiet without --output and --plot shows nothing"),
        ("--output folder.csv", "--output is 'folder.csv', which is a folder; name a file"),
        ("--resume", "--resume goes on with a file; name it with --output"),
        ("'*.tif'", "no image matches the pattern ''*.tif''"),
        ("@gone.txt", "@gone.txt: the list gone.txt cannot be read: No such file"),
        ("@empty.txt", "empty.txt names no image"),
    ],
)
def test_wrong_options_are_named(zoo, digits_model, images, tmp_path, words, message):
    (tmp_path / "empty.txt").write_text("\n")
    (tmp_path / "folder.csv").mkdir()
    assert message in error_of(zoo("predict", digits_model, "images/00.png", *words.split()))


def test_without_a_terminal_a_line_tells_the_rate_now_and_then(monkeypatch, capsys):
    monkeypatch.setattr(prediction_progress, "LINE_SECONDS", 0)
    with PredictionProgress(1000, 500) as progress:
        progress.advance(1)
    assert "501 of 1,000 images, " in (line := capsys.readouterr().err)
    assert " images/s, " in line
    assert line.endswith(" s left\n")


@pytest.mark.parametrize(
    ("device", "message"),
    [("tpu", "'tpu'; allowed are cpu, cuda and cuda:N"), ("cuda:64", "torch finds"), ("cuda:x", "allowed are cpu")],
)
def test_a_device_that_is_not_there_is_named(zoo, digits_run, images, device, message):
    status, _, err = zoo("predict", digits_run, images, "--device", device)
    assert (status, err.count("\n")) == (2, 1), err
    assert message in err


def test_an_exported_file_never_computes_on_the_cpu_in_place_of_a_gpu(zoo, digits_model, images, monkeypatch):
    status, _, err = zoo("predict", digits_model, images, "--device", "cuda")
    assert (status, err.count("\n")) == (2, 1), err
    assert "provider 'CUDA' is not available; allowed here: " in err

    listed = ["CUDAExecutionProvider", "CPUExecutionProvider"]  # as onnxruntime-gpu says on a machine without a GPU
    monkeypatch.setattr("onnxruntime.get_available_providers", lambda: listed)
    status, _, err = zoo("predict", digits_model, images, "--device", "cuda")
    assert status == 2
    assert "CUDAExecutionProvider cannot start here" in err.splitlines()[-1]
