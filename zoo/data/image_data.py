"""ImageData: opens a registered data set and serves its splits as uint8 batches. No Lightning.

    name ─► data set ─► source (array in memory, or workers) ─► loader (order, augmentation) ─► batches
                  └───► InputSpec: classes, channels, size, mean, std

Data that fits in ``memory_gib`` is held as one uint8 array and served in whole batches; larger data streams.
"""

from __future__ import annotations

import dataclasses
import os
from collections.abc import Mapping
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor

from zoo.core import registry
from zoo.core.errors import NoSplitError, UserError
from zoo.core.spec import Fit, InputSpec
from zoo.data import inspection
from zoo.data.augmentation import Augmentation, augmentation_named
from zoo.data.contract import Split, require_classes, require_dataset, require_labels
from zoo.data.input_options import InputOptions, parse_size
from zoo.data.loader import Loader
from zoo.data.root import default_root
from zoo.data.sources import BAD, MemorySource, Source, StreamSource, open_source
from zoo.data.split import stratified_split


class ImageData:
    """The splits of any registered data set.

    Args:
        dataset: a registered name, or ``{"name": ..., option: value, ...}``.
        root: where the data lives; by default ``$ZOO_DATA_ROOT``, else a folder in the user's cache.
        image_size: pixels the network sees, ``N`` or ``H,W``; by default the data set's own.
        batch_size: images in a batch of one process.
        augmentation: none, flip, crop or crop_flip (zero padding of 1/8 of the side, then a random crop); by default
            the data set's own.
        val_fraction: share of ``train`` that becomes ``val`` where the data set has none, stratified by a fixed seed.
        memory_gib: data of up to so many GiB is held in memory, larger data is read by workers; 0 always streams.
        num_workers: processes that read images; by default one a core, at most 8.
        balanced: serve each class equally often in training, in as many positions an epoch as there are images; rare
            images come again, of frequent classes other images in each epoch.
        skip_bad: leave damaged images out, each named once, instead of stopping.
        resize: how images of other sizes become that size: cover scales them until they cover it and cuts out the
            centre, letterbox shows the whole image with black beside it, stretch distorts it; by default that of
            pretrained weights, else cover.
        channels: of the images: 1 reads them as grey, 3 as RGB, and any other number takes files of exactly so many
            channels; by default the data set's own.
        seed: decides order and augmentation, with the epoch and the position; the command line gives seed_everything.
        spec: serve images as this says, and require its classes; by default it is made from the training split.
        like: what pretrained weights were trained for: size, resize rule, mean, standard deviation and colour are taken
            from it, the classes from the data.

    Raises:
        UserError: an argument is outside what is allowed, or a name is unknown.
    """

    def __init__(
        self,
        dataset: str | Mapping[str, Any] = "digits",
        root: str | Path | None = None,
        image_size: int | tuple[int, int] | str | None = None,
        batch_size: int = 32,
        augmentation: str | None = None,
        val_fraction: float = 0.1,
        memory_gib: float = 2.0,
        num_workers: int | None = None,
        balanced: bool = False,
        skip_bad: bool = False,
        resize: Fit | None = None,
        channels: int | None = None,
        seed: int = 0,
        spec: InputSpec | None = None,
        like: InputSpec | None = None,
    ) -> None:
        super().__init__()  # a LightningDataModule's, where it is one
        if batch_size < 1:
            raise UserError(f"data.batch_size is {batch_size}; allowed is 1 or more")
        if not 0 < val_fraction < 1:
            raise UserError(f"data.val_fraction is {val_fraction}; allowed is more than 0 and less than 1")
        if memory_gib < 0:
            raise UserError(f"data.memory_gib is {memory_gib}; allowed is 0 or more")
        if num_workers is not None and num_workers < 0:
            raise UserError(f"data.num_workers is {num_workers}; allowed is 0 or more")
        if augmentation is not None:
            augmentation_named(augmentation)
        self.dataset_options = {"name": dataset} if isinstance(dataset, str) else dict(dataset)
        self.dataset_name: str = self.dataset_options.pop("name")
        self.root = default_root() if root is None else Path(root)
        self.wanted = InputOptions(None if image_size is None else parse_size(image_size), resize, channels)
        self.batch_size = batch_size
        self.augmentation = augmentation
        self.val_fraction = val_fraction
        self.memory_bytes = memory_gib * 2**30
        self.num_workers = min(os.cpu_count() or 1, 8) if num_workers is None else num_workers
        self.balanced = balanced
        self.skip_bad = skip_bad
        self.seed = seed
        if spec is not None:
            self.wanted.require_spec(spec)
        self._spec = self._geometry = spec
        self._like = like
        self._datasets: dict[Split, Any] = {}
        self._sources: dict[Split, Source] = {}
        #: Of a split that was drawn from ``train``: its items there.
        self._drawn: dict[Split, np.ndarray] = {}
        self._training_source: StreamSource | None = None
        self._train_labels: Tensor | None = None

    @property
    def spec(self) -> InputSpec:
        """What a network must know of the data; the first use reads (and may download) the training split."""
        if self._spec is None:
            geometry = self._require_geometry()
            origin = self.opened("train") if self._like is None else self._like
            mean, std = getattr(origin, "mean", None), getattr(origin, "std", None)
            if mean is None or std is None or len(mean) != geometry.channels:
                mean, std = inspection.statistics(self.source("train"))
            self._spec = dataclasses.replace(geometry, mean=tuple(mean), std=tuple(std))
        return self._spec

    def opened(self, split: Split) -> Any:
        """Return a split's data set, whose images are as they are; ``val`` only where the data set has it.

        Raises:
            NoSplitError: the data set has no such split.
            DownloadError: files are missing and cannot be downloaded.
            UserError: the split is empty, its classes differ from the others', or the data set breaks its contract.
        """
        if split not in self._datasets:
            name = self.dataset_name
            options = self.wanted.dataset_options(name, self.dataset_options)
            dataset = registry.call("dataset", name, (self.root, split), options)
            require_dataset(name, split, dataset)
            if len(dataset) == 0:
                raise UserError(f"data set '{name}' has no image in its {split} split under {self.root}")
            if self._geometry is not None:
                require_classes(name, split, tuple(map(str, dataset.classes)), self._geometry.classes)
            self._datasets[split] = dataset
        return self._datasets[split]

    def source(self, split: Split) -> Source:
        """Return where a split's pixels come from, opening it at the first use.

        Raises:
            NoSplitError: there is no such split and none can be made.
            ImageError: an image is damaged and skip_bad is off.
            DownloadError, UserError: as ``opened``.
        """
        if split not in self._sources:
            try:
                dataset = self.opened(split)
            except NoSplitError:
                if split != "val":
                    raise
                self._split_train()
            else:
                self._sources[split] = self._whole_source(split, dataset)
                if split == "train" and not self._has_val():
                    self._split_train()
        return self._sources[split]

    def paths(self, split: Split) -> list[str] | None:
        """Return the file of each item of a split, in the order of its source; None where the data set has no files.

        A loader of val or test serves its images in this order; damaged images, which skip_bad leaves out, stand in
        the list too.

        Raises:
            NoSplitError, ImageError, DownloadError, UserError: as ``source``.
        """
        self.source(split)
        dataset = self.opened("train" if split in self._drawn else split)
        if not hasattr(dataset, "path"):
            return None
        return [str(dataset.path(int(item))) for item in self._drawn.get(split, np.arange(len(dataset)))]

    def replace_source(self, split: Split, source: Source) -> None:
        """Serve a split from another source of as many items: features of its images, for example."""
        self._sources[split] = source

    def loader(self, split: Split, *, rank: int = 0, world_size: int = 1) -> Loader:
        """Return a split's batches: of training shuffled and augmented anew each epoch, else in order, as they are.

        Args:
            split: train, val or test.
            rank: number of this process.
            world_size: number of processes that share each epoch.

        Raises:
            UserError: the training split has fewer images than a batch; others as ``source``.
        """
        source = self.source(split)
        loader = partial(Loader, batch_size=self.batch_size, seed=self.seed, rank=rank, world_size=world_size)
        if split != "train":
            return loader(source)
        if self.batch_size > len(source):
            raise UserError(
                f"data.batch_size is {self.batch_size} but '{self.dataset_name}' has {len(source)} training images; "
                f"allowed is at most {len(source)}"
            )
        augmentation = self._augmentation()
        balance = self.train_labels() if self.balanced else None
        if isinstance(source, StreamSource):
            source = self._training_source = source.for_training()
        changes = augmentation != Augmentation()
        return loader(source, augmentation=augmentation if changes else None, shuffle=True, balance=balance)

    def stop_workers(self) -> None:
        """Stop the worker processes that live on between epochs; another pass over training images starts its own."""
        if self._training_source is not None:
            self._training_source.stop_workers()

    def train_labels(self) -> Tensor:
        """Return the labels of the training split, int64 ``(count,)``; BAD for each image that was found damaged."""
        if self._train_labels is None:
            source = self.source("train")
            if isinstance(source, MemorySource):
                self._train_labels = source.labels[source.rows]
            else:
                labels = torch.from_numpy(inspection.labels(self.opened("train")))
                self._train_labels = labels[source.items.indices] if isinstance(source, StreamSource) else labels
        return self._train_labels

    def augmentation_name(self) -> str:
        """Return the name of the augmentation of training images: the one asked for, else the data set's own."""
        dataset = next(iter(self._datasets.values()), None) or self.opened("train")  # it is the same in all splits
        return self.augmentation or str(getattr(dataset, "augmentation", "none"))

    def varied_samples(self, split: Split, count: int) -> tuple[Tensor, Tensor]:
        """Return some of a split's images as they are, and as training would augment them.

        Args:
            split: train, val or test; damaged images are left out.
            count: at most so many, evenly spaced.

        Returns:
            uint8 ``(count, height, width, channels)``, twice.
        """
        source, augmentation = self.source(split), self._augmentation()
        indices = torch.linspace(0, len(source) - 1, min(count, len(source)), dtype=torch.float64).long()
        [(images, labels)] = source.fetch([indices])
        images = images[labels != BAD]
        generators = torch.Generator().manual_seed(self.seed), torch.Generator().manual_seed(self.seed + 1)
        choices = augmentation.draw(torch.arange(len(images)), 0, (images.shape[1], images.shape[2]), *generators)
        return images, augmentation.apply(images, choices)

    def _augmentation(self) -> Augmentation:
        return augmentation_named(self.augmentation_name())

    def _require_geometry(self) -> InputSpec:
        """Return the spec without the real mean and standard deviation, which need pixels."""
        if self._geometry is None:
            dataset = self.opened("train")
            self._geometry = inspection.geometry(self.dataset_name, dataset, self.wanted, self._like, self.num_workers)
        return self._geometry

    def _whole_source(self, split: Split, dataset: Any) -> Source:
        """Return the source of a whole data set, before ``val`` is taken from ``train``."""
        spec = self._require_geometry()
        if hasattr(dataset, "white_level"):
            dataset.white_level = spec.white_level
        source = open_source(
            dataset, spec, memory_bytes=self.memory_bytes, workers=self.num_workers, skip_bad=self.skip_bad
        )
        if isinstance(source, MemorySource):
            require_labels(self.dataset_name, split, source.labels[source.labels != BAD], len(spec.classes))
        return source

    def _has_val(self) -> bool:
        try:
            self.opened("val")
        except NoSplitError:
            return False
        return True

    def _split_train(self) -> None:
        """Take ``val`` out of ``train``, by labels and a fixed seed."""
        dataset = self.opened("train")
        whole: Source = self._sources.get("train") or self._whole_source("train", dataset)
        train, val = stratified_split(inspection.labels(dataset, whole), [self.val_fraction])
        if len(train) == 0 or len(val) == 0:
            raise UserError(
                f"data set '{self.dataset_name}' has {len(dataset)} training images, too few to keep "
                f"data.val_fraction {self.val_fraction} of them for validation; add images or a val split"
            )
        self._drawn["train"], self._drawn["val"] = train, val
        self._sources["train"], self._sources["val"] = whole.subset(train), whole.subset(val)
