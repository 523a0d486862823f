"""Makes a step of several processes the step of one: images count alike, and each process draws its own numbers."""

from __future__ import annotations

from typing import Any

import numpy as np
import torch
from lightning.pytorch import LightningModule, Trainer
from lightning.pytorch.callbacks import Callback
from torch import Tensor

from zoo.data.loader import Loader


class SharedSteps(Callback):
    """Weights the gradients of each process by its images, and seeds its random numbers by seed, rank and step.

    Processes average their gradients, each of which is a mean over the images of one: where a batch does not divide
    evenly, images would count more in one process than in another. Damaged images that are left out count as if they
    were there.

    Random numbers follow from the place in the training, so that a resumed one draws the same.

    Args:
        seed: of the run.
    """

    def __init__(self, seed: int) -> None:
        self.seed = seed
        self._number = 0

    def on_train_batch_start(self, trainer: Trainer, pl_module: LightningModule, batch: Any, batch_idx: int) -> None:
        """Seed the generators of dropout, mixup and the like."""
        self._number = batch_idx
        if trainer.world_size > 1:
            place = (self.seed, trainer.global_rank, trainer.current_epoch, batch_idx)
            torch.manual_seed(int(np.random.SeedSequence(place).generate_state(1, np.uint64)[0]) >> 1)

    def on_before_backward(self, trainer: Trainer, pl_module: LightningModule, loss: Tensor) -> None:
        """Multiply the gradients by the share of this process in the batch, over an equal share."""
        own, total = counted_images(trainer, self._number)
        weight = own * trainer.world_size / total
        if weight != 1 and loss.requires_grad:
            loss.register_hook(lambda gradient: gradient * weight)  # type: ignore[no-untyped-call]


def counted_images(trainer: Trainer, number: int) -> tuple[int, int]:
    """Return how many images of a training batch count in this process, and in all; equal where that is not known.

    Args:
        trainer: that is fitting.
        number: of the batch in its epoch.
    """
    loader = trainer.train_dataloader
    return loader.images(number) if isinstance(loader, Loader) else (1, trainer.world_size)
