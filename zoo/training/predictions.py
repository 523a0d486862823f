"""Hand the images, labels and logits of a split to whoever evaluates them."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from itertools import islice
from typing import Any, Literal

import torch
from lightning.pytorch import LightningDataModule, LightningModule, Trainer
from lightning.pytorch.callbacks import Callback
from torch import Tensor

from zoo.data.sources import Batch


class CollectPredictions(Callback):
    """Pass on the predictions of a test while it runs, so that no image is classified twice.

    Args:
        add: is called with images, labels and logits of each batch.
    """

    def __init__(self, add: Callable[[Tensor, Tensor, Tensor], None]) -> None:
        self.add = add

    def on_test_batch_end(
        self, trainer: Trainer, pl_module: LightningModule, outputs: Any, batch: Batch, *args: Any
    ) -> None:
        """Pass on a batch."""
        self.add(*batch, outputs["logits"])


def predict_batches(
    trainer: Trainer, model: LightningModule, data: LightningDataModule, split: Literal["val", "test"]
) -> Iterator[tuple[Tensor, Tensor, Tensor]]:
    """Classify a split on the device, in the precision and up to the batch limit of a trainer.

    Args:
        trainer: of one process.
        model: is moved to the trainer's device and set to evaluation mode.
        data: gives the batches.
        split: which part of the data.

    Yields:
        Images, uint8 ``(batch, height, width, channels)``; labels, int64 ``(batch,)``; logits ``(batch, classes)``.
    """
    precision, device = trainer.precision_plugin, trainer.strategy.root_device
    loader = data.val_dataloader() if split == "val" else data.test_dataloader()
    limit = trainer.limit_val_batches if split == "val" else trainer.limit_test_batches
    precision.convert_module(model).to(device).eval()
    for images, labels in islice(loader, limit if isinstance(limit, int) else int(len(loader) * limit)):
        with torch.inference_mode(), precision.forward_context():
            logits = model(images.to(device))
        yield images, labels, logits
