"""Hand the images, labels and logits of a split to whoever evaluates them, with the positions of the images."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from itertools import count, islice
from typing import Any, Literal, cast

import torch
from lightning.pytorch import LightningModule, Trainer
from lightning.pytorch.callbacks import Callback
from torch import Tensor, distributed

from zoo.data.image_data import ImageData
from zoo.data.loader import Loader
from zoo.data.sources import Batch, Source
from zoo.training.progress import limited
from zoo.training.task import ImageClassifier

#: Images that are read again at once.
AT_ONCE = 64

#: Images, uint8 ``(batch, height, width, channels)``; labels, int64 ``(batch,)``; logits ``(batch, classes)``; and the
#: positions of the images in their split, from 0.
PredictedBatch = tuple[Tensor, Tensor, Tensor, list[int]]


def served_positions(loader: Loader) -> Iterator[int]:
    """Yield the positions of the images that a loader serves in order, in step with its batches."""
    return (position for position in count(loader.rank, loader.world_size) if position not in loader.skipped)


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


class GatheredPredictions:
    """The predictions of several processes, which the first gets all, in the order of the images."""

    def __init__(self) -> None:
        self._labels: list[Tensor] = []
        self._logits: list[Tensor] = []
        self._positions: list[int] = []

    def add(self, images: Tensor, labels: Tensor, logits: Tensor, positions: list[int]) -> None:
        """Add a batch of this process; a PredictedBatch as its arguments."""
        self._labels.append(labels.cpu())
        self._logits.append(logits.float().cpu())
        self._positions += positions

    def of_all(self, source: Source) -> Iterator[PredictedBatch]:
        """Yield the batches of all processes, in the first one; the others yield none.

        Args:
            source: of the images, which are read again: the report shows some of them.
        """
        own = self._labels, self._logits, self._positions
        parts: list[Any] | None = [None] * distributed.get_world_size() if distributed.get_rank() == 0 else None
        distributed.gather_object(own, parts)
        if parts is None:
            return
        labels, logits = (torch.cat([batch for part in parts for batch in part[which]]) for which in (0, 1))
        positions = torch.tensor([position for part in parts for position in part[2]])
        rows = list(torch.split(positions.argsort(), AT_ONCE))
        for chosen, (images, _) in zip(rows, source.fetch([positions[row] for row in rows]), strict=True):
            yield images, labels[chosen], logits[chosen], positions[chosen].tolist()


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
    trainer: Trainer, model: ImageClassifier, data: ImageData, split: Literal["val", "test"]
) -> Iterator[PredictedBatch]:
    """Classify a whole split in this process, on the device, in the precision and up to the batch limit of a trainer.

    Args:
        trainer: sets these.
        model: is moved to the trainer's device and set to evaluation mode.
        data: gives the batches.
        split: which part of the data.

    Yields:
        A PredictedBatch for each batch.
    """
    precision, device = trainer.precision_plugin, trainer.strategy.root_device
    loader = data.loader(split)
    limit = trainer.limit_val_batches if split == "val" else trainer.limit_test_batches
    positions = served_positions(loader)
    precision.convert_module(model).to(device).eval()
    for images, labels in islice(loader, limited(len(loader), limit)):
        # As validation during a fit, for which a compiled network is compiled already; not inference_mode.
        with torch.no_grad(), precision.forward_context():
            logits = model.logits(images.to(device))
        yield images, labels, logits, list(islice(positions, len(labels)))
