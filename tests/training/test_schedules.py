"""Learning rates that change from step to step."""

from __future__ import annotations

import pytest
import torch

from zoo.training.task import ImageClassifier

ONE_CYCLE = ("--lr_scheduler", "OneCycleLR", "--lr_scheduler.max_lr", "0.01")


def checkpoint(run):
    return torch.load(f"{run}/checkpoints/last.ckpt", weights_only=True)


def test_one_cycle_ends_with_the_training(zoo):
    status, out, _ = zoo("fit", *ONE_CYCLE, "--trainer.max_epochs", 2)
    assert status == 0
    saved = checkpoint(out.split()[-1])
    [state] = saved["lr_schedulers"]
    assert state["total_steps"] == saved["global_step"] == 2 * 41
    assert state["_last_lr"][0] < 1e-5


def test_a_run_is_not_trained_on_beyond_its_one_cycle(zoo):
    run = zoo("fit", *ONE_CYCLE, "--trainer.max_epochs", 1)[1].split()[-1]
    status, _, err = zoo("fit", run, "--trainer.max_epochs", 2)
    assert status == 2
    assert "OneCycleLR ends after 41 steps, and 82 are asked for" in err
    assert checkpoint(run)["epoch"] == 0


def test_frozen_layers_run_once_with_one_cycle_too(zoo, monkeypatch):
    seen = []
    step = ImageClassifier.training_step

    def watched(self, batch, number):
        seen.append(batch[0].ndim)
        return step(self, batch, number)

    monkeypatch.setattr(ImageClassifier, "training_step", watched)
    status, _, err = zoo("fit", *ONE_CYCLE, "--model.freeze", 2, "--trainer.max_epochs", 2)
    assert status == 0
    assert "the frozen layers ran once" in err
    assert set(seen) == {2}


def test_one_cycle_without_an_end_is_an_error(zoo):
    status, _, err = zoo("fit", *ONE_CYCLE, "--trainer.max_time", "00:00:01:00")
    assert status == 2
    assert "OneCycleLR needs to know where training ends" in err


@pytest.mark.parametrize("name", ["StepLR --lr_scheduler.step_size 1", "CosineAnnealingLR --lr_scheduler.T_max 2"])
def test_other_schedules_step_once_an_epoch(zoo, name):
    status, out, _ = zoo("fit", "--lr_scheduler", *name.split(), "--trainer.max_epochs", 2)
    assert status == 0
    assert checkpoint(out.split()[-1])["lr_schedulers"][0]["last_epoch"] == 2
