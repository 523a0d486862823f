"""Checkpoints are written completely or not at all, under keys that later versions read."""

from __future__ import annotations

import errno

import pytest
import torch

from zoo.core.errors import RunError
from zoo.training.checkpoints import AtomicCheckpointIO


def test_a_failed_save_leaves_the_old_checkpoint_and_no_other_file(tmp_path, monkeypatch):
    path = tmp_path / "last.ckpt"
    AtomicCheckpointIO().save_checkpoint({"state_dict": {}, "hyper_parameters": {}}, path)
    before = path.read_bytes()

    def full(fd):
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr("os.fsync", full)
    with pytest.raises(RunError, match=r"last\.ckpt cannot be written: No space left on device; the one before"):
        AtomicCheckpointIO().save_checkpoint({"state_dict": {"a": torch.zeros(9)}, "hyper_parameters": {}}, path)
    assert path.read_bytes() == before
    assert [entry.name for entry in tmp_path.iterdir()] == ["last.ckpt"]


def test_the_states_of_callbacks_keep_the_names_that_runs_of_earlier_versions_have(zoo):
    status, out, err = zoo("fit", "--early_stopping", 3, "--model.ema", 0.9, "--trainer.max_epochs", 1)
    assert status == 0, err
    saved = torch.load(f"{out.splitlines()[-1]}/checkpoints/last.ckpt", weights_only=True)
    early_stopping = "NoProgress{'monitor': 'val/accuracy', 'mode': 'max'}"
    assert saved["callbacks"].keys() == {"RunCheckpoints", "TrainingFigures", "MovingAverage", early_stopping}
