"""ImageDataModule: any registered data set becomes uint8 batches.

    name ─► data set ─► source (array in memory, or workers) ─► loader (order, augmentation) ─► batches
                  └───► InputSpec: classes, channels, size, mean, std

Data that fits in ``memory_gib`` is held as one uint8 array and served in whole batches; larger data streams.
"""

from __future__ import annotations

import dataclasses
import os
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, Literal

import lightning.pytorch as pl
import numpy as np
import torch
from torch import Tensor

from zoo.core import registry
from zoo.core.errors import NoSplitError, UserError
from zoo.core.spec import InputSpec, Resize
from zoo.data import inspection
from zoo.data.augmentation import Policy, policy
from zoo.data.contract import require_contract
from zoo.data.loader import Loader
from zoo.data.sources import BAD, MemorySource, Source, StreamSource
from zoo.data.split import stratified_split

Split = Literal["train", "val", "test"]


def default_root() -> Path:
    """Return ``$ZOO_DATA_ROOT``, else a folder in the user's cache."""
    if given := os.environ.get("ZOO_DATA_ROOT"):
        return Path(given)
    from platformdirs import user_cache_path

    return user_cache_path("zoo") / "data"


class ImageDataModule(pl.LightningDataModule):
    """Batches of any registered data set.

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
        seed: int = 0,
        spec: InputSpec | None = None,
        like: InputSpec | None = None,
    ) -> None:
        super().__init__()
        if batch_size < 1:
            raise UserError(f"data.batch_size is {batch_size}; allowed is 1 or more")
        if not 0 < val_fraction < 1:
            raise UserError(f"data.val_fraction is {val_fraction}; allowed is more than 0 and less than 1")
        if memory_gib < 0:
            raise UserError(f"data.memory_gib is {memory_gib}; allowed is 0 or more")
        if num_workers is not None and num_workers < 0:
            raise UserError(f"data.num_workers is {num_workers}; allowed is 0 or more")
        if augmentation is not None:
            policy(augmentation)
        options = {"name": dataset} if isinstance(dataset, str) else dict(dataset)
        self.dataset_name: str = options.pop("name")
        self.dataset_options = options
        self.root = Path(root) if root is not None else default_root()
        self.image_size = None if image_size is None else _parse_size(image_size)
        self.batch_size = batch_size
        self.augmentation = augmentation
        self.val_fraction = val_fraction
        self.memory_bytes = memory_gib * 2**30
        self.num_workers = min(os.cpu_count() or 1, 8) if num_workers is None else num_workers
        self.balanced = balanced
        self.skip_bad = skip_bad
        self.seed = seed
        if spec is not None and self.image_size not in (None, (spec.height, spec.width)):
            raise UserError(
                f"data.image_size is {image_size}, but the model was trained at {spec.height},{spec.width}; "
                "leave the option out, or train a new run"
            )
        self._spec = spec
        self._geometry = spec
        self._like = like
        self._datasets: dict[Split, Any] = {}
        self._sources: dict[Split, Source] = {}
        self._training_source: StreamSource | None = None
        self._train_labels: Tensor | None = None

    @property
    def spec(self) -> InputSpec:
        """What a network must know of the data; the first use reads (and may download) the training split."""
        if self._spec is None:
            geometry, dataset = self._known_geometry(), self.opened("train")
            told_by = dataset if self._like is None else self._like
            mean, std = getattr(told_by, "mean", None), getattr(told_by, "std", None)
            if mean is None or std is None or len(mean) != geometry.channels:
                mean, std = inspection.statistics(self.source("train"))
            self._spec = dataclasses.replace(geometry, mean=tuple(mean), std=tuple(std))
        return self._spec

    def source(self, split: Split) -> Source:
        """Return where a split's pixels come from, opening it at the first use.

        Raises:
            NoSplitError: there is no such split and none can be made.
            DownloadError: files are missing and cannot be downloaded.
            ImageError: an image is damaged and skip_bad is off.
            UserError: the classes differ between splits, or the data set breaks its contract.
        """
        if split not in self._sources:
            try:
                dataset = self.opened(split)
            except NoSplitError:
                if split != "val":
                    raise
                self._split_train()
            else:
                self._sources[split] = self._whole(split, dataset)
                if split == "train":
                    self._split_train_if_needed()
        return self._sources[split]

    def replace_source(self, split: Split, source: Source) -> None:
        """Serve a split from another source of as many items: features of its images, for example."""
        self._sources[split] = source

    def train_dataloader(self) -> Loader:
        """Return the training batches, shuffled and varied anew each epoch."""
        source = self.source("train")
        if self.batch_size > len(source):
            raise UserError(
                f"data.batch_size is {self.batch_size} but '{self.dataset_name}' has {len(source)} training images; "
                f"allowed is at most {len(source)}"
            )
        chosen = policy(self.augmentation_name())
        varied = None if chosen == Policy() else chosen
        balance = self.train_labels() if self.balanced else None
        if isinstance(source, StreamSource):
            source = self._training_source = source.for_training()
        return self._loader(source, policy=varied, shuffle=True, balance=balance)

    def teardown(self, stage: str) -> None:
        """End the processes that read training images; Lightning calls it when a training has come to its end."""
        if self._training_source is not None:
            self._training_source.stop_workers()

    def train_labels(self) -> Tensor:
        """Return the labels of the training split, int64 ``(count,)``; BAD where an image is known to be damaged."""
        if self._train_labels is None:
            source = self.source("train")
            if isinstance(source, MemorySource):
                self._train_labels = source.labels[source.rows]
            else:
                known = torch.from_numpy(inspection.labels(self.opened("train")))
                self._train_labels = known if not isinstance(source, StreamSource) else known[source.items.indices]
        return self._train_labels

    def val_dataloader(self) -> Loader:
        """Return the validation batches, in order, as they are."""
        return self._loader(self.source("val"))

    def test_dataloader(self) -> Loader:
        """Return the test batches, in order, as they are."""
        return self._loader(self.source("test"))

    def augmentation_name(self) -> str:
        """Return the augmentation that training images get: the one asked for, else the data set's own."""
        dataset = next(iter(self._datasets.values()), None) or self.opened("train")  # all splits say the same
        return self.augmentation or str(getattr(dataset, "augmentation", "none"))

    def varied_samples(self, split: Split, count: int) -> tuple[Tensor, Tensor]:
        """Return some of a split's images as they are, and as augmentation varies them in training.

        Args:
            split: whose images; those damaged are left out.
            count: how many, at most, evenly spaced.

        Returns:
            uint8 ``(count, height, width, channels)``, twice.
        """
        source, chosen = self.source(split), policy(self.augmentation_name())
        indices = torch.linspace(0, len(source) - 1, min(count, len(source)), dtype=torch.float64).long()
        [(images, labels)] = source.fetch([indices])
        images = images[labels != BAD]
        generators = torch.Generator().manual_seed(self.seed), torch.Generator().manual_seed(self.seed + 1)
        choices = chosen.draw(torch.arange(len(images)), 0, (images.shape[1], images.shape[2]), *generators)
        return images, chosen.apply(images, choices)

    def _loader(self, source: Source, **options: Any) -> Loader:
        trainer = self.trainer
        rank, world_size = (trainer.global_rank, trainer.world_size) if trainer is not None else (0, 1)
        return Loader(source, self.batch_size, seed=self.seed, rank=rank, world_size=world_size, **options)

    def opened(self, split: Split) -> Any:
        """Return a split's data set with its images as they are, its classes compared with those already known."""
        if split not in self._datasets:
            name = self.dataset_name
            dataset = registry.call("dataset", name, (self.root, split), self.dataset_options)
            require_contract(name, split, dataset)
            if len(dataset) == 0:
                raise UserError(f"data set '{name}' has no image in its {split} split under {self.root}")
            classes = tuple(map(str, dataset.classes))
            if self._geometry is not None and classes != self._geometry.classes:
                raise UserError(_differing_classes(name, split, classes, self._geometry.classes))
            self._datasets[split] = dataset
        return self._datasets[split]

    def _known_geometry(self) -> InputSpec:
        """Return the spec with everything but mean and standard deviation, which need pixels."""
        if self._geometry is None:
            dataset, like = self.opened("train"), self._like
            channels = inspection.channels(dataset)
            if like is not None and channels > like.channels:
                raise UserError(
                    f"the weights are for grey images, '{self.dataset_name}' is in colour; use other weights"
                )
            channels = channels if like is None else like.channels
            natural = inspection.natural_size(dataset) if like is None else (like.height, like.width)
            height, width = self.image_size or natural
            zeros, ones = (0.0,) * channels, (1.0,) * channels
            resize = Resize() if like is None else like.resize
            self._geometry = InputSpec(tuple(map(str, dataset.classes)), channels, height, width, zeros, ones, resize)
        return self._geometry

    def _whole(self, split: Split, dataset: Any) -> Source:
        """Return the source of a whole data set, before ``val`` is taken from ``train``."""
        spec = self._known_geometry()
        images, labels = getattr(dataset, "images", None), getattr(dataset, "labels", None)
        if isinstance(images, np.ndarray) and images.dtype == np.uint8 and images.ndim == 4 and labels is not None:
            # The arrays of MNIST's files are read-only; torch warns, and nothing here writes to them.
            pixels = torch.from_numpy(images if images.flags.writeable else images.copy())
            if pixels.shape[3] == 1 and spec.channels == 3:
                pixels = pixels.expand(-1, -1, -1, 3)
            source: Source = MemorySource(pixels, torch.from_numpy(np.array(labels, np.int64)))
        else:
            stream = StreamSource(dataset, spec, workers=self.num_workers, skip_bad=self.skip_bad)
            fits = len(dataset) * spec.height * spec.width * spec.channels <= self.memory_bytes
            source = stream.read_all() if fits else stream
        if isinstance(source, MemorySource):
            used = source.labels[source.labels != BAD]
            if len(used) == 0 or int(used.min()) < 0 or int(used.max()) >= len(spec.classes):
                raise UserError(
                    f"data set '{self.dataset_name}' breaks the contract: the labels of its {split} split must be "
                    f"0 to {len(spec.classes) - 1}"
                )
        return source

    def _split_train_if_needed(self) -> None:
        try:
            self.opened("val")
        except NoSplitError:
            self._split_train()

    def _split_train(self) -> None:
        """Take ``val`` out of ``train``, by labels and a fixed seed."""
        dataset = self.opened("train")
        whole: Source = self._sources.get("train") or self._whole("train", dataset)
        train, val = stratified_split(inspection.labels(dataset, whole), [self.val_fraction])
        if len(train) == 0 or len(val) == 0:
            raise UserError(
                f"data set '{self.dataset_name}' has {len(dataset)} training images, too few to keep "
                f"data.val_fraction {self.val_fraction} of them for validation; add images or a val split"
            )
        self._sources["train"], self._sources["val"] = whole.subset(train), whole.subset(val)


def _parse_size(size: int | tuple[int, int] | str) -> tuple[int, int]:
    try:
        sides = size.split(",") if isinstance(size, str) else [size] if isinstance(size, int) else list(size)
        numbers = [int(side) for side in sides]
    except ValueError:
        numbers = []
    if len(numbers) not in (1, 2) or min(numbers) < 1:
        raise UserError(f"data.image_size is '{size}'; allowed is N or H,W in pixels, such as 32 or 32,48")
    return numbers[0], numbers[-1]


def _differing_classes(name: str, split: str, found: Sequence[str], expected: Sequence[str]) -> str:
    extra = [word for word in found if word not in expected]
    missing = [word for word in expected if word not in found]
    detail = f"not expected: {', '.join(extra) or 'none'}; missing: {', '.join(missing) or 'none'}"
    if not extra and not missing:
        detail = "the same names in another order"
    return f"the classes of the {split} split of '{name}' differ from those of the model's training data ({detail})"
