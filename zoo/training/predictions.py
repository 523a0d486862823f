"""Hand the images, labels and logits of a split to whoever evaluates them, with the positions of the images."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from itertools import count, islice
from typing import Any, Literal, cast

import torch
from lightning.pytorch import LightningDataModule, LightningModule, Trainer
from lightning.pytorch.callbacks import Callback
from torch import Tensor

from zoo.data.loader import Loader
from zoo.data.sources import Batch
from zoo.training.progress import limited

#: Images, uint8 ``(batch, height, width, channels)``; labels, int64 ``(batch,)``; logits ``(batch, classes)``; and the
#: positions of the images in their split, from 0.
PredictedBatch = tuple[Tensor, Tensor, Tensor, list[int]]


def served_positions(loader: Loader) -> Iterator[int]:
    """Yield the positions of the images that a loader of one process serves in order, in step with its batches."""
    return (position for position in count() if position not in loader.skipped)


class CollectPredictions(Callback):
    """Pass on the predictions of a validation or test while it runs, so that no image is classified twice.

    Args:
        add: is called with a PredictedBatch as its arguments.
    """

    def __init__(self, add: Callable[[Tensor, Tensor, Tensor, list[int]], None]) -> None:
        self.add = add
        self._positions: Iterator[int] = iter(())

    def on_validation_epoch_start(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """Begin at the first image."""
        self._positions = served_positions(cast(Loader, trainer.val_dataloaders))

    def on_test_epoch_start(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """Begin at the first image."""
        self._positions = served_positions(cast(Loader, trainer.test_dataloaders))

    def on_validation_batch_end(
        self, trainer: Trainer, pl_module: LightningModule, outputs: Any, batch: Batch, *args: Any
    ) -> None:
        """Pass on a batch."""
        self._add(outputs, batch)

    def on_test_batch_end(
        self, trainer: Trainer, pl_module: LightningModule, outputs: Any, batch: Batch, *args: Any
    ) -> None:
        """Pass on a batch."""
        self._add(outputs, batch)

    def _add(self, outputs: Any, batch: Batch) -> None:
        images, labels = batch
        self.add(images, labels, outputs["logits"], list(islice(self._positions, len(labels))))


class CountImages(Callback):
    """Counts the images that a validation or a test measures in this process."""

    images = 0

    def on_validation_batch_end(
        self, trainer: Trainer, pl_module: LightningModule, outputs: Any, batch: Batch, *args: Any
    ) -> None:
        """Add a batch."""
        self.images += len(batch[1])

    def on_test_batch_end(
        self, trainer: Trainer, pl_module: LightningModule, outputs: Any, batch: Batch, *args: Any
    ) -> None:
        """Add a batch."""
        self.images += len(batch[1])


def predict_batches(
    trainer: Trainer, model: LightningModule, data: LightningDataModule, split: Literal["val", "test"]
) -> Iterator[PredictedBatch]:
    """Classify a split on the device, in the precision and up to the batch limit of a trainer.

    Args:
        trainer: of one process.
        model: is moved to the trainer's device and set to evaluation mode.
        data: gives the batches.
        split: which part of the data.

    Yields:
        A PredictedBatch for each batch.
    """
    precision, device = trainer.precision_plugin, trainer.strategy.root_device
    loader = data.val_dataloader() if split == "val" else data.test_dataloader()
    limit = trainer.limit_val_batches if split == "val" else trainer.limit_test_batches
    positions = served_positions(loader)
    precision.convert_module(model).to(device).eval()
    for images, labels in islice(loader, limited(len(loader), limit)):
        with torch.inference_mode(), precision.forward_context():
            logits = model(images.to(device))
        yield images, labels, logits, list(islice(positions, len(labels)))
