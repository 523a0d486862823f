"""A training that does not get better ends."""

from __future__ import annotations

import pytest
import torch
from lightning.pytorch import Trainer, callbacks

from zoo.training.early_stopping import AccuracyEarlyStopping

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
    both = [AccuracyEarlyStopping(2, None), callbacks.EarlyStopping("val/accuracy", mode="max")]
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
