"""Run folders and metrics.csv."""

from __future__ import annotations

import csv

import pytest

from zoo.core.errors import CheckpointError, UserError
from zoo.runs.files import write_atomically
from zoo.runs.folder import Run
from zoo.runs.metrics import MetricsTable


def rows(path):
    with path.open(newline="") as file:
        return list(csv.DictReader(file))


def test_versions_count_up_from_the_highest(tmp_path):
    assert Run.create(tmp_path, "mnist", "lenet5").path == tmp_path / "mnist-lenet5" / "version_0"
    (tmp_path / "mnist-lenet5" / "version_7").mkdir()
    (tmp_path / "mnist-lenet5" / "version_x").mkdir()
    assert Run.create(tmp_path, "mnist", "lenet5").path.name == "version_8"


def test_a_name_of_a_family_makes_no_deeper_folder(tmp_path):
    assert Run.create(tmp_path, "hf/beans", "a:timm/resnet18").path.parent == tmp_path / "hf-beans-a-timm-resnet18"


def test_a_place_that_cannot_be_written_is_named(tmp_path):
    (tmp_path / "file").write_text("")
    with pytest.raises(UserError, match=r"a run folder cannot be made in .*Not a directory"):
        Run.create(tmp_path / "file", "mnist", "lenet5")


def test_a_folder_without_config_is_no_run(tmp_path):
    with pytest.raises(UserError, match=r"is not a run folder: it has no config\.yaml"):
        Run.open(tmp_path)
    with pytest.raises(UserError, match="is not a run folder: it does not exist"):
        Run.open(tmp_path / "nothing")


def test_discarding_a_run_removes_nothing_it_did_not_make(tmp_path):
    run = Run.create(tmp_path, "a", "b")
    run.config.touch()
    run.discard()
    assert not run.path.exists()
    run = Run.create(tmp_path, "a", "b")
    run.last.touch()
    run.discard()
    assert run.last.exists()


def test_the_best_checkpoint_is_used_before_the_last(tmp_path):
    run = Run.create(tmp_path, "a", "b")
    with pytest.raises(CheckpointError, match="has no checkpoint"):
        run.trained()
    run.last.touch()
    assert run.trained() == run.last
    run.best.touch()
    assert run.trained() == run.best


def test_a_new_column_keeps_the_rows_before_it(tmp_path):
    table = MetricsTable(tmp_path / "metrics.csv", None)
    table.append({"epoch": 0, "step": 10, "a": 0.5})
    table.append({"epoch": 0, "step": 20, "a": 0.25})
    table.append({"epoch": 1, "step": 30, "b": 1.0})
    assert rows(tmp_path / "metrics.csv") == [
        {"epoch": "0", "step": "10", "a": "0.5", "b": ""},
        {"epoch": "0", "step": "20", "a": "0.25", "b": ""},
        {"epoch": "1", "step": "30", "a": "", "b": "1.0"},
    ]


def test_resuming_drops_later_and_half_rows(tmp_path):
    path = tmp_path / "metrics.csv"
    path.write_text("epoch,step,a\n0,10,0.5\n0,20,0.25\n1,30,0.125\n1,4")
    table = MetricsTable(path, 20)
    table.append({"epoch": 1, "step": 30, "a": 1})
    assert [(row["step"], row["a"]) for row in rows(path)] == [("10", "0.5"), ("20", "0.25"), ("30", "1")]


def test_an_atomic_write_that_fails_leaves_the_old_file(tmp_path, monkeypatch):
    path = tmp_path / "results.json"
    write_atomically(path, "old")

    def fail(fd):
        raise KeyboardInterrupt

    monkeypatch.setattr("os.fsync", fail)
    with pytest.raises(KeyboardInterrupt):
        write_atomically(path, "new")
    assert path.read_text() == "old"


def test_a_name_that_no_file_can_have_is_no_run():
    with pytest.raises(UserError, match="is not a run folder: it does not exist"):
        Run.open("x" * 300)
