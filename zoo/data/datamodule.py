"""ImageDataModule: the batches of a registered data set, under any Lightning Trainer."""

from __future__ import annotations

import lightning.pytorch as pl

from zoo.data.contract import Split
from zoo.data.image_data import ImageData
from zoo.data.loader import Loader
from zoo.data.placement import place
from zoo.data.samples import sample_gallery
from zoo.images.gallery import Gallery


class ImageDataModule(ImageData, pl.LightningDataModule):
    """Batches of any registered data set; arguments and errors as ``zoo.data.image_data.ImageData``.

    A batch is ``(images, labels)``: uint8 ``(batch, height, width, channels)`` and int64 ``(batch,)``. Several
    processes share an epoch; the loaders do so themselves, whatever the Trainer's ``use_distributed_sampler`` says.
    """

    def train_dataloader(self) -> Loader:
        """Return the training batches, shuffled and augmented anew each epoch."""
        return self._loader("train")

    def val_dataloader(self) -> Loader:
        """Return the validation batches: images in order, as they are."""
        return self._loader("val")

    def test_dataloader(self) -> Loader:
        """Return the test batches: images in order, as they are."""
        return self._loader("test")

    def show(self, split: Split = "train", count: int = 12, views: int = 0) -> Gallery:
        """Return evenly spaced images of a split as the network gets them; a notebook shows them as pictures.

        Args:
            split: train, val or test.
            count: how many images.
            views: show beside each what training makes of it in so many epochs.

        Raises:
            UserError: the split or a number is not allowed.
            NoSplitError: there is no such split.
        """
        return sample_gallery(self, split, count, views)

    def teardown(self, stage: str) -> None:
        """Stop the worker processes of training; Lightning calls this when training ends."""
        self.stop_workers()

    def _loader(self, split: Split) -> Loader:
        trainer = self.trainer
        rank, world_size = (trainer.global_rank, trainer.world_size) if trainer is not None else (0, 1)
        loader = self.loader(split, rank=rank, world_size=world_size)
        return loader if trainer is None else place(loader, trainer.strategy.root_device, self.place)
