"""How far a training is, at a validation."""

from __future__ import annotations

from lightning.pytorch import Trainer
from lightning.pytorch.trainer.states import TrainerFn


def is_fitting(trainer: Trainer) -> bool:
    """Tell a validation of ``Trainer.fit`` from one of its own, and from the sanity check before training."""
    return trainer.state.fn == TrainerFn.FITTING and not trainer.sanity_checking


def is_inside_epoch(trainer: Trainer) -> bool:
    """Tell whether a validation of ``Trainer.fit`` has more batches of its epoch to come."""
    return is_fitting(trainer) and not trainer.is_last_batch


def limited(batches: int, limit: int | float) -> int:
    """Return how many of so many batches an epoch takes, by one of Trainer's limits: a number, or a share."""
    return min(batches, limit) if isinstance(limit, int) else int(batches * limit)


def epochs_done(trainer: Trainer) -> float:
    """Return the epochs trained at a validation of ``Trainer.fit``: 1.5 is the middle of the second."""
    return trainer.current_epoch + (trainer.fit_loop.epoch_loop.batch_idx + 1) / trainer.num_training_batches
