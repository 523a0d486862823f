"""Whole trainings by other means, which ``zoo bench --against`` compares zoo with: the same network and data.

    python -m zoo.cli.peers loop|lightning BATCHES [options of zoo fit]

``loop`` is what a careful user writes by hand (zoo.cli.loop). ``lightning`` is the usual LightningModule: torchvision's
transforms on each image, a DataLoader with as many workers as zoo has, torchmetrics' accuracy in each step, Lightning's
own logger, checkpoints and progress bar. Both train twice; the first time warms up, the second is measured.
"""

from __future__ import annotations

import sys
import tempfile
import time
from typing import Any

import lightning.pytorch as pl
import torch
from torch import Tensor, nn
from torch.utils.data import DataLoader, Dataset
from torchmetrics.classification import MulticlassAccuracy
from torchvision.transforms import v2

from zoo.cli.loop import train_by_hand
from zoo.cli.speed import BenchCLI
from zoo.config.resolve import resolve
from zoo.core.spec import InputSpec
from zoo.data.sources import MemorySource
from zoo.images.preprocess import Preprocess


def loop(cli: BenchCLI, batches: int) -> float:
    """Train by hand; return images per second."""
    source = cli.datamodule.source("train")
    if not isinstance(source, MemorySource):
        raise TypeError(f"the loop needs data in memory, received {type(source).__name__}")
    with torch.no_grad():
        images = torch.cat([Preprocess(cli.model.spec)(part) for part in torch.split(source.images[source.rows], 1024)])
    images, labels = images.to(cli.device), source.labels[source.rows].to(cli.device)
    network, optimizer, size = cli.model.network.train(), cli.model.build_optimizer(), cli.datamodule.batch_size
    train_by_hand(network, optimizer, images, labels, size, batches)
    return train_by_hand(network, optimizer, images, labels, size, batches)


class _Transformed(Dataset[tuple[Tensor, int]]):
    """The images of a data set, each through torchvision's transforms."""

    def __init__(self, dataset: Any, spec: InputSpec) -> None:
        self.dataset = dataset
        self.transform = v2.Compose(
            [
                v2.ToImage(),
                v2.Resize((spec.height, spec.width)),
                v2.ToDtype(torch.float32, scale=True),
                v2.Normalize(list(spec.mean), list(spec.std)),
            ]
        )

    def __len__(self) -> int:
        return len(self.dataset)

    def __getitem__(self, index: int) -> tuple[Tensor, int]:
        image, label = self.dataset[index]
        return self.transform(image), label


class _Usual(pl.LightningModule):
    """The LightningModule of most tutorials."""

    def __init__(self, cli: BenchCLI) -> None:
        super().__init__()
        self.network, self.cli = cli.model.network, cli
        self.accuracy = MulticlassAccuracy(len(cli.model.spec.classes), average="micro")
        self.begin, self.count, self.speed = 0.0, 0, 0.0

    def training_step(self, batch: tuple[Tensor, Tensor], batch_idx: int) -> Tensor:
        images, labels = batch
        logits = self.network(images)
        loss = nn.functional.cross_entropy(logits, labels)
        self.accuracy(logits, labels)
        self.log("train_loss", loss, prog_bar=True)
        self.log("train_accuracy", self.accuracy, prog_bar=True)
        self.count += len(labels)
        return loss

    def on_train_epoch_start(self) -> None:
        self.begin, self.count = time.perf_counter(), 0

    def on_train_epoch_end(self) -> None:
        self.speed = self.count / (time.perf_counter() - self.begin)

    def configure_optimizers(self) -> Any:
        return self.cli.model.build_optimizer()


def lightning(cli: BenchCLI, batches: int) -> float:
    """Train as most tutorials do; return images per second."""
    data = cli.datamodule
    data.source("train")
    loader: DataLoader[Any] = DataLoader(
        _Transformed(data.opened("train"), cli.model.spec),
        batch_size=data.batch_size,
        shuffle=True,
        drop_last=True,
        num_workers=data.num_workers,
        persistent_workers=data.num_workers > 0,
    )
    with tempfile.TemporaryDirectory(prefix="zoo-peer-") as folder:
        trainer = pl.Trainer(
            max_epochs=2,
            limit_train_batches=batches,
            default_root_dir=folder,
            precision=cli.config.trainer.precision,
            enable_model_summary=False,
        )
        module = _Usual(cli)
        trainer.fit(module, loader)
    return module.speed


def main() -> None:
    """Measure the peer that the first argument names, and print images per second."""
    name, batches, *args = sys.argv[1:]
    cli = BenchCLI("bench", resolve(args), None)
    print({"loop": loop, "lightning": lightning}[name](cli, int(batches)))


if __name__ == "__main__":
    main()
