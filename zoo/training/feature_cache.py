"""Runs frozen layers once, before the first epoch; training and validation then start from their output.

views of every image ──► frozen prefix ──► features: in memory, or in a file past a limit ──► batches ──► rest
"""

from __future__ import annotations

import math
import time
from collections.abc import Mapping
from contextlib import suppress

import torch
from lightning.pytorch import LightningModule, Trainer
from lightning.pytorch.callbacks import Callback
from torch import Tensor

from zoo.core.console import print_stderr
from zoo.data.augmentation import Augmentation
from zoo.data.contract import Split
from zoo.data.datamodule import ImageDataModule
from zoo.data.feature_source import FeatureSource
from zoo.data.loader import Loader
from zoo.data.sources import Source
from zoo.data.views import view_source
from zoo.models.frozen_prefix import FrozenPrefix, NoPrefix
from zoo.models.head import NoHead, find_head
from zoo.models.head_prefix import HeadPrefix, Prefix
from zoo.training.feature_store import FeatureStore
from zoo.training.optim import planned_steps
from zoo.training.task import ImageClassifier

#: Views of an image that is only flipped.
FLIPS = 2


class FeatureCache(Callback):
    """Trains on the stored output of frozen layers, and prints in one line that it does so, or why not.

    It does so where every image gives the same features in every epoch, and training uses it more than once; of images
    that are flipped, both features are stored, and of images that are changed otherwise those of data.views views.

    Args:
        done_steps: optimizer steps that a resumed run has done.
    """

    def __init__(self, done_steps: int = 0) -> None:
        self.done_steps = done_steps
        self._replaced: dict[Split, Source] = {}

    def on_fit_start(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """Compute the features, and let the loaders serve them in place of images."""
        data = trainer.datamodule  # type: ignore[attr-defined]  # set by a connector
        if not isinstance(pl_module, ImageClassifier) or not isinstance(data, ImageDataModule):
            return
        if not pl_module.frozen:
            if data.views is not None:
                print_stderr(f"data.views {data.views} does nothing: no layer is frozen (--model.freeze)")
            return
        if pl_module.has_own_step:
            print_stderr("the frozen layers run in every epoch: the task says itself what a step does with images")
            return
        loader = data.train_dataloader()
        if planned_steps(trainer, len(loader)) <= self.done_steps:
            return  # nothing is left to train
        try:
            self._serve_features(trainer, pl_module, data, loader)
        except NoPrefix as reason:
            print_stderr(f"the frozen layers run in every epoch: {reason}")

    def on_exception(self, trainer: Trainer, pl_module: LightningModule, exception: BaseException) -> None:
        """Let the loaders serve images again, as after a fit that succeeds."""
        self.teardown(trainer, pl_module, "fit")

    def teardown(self, trainer: Trainer, pl_module: LightningModule, stage: str) -> None:
        """Let the loaders serve images again."""
        for split, source in self._replaced.items():
            trainer.datamodule.replace_source(split, source)  # type: ignore[attr-defined]  # set by a connector
        self._replaced = {}
        if isinstance(pl_module, ImageClassifier):
            pl_module.prefix = None

    def _serve_features(
        self, trainer: Trainer, classifier: ImageClassifier, data: ImageDataModule, loader: Loader
    ) -> None:
        views = _views(data, loader)
        if classifier.mixer is not None:
            off = "" if data.views is None else f", so data.views {data.views} does nothing"
            raise NoPrefix(f"mixup and cutmix change their input in every epoch{off}")
        if classifier.distillation is not None:
            raise NoPrefix("the teacher sees the images in every epoch")
        passes = views * trainer.world_size  # each process computes all features: its images differ in each epoch
        if planned_steps(trainer, len(loader)) <= passes * math.ceil(len(loader) / trainer.accumulate_grad_batches):
            whole = "one pass over the images" if views == 1 else f"the {views} views of each image"
            each = "" if trainer.world_size == 1 else f" in each of {trainer.world_size} processes"
            raise NoPrefix(f"training is no longer than {whole}{each}")
        begin = time.perf_counter()
        splits: tuple[Split, ...] = ("train", "val")
        originals = {split: data.source(split) for split in splits}
        sources = dict(originals)
        if loader.augmentation is not None:
            sources["train"] = view_source(data, "train", views)
        with trainer.precision_plugin.forward_context():
            [(images, _)] = sources["train"].fetch([torch.arange(min(2, len(loader.source)))])
            inputs = classifier.preprocess(images.to(classifier.device))
            prefix = split_network(classifier, inputs)
            store = FeatureStore(prefix, classifier, data.memory_bytes, str(trainer.precision))
            try:
                features = store.fill(sources, loader.batch_size)
            except NoPrefix as reason:
                fewer = "" if data.views is None else _fewer_views(store, originals, views)
                raise NoPrefix(f"{reason}{fewer}") from reason
        for split, (values, labels) in features.items():
            self._replaced[split] = originals[split]
            data.replace_source(
                split, FeatureSource(values, labels, views if split == "train" else 1, originals[split])
            )
        classifier.prefix = prefix
        shown = "" if views == 1 else f" in {views} views"
        counts = f"{len(originals['train']):,} train{shown} and {len(originals['val']):,} val"
        print_stderr(
            f"the frozen layers ran once, for {counts} images ({time.perf_counter() - begin:.1f} s): their output, "
            f"{store.bytes / 2**20:,.1f} MiB, is {store.place}"
        )


def split_network(classifier: ImageClassifier, inputs: Tensor) -> Prefix:
    """Return the network in two parts, by what its last layer gets where that alone trains, else by tracing."""
    network, frozen = classifier.network, classifier.frozen
    with suppress(NoHead):
        head = find_head(network, classifier.spec)
        if head.trains_alone(network):
            return HeadPrefix(network, frozen, head, inputs)
    return FrozenPrefix(network, frozen, inputs)


def _views(data: ImageDataModule, loader: Loader) -> int:
    """Return how many views of each training image there are; NoPrefix where each epoch draws others."""
    if loader.augmentation is None:
        return 1
    if data.views is not None:
        return data.views
    if loader.augmentation == Augmentation(flip=True):
        return FLIPS
    raise NoPrefix(
        "augmentation changes their input (--data.augmentation none or flip lets them run once, --data.views N on N "
        "views of each image)"
    )


def _fewer_views(store: FeatureStore, originals: Mapping[Split, Source], views: int) -> str:
    """Say how many views would fit in memory, where fewer would."""
    row = store.bytes / (views * len(originals["train"]) + len(originals["val"]))
    fitting = int((store.limit / row - len(originals["val"])) // len(originals["train"])) if row else 0
    return f"; --data.views {fitting} fits into data.memory_gib" if 1 <= fitting < views else ""
