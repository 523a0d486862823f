"""ImageData: opens a registered data set and serves its splits as uint8 batches. No Lightning.

    name ─► data set ─► source (array in memory, or workers) ─► loader (order, augmentation) ─► batches
                  └───► InputSpec: classes, channels, size, mean, std

Data that fits in ``memory_gib`` is held as one uint8 array and served in whole batches; larger data streams.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from functools import partial
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from zoo.core import registry
from zoo.core.errors import NoSplitError, UserError
from zoo.core.spec import Fit, InputSpec
from zoo.data import inspection
from zoo.data.augmentation import Augmentation
from zoo.data.augmentation_setting import Setting, build_augmentation, parse_setting, title
from zoo.data.contract import Split, require_labels
from zoo.data.default_augmentation import default_augmentation
from zoo.data.feature_source import FeatureSource
from zoo.data.input_options import InputOptions, parse_size, require_least
from zoo.data.item_reader import BAD
from zoo.data.loader import Loader, require_images
from zoo.data.opening import open_source
from zoo.data.placement import Place, default_workers
from zoo.data.root import default_root
from zoo.data.sources import MemorySource, Source, StreamSource
from zoo.data.split import SPLIT_SEED
from zoo.data.split_options import NewImages, SplitOptions
from zoo.data.splits import DatasetSplits


class ImageData:
    """The splits of any registered data set.

    Args:
        dataset: a registered name, or ``{"name": ..., option: value, ...}``.
        root: where the data lives; by default ``$ZOO_DATA_ROOT``, else a folder in the user's cache.
        image_size: pixels the network sees, ``N`` or ``H,W``; by default the data set's own.
        batch_size: images in a batch of one process.
        global_batch: images in a batch of all processes together, however many there are, in place of batch_size.
        augmentation: of training images: a name that ``zoo list augmentations`` shows, the class path of a transform of
            torchvision.transforms.v2, ``{"name": ..., option: value}``, or a list of these; none; crop_flip for crop
            and flip. By default the data decides: photographs get random_resized_crop and flip, digits no flip.
        views: where frozen layers come first, run them once on so many views of each image, each drawn as augmentation
            draws it, and let epochs take the views in turn. Flips alone are kept both without this.
        val_fraction: share of the images that becomes ``val`` where the data set has none.
        test_fraction: share that becomes ``test`` where the data set has none; by default a tenth of a data set that
            has no splits at all, such as class folders alone, and nothing of others.
        split_seed: with an image's path it decides the split, whatever other images there are. Arrays, which have no
            paths, are drawn by count within each class, as everything is with null.
        group: keep images of a group in one split: a regular expression on the path, of which the first group (or the
            whole match) names the image's group; or a column of the data set.
        split: take that of a run, of a table with the columns path and split, or of train.txt, val.txt ... in a folder.
        folds: number of folds for cross-validation; ``zoo fit --folds N`` trains all.
        fold: the fold that is the test split, from 1; val is drawn from the others.
        new_images: train gives images that ``split`` does not list to train and val; default: leave_out, unless
            ``--model.weights`` is of the same run.
        memory_gib: data of up to so many GiB is held in memory, larger data is read by workers; 0 always streams.
        num_workers: processes that read images; by default one a core, at most 8, or 32 with a GPU.
        device: auto keeps small data sets on the GPU that trains, in a quarter of its free memory; cpu keeps none.
        balanced: serve each class equally often in training, in an epoch of as many images; rare ones come again.
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
        global_batch: int | None = None,
        augmentation: list[str | dict[str, Any]] | dict[str, Any] | str | None = None,
        views: int | None = None,
        val_fraction: float = 0.1,
        test_fraction: float | None = None,
        split_seed: int | None = SPLIT_SEED,
        group: str | None = None,
        split: str | None = None,
        folds: int | None = None,
        fold: int | None = None,
        new_images: NewImages | None = None,
        memory_gib: float = 2.0,
        num_workers: int | None = None,
        device: Place = "auto",
        balanced: bool = False,
        skip_bad: bool = False,
        resize: Fit | None = None,
        channels: int | None = None,
        seed: int = 0,
        spec: InputSpec | None = None,
        like: InputSpec | None = None,
    ) -> None:
        super().__init__()  # a LightningDataModule's, where it is one
        require_least(1, batch_size=batch_size, global_batch=global_batch, views=views)
        require_least(0, memory_gib=memory_gib, num_workers=num_workers)
        rule = SplitOptions(val_fraction, test_fraction, split_seed, group, split, folds, fold, new_images)
        parse_setting("none" if augmentation is None else augmentation)
        self.dataset_options = {"name": dataset} if isinstance(dataset, str) else dict(dataset)
        self.dataset_name: str = self.dataset_options.pop("name")
        self.root = default_root() if root is None else Path(root)
        self.wanted = InputOptions(None if image_size is None else parse_size(image_size), resize, channels)
        self.batch_size, self.global_batch = batch_size, global_batch
        self.augmentation, self.views = augmentation, views
        self.memory_bytes = memory_gib * 2**30
        self.num_workers, self.place = default_workers() if num_workers is None else num_workers, device
        self.balanced, self.skip_bad, self.seed = balanced, skip_bad, seed
        if spec is not None:
            self.wanted.require_spec(spec)
        self._spec, self._geometry, self._like = spec, spec, like
        self.splits = DatasetSplits(self.dataset_name, self.root, rule, self._build)
        self.splits.read_whole = self._training_whole
        self.splits.classes = None if spec is None else spec.classes
        self._sources: dict[Split, Source] = {}
        self._whole: Source | None = None
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
        """Return one of the data set's own splits, images as they are.

        Raises:
            NoSplitError, DownloadError: there is no such split, or files are missing.
            UserError: the split is empty, its classes differ from the others', or the data set breaks its contract.
        """
        return self.splits.opened(split)

    def source(self, split: Split) -> Source:
        """Return where a split's pixels come from, opening it at the first use.

        Raises:
            NoSplitError: there is no such split and none is drawn.
            ImageError: an image is damaged and skip_bad is off.
            DownloadError, UserError: as ``opened``; a split cannot be drawn.
        """
        if split not in self._sources:
            dataset, items = self.splits.items(split)
            source = self._streamed(dataset) if items is None else self._training_whole().subset(items)
            self._sources[split] = self._held(split, source)
        return self._sources[split]

    def paths(self, split: Split) -> list[str] | None:
        """Return the file of each item of a split, in the order of its source; None where the data set has no files.

        Loaders of val and test serve images in this order, without the damaged ones. Errors as ``source``.
        """
        return self.splits.paths(split)

    def has(self, split: Split) -> bool:
        """Tell whether there is such a split, the data set's own or a drawn one; errors as ``source``."""
        try:
            self.splits.items(split)
        except NoSplitError:
            return False
        return True

    def replace_source(self, split: Split, source: Source) -> None:
        """Serve a split from another source of as many items: features of its images, for example."""
        self._sources[split] = source

    def loader(self, split: Split, *, rank: int = 0, world_size: int = 1) -> Loader:
        """Return a split's batches: of training shuffled and augmented anew each epoch, else in order, as they are.

        Args:
            split: train, val or test.
            rank: number of this process among those that share each epoch.
            world_size: number of these.

        Raises:
            UserError: the training split has fewer images than a batch; others as ``source``.
        """
        source = self.source(split)
        size = self.batch_size if self.global_batch is None else -(-self.global_batch // world_size)
        loader = partial(Loader, batch_size=size, seed=self.seed, rank=rank, world_size=world_size)
        if split != "train":
            return loader(source)
        require_images(self.dataset_name, len(source), self.batch_size, self.global_batch)
        source, augmentation = self.augmented_source("train")
        if isinstance(source, StreamSource):
            source = self._training_source = source.for_training()
        loader = partial(loader, shuffle=True, global_batch=self.global_batch)
        return loader(source, augmentation=augmentation or None, balance=self.train_labels() if self.balanced else None)

    def augmented_source(self, split: Split) -> tuple[Source, Augmentation]:
        """Return a split's images as training changes them: a source that takes the augmentation's steps, and the rest.

        Raises:
            UserError: the augmentation cannot change such images; others as ``source``.
        """
        source, spec = self.source(split), self._require_geometry()
        if isinstance(source, FeatureSource):
            return source, Augmentation()
        augmentation = build_augmentation(self.augmentation_setting(), spec)
        if self.views is not None and not augmentation:
            raise UserError(f"data.views is {self.views}, but data.augmentation changes nothing; leave one out")
        if augmentation.cuts_whole:
            dataset, items = self.splits.items(split)
            source = self._streamed(dataset) if items is None else self._streamed(dataset).subset(items)
        if isinstance(source, MemorySource) and augmentation.steps:
            source = source.streamed(spec, self.num_workers)
        if not isinstance(source, StreamSource):
            return source, augmentation
        held = sum(other.images.nbytes for other in self._sources.values() if isinstance(other, MemorySource))
        return source.quickly(augmentation, int(self.memory_bytes) - held), augmentation

    def stop_workers(self) -> None:
        """Stop the worker processes that live on between epochs; another pass over training images starts its own."""
        if self._training_source is not None:
            self._training_source.stop_workers()

    def train_labels(self) -> Tensor:
        """Return the training split's labels, int64 ``(count,)``; BAD for images that were found damaged."""
        if self._train_labels is None:
            source = self.source("train")
            if isinstance(source, MemorySource):
                self._train_labels = source.labels[source.rows]
            else:
                labels, (_, items) = self.splits.labels, self.splits.items("train")
                self._train_labels = torch.from_numpy(labels if items is None else labels[items])
        return self._train_labels

    def augmentation_setting(self) -> Setting:
        """Return what changes training images: what is asked for, else the data set's own."""
        own = self.augmentation
        return default_augmentation(self.splits.any_opened(), self._require_geometry()) if own is None else own

    def augmentation_name(self) -> str:
        """Return that in one line."""
        return title(self.augmentation_setting())

    def _require_geometry(self) -> InputSpec:
        """Return the spec without the real mean and standard deviation, which need pixels."""
        if self._geometry is None:
            self._geometry = inspection.geometry(self.splits, self.wanted, self._like, self.num_workers)
        return self._geometry

    def _build(self, split: Split) -> Any:
        options = self.wanted.dataset_options(self.dataset_name, self.dataset_options)
        return registry.call("dataset", self.dataset_name, (self.root, split), options)

    def _streamed(self, dataset: Any, memory_bytes: float = 0) -> Source:
        """Return the source of a whole data set: an array, or files of which none is read yet."""
        spec, workers, others = self._require_geometry(), self.num_workers, partial(self.splits.others, dataset)
        if hasattr(dataset, "white_level"):
            dataset.white_level = spec.white_level
        options: dict[str, Any] = {"workers": workers, "skip_bad": self.skip_bad, "other_splits": others}
        place = self.splits.place(dataset)
        return open_source(dataset, spec, memory_bytes=memory_bytes, place=place, **options)

    def _training_whole(self) -> Source:
        """Return the source of all training items, before splits are drawn from them."""
        if self._whole is None:
            dataset = self.opened("train")
            # Where the data set does not list its labels, reading every image once gives them too.
            limit = 0 if hasattr(dataset, "labels") else self.memory_bytes
            self._whole = self._streamed(dataset, limit)
        return self._whole

    def _held(self, split: Split, source: Source) -> Source:
        """Return the source of a split as one array where it fits in memory."""
        spec = self._require_geometry()
        size = len(source) * spec.height * spec.width * spec.channels
        if isinstance(source, StreamSource) and size <= self.memory_bytes:
            source = source.read_all()
        if isinstance(source, MemorySource):
            labels = source.labels[source.rows]
            require_labels(self.dataset_name, split, labels[labels != BAD], len(spec.classes))
        return source
