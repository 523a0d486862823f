"""Checkpoints are written completely or not at all, under keys that later versions read."""

from __future__ import annotations

import errno
from pathlib import Path

import pytest
import torch

from zoo.core.errors import RunError
from zoo.runs.folder import Run
from zoo.runs.metrics import History
from zoo.training.checkpoints import AtomicCheckpointIO


def test_a_failed_save_leaves_the_old_checkpoint_and_no_other_file(tmp_path, monkeypatch):
    path = tmp_path / "last.ckpt"
    AtomicCheckpointIO().save_checkpoint({"state_dict": {}, "hyper_parameters": {}}, path)
    before = path.read_bytes()

    def full(fd):
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr("os.fsync", full)
    with pytest.raises(RunError, match=r"last\.ckpt cannot be written: No space left .*; the checkpoint bef"):
        AtomicCheckpointIO().save_checkpoint({"state_dict": {"a": torch.zeros(9)}, "hyper_parameters": {}}, path)
    assert path.read_bytes() == before
    assert [entry.name for entry in tmp_path.iterdir()] == ["last.ckpt"]


def test_the_states_of_callbacks_keep_the_names_that_runs_of_earlier_versions_have(zoo):
    status, out, err = zoo("fit", "--early_stopping", 3, "--model.ema", 0.9, "--trainer.max_epochs", 1)
    assert status == 0, err
    saved = torch.load(f"{out.splitlines()[-1]}/checkpoints/last.ckpt", weights_only=True)
    early_stopping = "NoProgress{'monitor': 'val/accuracy', 'mode': 'max'}"
    assert saved["callbacks"].keys() == {"RunCheckpoints", "TrainingFigures", "MovingAverage", early_stopping}


def test_a_validation_inside_an_epoch_can_be_the_best(zoo):
    status, out, err = zoo("fit", "--trainer.max_steps", 30, "--trainer.val_check_interval", 0.5)
    assert status == 0, err
    run = Run(Path(out.splitlines()[-1]))
    saved = {path: torch.load(path, weights_only=True)["global_step"] for path in (run.best, run.last)}
    assert saved == {run.best: 20, run.last: 30}
    [row] = History.of(run).validations
    assert (row["step"], row["val/accuracy"]) == (20, History.of(run).epochs[0]["val/accuracy"])
    assert "0.49 epochs  val loss" in out
    assert "of step 20: " in err


@pytest.mark.parametrize(("monitor", "better"), [("val/loss", min), ("val/f1", max), ("val/top5_accuracy", max)])
def test_the_figure_that_chooses_the_best_checkpoint_can_be_chosen(zoo, monitor, better):
    sign = 1 if better is min else -1  # of equal values the lower loss
    status, out, err = zoo("fit", "--monitor", monitor, "--trainer.max_epochs", 3, "--optimizer.lr", 0.02)
    assert status == 0, err
    run = Run(Path(out.splitlines()[-1]))
    best = better(History.of(run).epochs, key=lambda row: (row[monitor], sign * row["val/loss"]))
    assert torch.load(run.best, weights_only=True)["epoch"] == best["epoch"]
    assert f"best {monitor.replace('/', ' ').replace('_', ' ')} " in err


def test_a_figure_that_validation_does_not_measure_is_an_error(zoo):
    status, _, err = zoo("fit", "--monitor", "val/acuracy")
    assert status == 2
    assert "monitor is 'val/acuracy'; allowed are val/accuracy, val/f1, val/loss, val/top5_accuracy; did you" in err
    assert not list(Path().glob("runs/*/*"))


def test_lightnings_checkpoints_and_averages_lie_in_the_run_and_leave_it_usable(zoo):
    own = ("--trainer.callbacks+=ModelCheckpoint", "--trainer.callbacks+=StochasticWeightAveraging")
    options = ("--trainer.max_epochs", 2, *own, "--trainer.callbacks.swa_lrs", 0.01)
    status, _, err = zoo("fit", "--run", "mine", *options)
    assert status == 0, err
    run = Run(Path("runs/mine"))
    [lightnings] = run.last.parent.glob("epoch=*.ckpt")
    assert {path.name for path in run.last.parent.iterdir()} == {"best.ckpt", "last.ckpt", "swa.ckpt", lightnings.name}
    assert [path.name for path in Path("runs").iterdir()] == ["mine"]
    swa = run.last.with_name("swa.ckpt")
    for words in (
        ("test", run.path),
        ("test", run.path, "--ckpt_path", swa),
        ("export", run.path),
        ("report", run.path),
    ):
        assert zoo(*words)[0] == 0, words
    status, _, err = zoo("fit", run.path, "--trainer.max_epochs", 3)
    assert status == 0, err
    assert [row["epoch"] for row in History.of(run).epochs] == [0, 1, 2]
