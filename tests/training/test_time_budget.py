"""A training fits into a time."""

from __future__ import annotations

import time

import pytest
import yaml
from support import assert_equal_weights, error_of

from zoo.training import time_budget
from zoo.training.time_budget import Costs, Length, TimeBudget

COSTS = Costs(train=8.0, val=1.0, save=0.5)  # 10 s an epoch, and 1.5 s and REPORT_SECONDS after the last


@pytest.fixture(autouse=True)
def quick_report(monkeypatch):
    monkeypatch.setattr(time_budget, "REPORT_SECONDS", 0.5)


def room(seconds):
    return COSTS.report + time_budget.MARGIN * seconds


@pytest.mark.parametrize(
    ("seconds", "every", "length"),
    [
        (50.1, 1, Length(5, None, 1)),
        (79.9, 1, Length(7, None, 1)),
        (25.01, 1, Length(3, 79, 1)),  # 25 s are for each of 3 epochs 8.33, of which 6.33 train: 79 % of 8
        (6.01, 1, Length(1, 50, 1)),
        (2.09, 1, Length(1, 1, 1)),
        (2.07, 1, None),
        (100.1, 4, Length(8, None, 4)),
        (30.01, 4, Length(4, 87, 4)),
        (15.01, 4, Length(2, 81, 2)),
    ],
)
def test_epochs_fill_the_time(seconds, every, length):
    assert COSTS.fitting(room(seconds), 100, every) == length


def test_a_run_ends_in_time_and_its_configuration_repeats_it(zoo, tmp_path, monkeypatch):
    monkeypatch.setattr(time_budget, "MARGIN", 10)  # or a busy machine stops it early
    options = ("--model.architecture.dropout", 0.3, "--lr_scheduler", "OneCycleLR", "--lr_scheduler.max_lr", 0.01)
    begin = time.monotonic()
    status, out, err = zoo("fit", *options, "--time", "20s", "--trainer.default_root_dir", "timed")
    assert status == 0
    assert time.monotonic() - begin < 20
    run = tmp_path / out.splitlines()[-1]
    config = yaml.safe_load((run / "config.yaml").read_text(encoding="utf-8"))
    epochs = config["trainer"]["max_epochs"]
    assert f"--time 20s: {epochs} epoch" in err
    assert f"epoch {epochs}/{epochs}" in out
    status, out, _ = zoo("fit", "--config", run / "config.yaml", "--run", "again")
    assert status == 0
    assert_equal_weights(run, tmp_path / out.splitlines()[-1])


def test_a_slow_training_ends_early_and_can_be_resumed(zoo, tmp_path, monkeypatch):
    monkeypatch.setattr(TimeBudget, "_measure", lambda *_: Costs(0.002, 0.001, 0.001))
    status, out, err = zoo("fit", "--time", "6s", "--trainer.check_val_every_n_epoch", 50)
    assert status == 0
    assert "training is slower than measured, and --time 6s is over" in err
    run = tmp_path / out.splitlines()[-1]
    assert (run / "report.html").is_file()
    assert (run / "checkpoints" / "best.ckpt").is_file()  # it was validated
    done = int((run / "metrics.csv").read_text(encoding="utf-8").splitlines()[-1].partition(",")[0]) + 1
    status, out, _ = zoo("fit", run, "--trainer.max_epochs", done + 1)
    assert status == 0
    assert f"epoch {done + 1}/{done + 1}" in out


def test_a_resumed_run_keeps_its_epochs(zoo, monkeypatch):
    monkeypatch.setattr(TimeBudget, "_measure", lambda *_: Costs(0.1, 0.01, 0.01))
    monkeypatch.setattr(time_budget, "MARGIN", 20)
    assert zoo("fit", "--time", "6s", "--run", "mine")[0] == 0
    status, _, err = zoo("fit", "--time", "6s", "--run", "mine")
    assert status == 0
    assert "run runs/mine keeps its epochs" in err
    assert "is finished" in err


def test_a_time_too_short_for_a_step_names_the_least_and_leaves_no_folder(zoo, tmp_path, monkeypatch):
    monkeypatch.setattr(TimeBudget, "_measure", lambda *_: Costs(41, 2, 1))
    error = error_of(zoo("fit", "--time", "6s"))
    assert "--time is 6s, too short for a single step; allowed is" in error
    assert not list(tmp_path.glob("runs/*/version_0"))
