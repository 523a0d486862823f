"""Runs frozen layers once, before the first epoch; training and validation then start from their output.

every image ──► frozen prefix ──► features: in memory, or in a file past a limit ──► batches ──► layers that train
"""

from __future__ import annotations

import math
import time
from contextlib import suppress

import torch
from lightning.pytorch import LightningModule, Trainer
from lightning.pytorch.callbacks import Callback
from torch import Tensor

from zoo.core.console import print_stderr
from zoo.data.contract import Split
from zoo.data.datamodule import ImageDataModule
from zoo.data.loader import Loader
from zoo.data.sources import MemorySource, Source
from zoo.models.frozen_prefix import FrozenPrefix, NoPrefix
from zoo.models.head import NoHead, find_head
from zoo.models.head_prefix import HeadPrefix, Prefix
from zoo.training.feature_store import FeatureStore
from zoo.training.optim import planned_steps
from zoo.training.task import ImageClassifier


class FeatureCache(Callback):
    """Trains on the stored output of frozen layers, and prints in one line that it does so, or why not.

    It does so where every image gives the same features in every epoch, and training uses it more than once.

    Args:
        done_steps: optimizer steps that a resumed run has done.
    """

    def __init__(self, done_steps: int = 0) -> None:
        self.done_steps = done_steps
        self._replaced: dict[Split, Source] = {}

    def on_fit_start(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """Compute the features, and let the loaders serve them in place of images."""
        data = trainer.datamodule  # type: ignore[attr-defined]  # set by a connector
        if not isinstance(pl_module, ImageClassifier) or not isinstance(data, ImageDataModule) or not pl_module.frozen:
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
        if trainer.world_size > 1:
            raise NoPrefix("several processes train")
        if loader.augmentation is not None:
            raise NoPrefix("augmentation changes their input (--data.augmentation none lets them run once)")
        if classifier.mixer is not None:
            raise NoPrefix("mixup and cutmix change their input in every epoch")
        if classifier.distillation is not None:
            raise NoPrefix("the teacher sees the images in every epoch")
        if planned_steps(trainer, len(loader)) <= math.ceil(len(loader) / trainer.accumulate_grad_batches):
            raise NoPrefix("training is no longer than one pass over the images")
        begin = time.perf_counter()
        splits: tuple[Split, ...] = ("train", "val")
        sources = {split: data.source(split) for split in splits}
        with trainer.precision_plugin.forward_context():
            [(images, _)] = sources["train"].fetch([torch.arange(min(2, len(loader.source)))])
            inputs = classifier.preprocess(images.to(classifier.device))
            prefix = _prefix(classifier, inputs)
            store = FeatureStore(prefix, classifier, data.memory_bytes, str(trainer.precision))
            features = store.fill(sources, loader.batch_size)
        for split, (values, labels) in features.items():
            self._replaced[split] = sources[split]
            data.replace_source(split, MemorySource(values, labels))
        classifier.prefix = prefix
        counts = " and ".join(f"{len(source):,} {split}" for split, source in sources.items())
        print_stderr(
            f"the frozen layers ran once, for {counts} images ({time.perf_counter() - begin:.1f} s): their output, "
            f"{store.bytes / 2**20:,.1f} MiB, is {store.place}"
        )


def _prefix(classifier: ImageClassifier, inputs: Tensor) -> Prefix:
    """Return the network in two parts, by what its last layer gets where that alone trains, else by tracing."""
    network, frozen = classifier.network, classifier.frozen
    with suppress(NoHead):
        head = find_head(network, classifier.spec)
        if head.trains_alone(network):
            return HeadPrefix(network, frozen, head, inputs)
    return FrozenPrefix(network, frozen, inputs)
