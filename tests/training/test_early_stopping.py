"""A training that does not get better ends."""

from __future__ import annotations

import pytest
import torch
from lightning.pytorch import Trainer, callbacks

from zoo.training.early_stopping import MonitorEarlyStopping

#: The rate is 0 from the second epoch on: nothing changes any more, and nothing gets better.
STALLED = ("--optimizer", "SGD", "--optimizer.lr", 0.1, *("--lr_scheduler", "StepLR", "--lr_scheduler.step_size", 1))
STALLED = (*STALLED, "--lr_scheduler.gamma", 0)


def epochs(run):
    return torch.load(f"{run}/checkpoints/last.ckpt", weights_only=True)["epoch"] + 1


@pytest.fixture
def stopped(zoo):
    """A run that stopped after two epochs in a row that were not better than the first."""
    status, out, err = zoo("fit", *STALLED, "--early_stopping", 2, "--trainer.max_epochs", 10)
    assert status == 0
    assert "stopped early: no val accuracy above" in err
    assert "in 2 epochs (--early_stopping)" in err
    return out.splitlines()[-1]


def test_it_ends_after_as_many_epochs_as_it_is_patient(stopped):
    assert epochs(stopped) == 3


def test_a_run_that_was_ended_is_finished(stopped, zoo):
    status, out, _ = zoo("fit", stopped)
    assert (status, out.splitlines()[-1], epochs(stopped)) == (0, stopped, 3)


def test_more_patience_trains_on(stopped, zoo):
    status, _, err = zoo("fit", stopped, "--early_stopping", 4)
    assert (status, epochs(stopped)) == (0, 5)
    assert "in 4 epochs" in err


def test_a_run_that_gets_better_is_not_ended(zoo):
    status, out, err = zoo("fit", "--early_stopping", 3, "--trainer.max_epochs", 4)
    assert status == 0
    assert epochs(out.splitlines()[-1]) == 4
    assert "stopped early" not in err


def test_lightnings_own_early_stopping_may_stand_beside_it():
    both = [MonitorEarlyStopping(2, None), callbacks.EarlyStopping("val/accuracy", mode="max")]
    Trainer(accelerator="cpu", logger=False, enable_checkpointing=False, callbacks=both)


@pytest.mark.parametrize(
    ("options", "text"),
    [
        (("--early_stopping", 0), "early_stopping is 0; allowed is 1 or more"),
        (("--early_stopping", 1, "--trainer.limit_val_batches", 0), "early_stopping watches val/accuracy"),
        (("--early_stopping", "soon"), "early_stopping"),
    ],
)
def test_what_cannot_be_watched_is_an_error(zoo, options, text):
    status, _, err = zoo("fit", *options)
    assert status == 2
    assert text in err


def test_several_validations_in_an_epoch_do_not_use_up_patience_sooner(zoo):
    options = ("--trainer.val_check_interval", 0.25, "--early_stopping", 2, "--trainer.max_epochs", 10)
    status, out, err = zoo("fit", *STALLED, *options)
    assert status == 0
    assert "in 2 epochs (--early_stopping)" in err
    assert 2 < epochs(out.splitlines()[-1]) <= 4


def test_a_validation_after_several_epochs_counts_as_so_many(zoo):
    options = ("--trainer.check_val_every_n_epoch", 3, "--early_stopping", 2, "--trainer.max_epochs", 20)
    status, out, err = zoo("fit", *STALLED, *options)
    assert status == 0
    assert "in 3 epochs (--early_stopping)" in err
    assert epochs(out.splitlines()[-1]) == 6


def test_another_figure_can_be_watched(zoo):
    status, _, err = zoo("fit", *STALLED, "--early_stopping", 1, "--monitor", "val/loss", "--trainer.max_epochs", 9)
    assert status == 0
    assert "stopped early: no val loss below 0." in err or "stopped early: no val loss below 2." in err


def test_the_counter_of_an_earlier_version_goes_on():
    stopping = MonitorEarlyStopping(3, None)
    stopping.load_state_dict({"wait_count": 2, "best_score": torch.tensor(0.5), "stopped_epoch": 0, "patience": 3})
    trainer = Trainer(accelerator="cpu", logger=False, enable_checkpointing=False, callbacks=[stopping])
    trainer.fit_loop.epoch_progress.current.processed = 7
    stopping.on_train_start(trainer, None)
    assert (stopping.best, stopping.last_at - stopping.best_at) == (0.5, 2)
