"""zoo runs lists what was trained, and survives whatever a folder holds."""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
import sys

import pytest
from support import HOLD, error_of

CONFIG = "model:\n  architecture: {{name: {model}}}\ndata:\n  dataset: {{name: {data}}}\ntrainer: {{max_epochs: 3}}\n"
METRICS = "epoch,step,train/loss,val/loss,val/accuracy\n"


@pytest.fixture
def add(tmp_path):
    """Make a run of so many epochs with a best validation accuracy."""

    def make(path, data="digits", model="lenet5", epochs=3, accuracy=0.5):
        run = tmp_path / "runs" / path
        (run / "checkpoints").mkdir(parents=True)
        (run / "config.yaml").write_text(CONFIG.format(data=data, model=model))
        rows = [f"{number},{number + 1},1,1,{accuracy if number == 1 else 0}\n" for number in range(epochs)]
        (run / "metrics.csv").write_text(METRICS + "".join(rows))
        return run

    return make


def listed(out):
    """Return the lines of the table, by column."""
    head, *lines = (line.split() for line in out.splitlines())
    assert head == ["data", "model", "val", "test", "epochs", "date", "state", "device", "size", "path"]
    return [[*line[:5], line[-5], line[-1]] for line in lines]  # the date is two words, or one; the size is two


def test_a_run_that_was_tested_is_listed_with_its_accuracies(zoo, digits_run, tmp_path):
    folder = tmp_path / "elsewhere" / "version_3"
    shutil.copytree(digits_run, folder)
    (folder / "results.json").write_text('{"test/accuracy": 0.975}')
    status, out, err = zoo("runs", "elsewhere")
    assert (status, err) == (0, "")
    [row] = listed(out)
    val = row.pop(2)
    assert row == ["digits", "lenet5", "97.5%", "3/3", "finished", "elsewhere/version_3"]
    assert 50 < float(val.removesuffix("%")) < 100


def test_runs_are_sorted_by_any_column(zoo, add):
    for number, (data, accuracy) in enumerate([("mnist", 0.8), ("digits", 0.9), ("cifar10", 0.7)]):
        run = add(f"{data}/version_{number}", data=data, accuracy=accuracy)
        os.utime(run / "config.yaml", (number * 1e6, number * 1e6))
    order = {key: [row[0] for row in listed(zoo("runs", "--sort", key)[1])] for key in ("data", "val", "date")}
    assert order["data"] == ["cifar10", "digits", "mnist"]
    assert order["val"] == ["digits", "mnist", "cifar10"]
    assert order["date"] == ["cifar10", "digits", "mnist"]
    assert "invalid choice: 'loss'" in error_of(zoo("runs", "--sort", "loss"))


def test_runs_are_sorted_by_the_size_of_their_files(zoo, add, tmp_path):
    for name, size in (("a", 3_000_000), ("b", 20_000_000), ("c", 1000)):
        (add(f"{name}/version_0") / "checkpoints" / "last.ckpt").write_bytes(bytes(size))
    (tmp_path / "runs" / "c" / "version_0" / "photos").symlink_to(tmp_path / "runs" / "b")
    lines = zoo("runs", "--sort", "size")[1].splitlines()[1:]
    assert [line.split()[-3:] for line in lines] == [
        ["20", "MB", "runs/b/version_0"],
        ["3.0", "MB", "runs/a/version_0"],
        ["1.2", "kB", "runs/c/version_0"],
    ]


def test_runs_that_differ_in_seed_or_fold_only_have_a_line_together(zoo, add, tmp_path):
    for number, accuracy in enumerate([0.5, 0.6, 0.7]):
        run = add(f"seeds_0/seed_{number}", accuracy=accuracy)
        run.joinpath("config.yaml").write_text(run.joinpath("config.yaml").read_text() + f"seed_everything: {number}\n")
    add("other/version_0", model="vgg16")
    status, out, _ = zoo("runs", "--output", "runs.json")
    assert status == 0
    *_, title, head, line = out.splitlines()
    assert title == "runs that differ in seed or fold only, mean ± standard deviation:"
    assert head.split() == ["data", "model", "val", "test", "runs", "path"]
    cells = ["digits", "lenet5", "60.0% ± 10.0%", "-", "3 runs: seeds 0, 1, 2", "runs/seeds_0"]
    assert re.split(r" {2,}", line) == cells
    rows = json.loads((tmp_path / "runs.json").read_text())
    assert {(row["seed"], row["recipe"] == rows[0]["recipe"]) for row in rows if row["model"] == "lenet5"} == {
        (seed, rows[0]["model"] == "lenet5") for seed in (0, 1, 2)
    }


def test_repetitions_of_one_seed_are_no_group(zoo, add):
    add("version_0")
    add("version_1")
    assert "differ in seed" not in zoo("runs")[1]


def test_version_9_comes_before_version_10(zoo, add):
    for number in (10, 9):
        add(f"version_{number}")
    assert [row[-1] for row in listed(zoo("runs", "--sort", "path")[1])] == ["runs/version_9", "runs/version_10"]


@pytest.mark.parametrize("text", ["mnist", "MNIST", "*/version_1", "vgg1?"])
def test_a_filter_is_a_text_or_a_pattern(zoo, add, text):
    add("a/version_0")
    add("b/version_1", data="mnist", model="vgg16")
    assert [row[-1] for row in listed(zoo("runs", "--filter", text)[1])] == ["runs/b/version_1"]


def test_json_holds_what_is_shown(zoo, add, tmp_path):
    add("version_0", epochs=2, accuracy=0.25)
    assert zoo("runs", "--output", "runs.json")[0] == 0
    [row] = json.loads((tmp_path / "runs.json").read_text())
    assert row.pop("date")
    nothing = {"test": None, "state": None, "device": None, "note": None}
    assert row.pop("size") == sum(path.stat().st_size for path in (tmp_path / "runs").rglob("*") if path.is_file())
    assert row.pop("recipe")
    nothing |= {"seed": None, "fold": None}
    known = {"path": "runs/version_0", "data": "digits", "model": "lenet5", "val": 0.25, "epochs": 2, "max_epochs": 3}
    assert row == known | nothing


def test_a_run_in_training_is_running_and_after_a_kill_interrupted(zoo, add):
    run = add("version_0", epochs=1)
    words = [sys.executable, "-c", HOLD, str(run)]
    with subprocess.Popen(words, stdin=subprocess.PIPE, stdout=subprocess.PIPE) as process:
        process.stdout.readline()
        assert listed(zoo("runs")[1])[0][-2] == "running"
        process.kill()
    assert listed(zoo("runs")[1])[0][-2] == "interrupted"


@pytest.mark.parametrize(
    ("file", "content"),
    [
        ("config.yaml", b"model: ["),
        ("config.yaml", b"\xff\xfe"),
        ("config.yaml", b"trainer: {max_epochs: 3}"),
        ("config.yaml", None),
        ("metrics.csv", b"epoch,train/loss\n\x00,1\n"),
        ("metrics.csv", b"epoch,train/loss,val/accuracy\n0,1,high\n"),
        ("state.json", b"{"),
        ("results.json", b"[1]"),
        ("results.json", b"{}"),
    ],
)
def test_a_damaged_run_is_listed_with_what_is_wrong(zoo, add, file, content):
    run = add("version_0")
    add("version_1")
    (run / file).unlink(missing_ok=True)
    if content is not None:
        (run / file).write_bytes(content)
    status, out, err = zoo("runs", "--sort", "path")
    assert status == 0
    assert [row[-2:] for row in listed(out)] == [["damaged", "runs/version_0"], ["finished", "runs/version_1"]]
    [line] = err.splitlines()
    assert line.startswith("warning: runs/version_0: ")
    assert file.partition(".")[0] in line


def test_where_no_run_is_that_is_said(zoo, add, tmp_path):
    assert "there is no folder runs" in error_of(zoo("runs"))
    (tmp_path / "empty").mkdir()
    assert "no run in empty" in error_of(zoo("runs", "empty"))
    add("version_0")
    assert "no run of 1 in runs matches 'x'" in error_of(zoo("runs", "--filter", "x"))
    assert "names that end in .json" in error_of(zoo("runs", "--output", "runs.csv"))
    assert "there is no folder no; make it first" in error_of(zoo("runs", "--output", "no/runs.json"))
