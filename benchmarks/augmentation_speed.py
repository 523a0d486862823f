"""Augmented photographs by zoo's loader, against torchvision's v2 transforms in a DataLoader with as many workers.

    python benchmarks/augmentation_speed.py FOLDER [--workers 2] [--rounds 5] [--passes 2] [--memory_gib 2]

FOLDER holds ``train/<class>/*.jpg`` and ``val/<class>/*.jpg``. Of the first, both give random_resized_crop, flip and
randaugment at 224 pixels in batches of 32 of uint8, with workers that live on. torchvision's ImageFolder opens files by
Pillow, and its transforms work on PIL images, which takes less time than on tensors. The first pass of each, in which
zoo decodes the files and both start their workers, is reported apart. Then the two alternate in each round.
"""

from __future__ import annotations

import argparse
import platform
import statistics
import time
from collections.abc import Callable, Iterable, Sequence
from pathlib import Path

import torch
import torchvision
from torch.utils.data import DataLoader
from torchvision.transforms import v2

from zoo.data.image_data import ImageData

SIDE, BATCH = 224, 32


def zoo_epochs(root: Path, workers: int, memory_gib: float) -> Callable[[], Iterable[Sequence[torch.Tensor]]]:
    """Return what gives an iterable over the batches of the next epoch."""
    options = {"image_size": SIDE, "batch_size": BATCH, "num_workers": workers, "memory_gib": memory_gib}
    options["augmentation"] = ["random_resized_crop", "flip", "randaugment"]
    data = ImageData("folder", root, **options)
    loader = data.loader("train")

    def epoch() -> Iterable[Sequence[torch.Tensor]]:
        loader.sampler.set_epoch(loader.sampler.epoch + 1)
        return loader

    return epoch


def torchvision_epochs(root: Path, workers: int) -> Callable[[], Iterable[Sequence[torch.Tensor]]]:
    """Return the same for torchvision."""
    steps = [v2.RandomResizedCrop(SIDE), v2.RandomHorizontalFlip(), v2.RandAugment(), v2.PILToTensor()]
    images = torchvision.datasets.ImageFolder(str(root / "train"), v2.Compose(steps))
    loader = DataLoader(images, BATCH, shuffle=True, num_workers=workers, persistent_workers=workers > 0)
    return lambda: loader


def speed(epoch: Callable[[], Iterable[Sequence[torch.Tensor]]], passes: int) -> float:
    """Return images per second of some passes."""
    begin, count = time.perf_counter(), 0
    for _ in range(passes):
        count += sum(len(labels) for _, labels in epoch())
    return count / (time.perf_counter() - begin)


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("folder", type=Path)
    parser.add_argument("--workers", type=int, default=2)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--passes", type=int, default=2)
    parser.add_argument("--memory_gib", type=float, default=2.0)
    options = parser.parse_args()
    peers = {
        "zoo": zoo_epochs(options.folder, options.workers, options.memory_gib),
        "torchvision": torchvision_epochs(options.folder, options.workers),
    }
    print("first pass:", {name: f"{speed(epoch, 1):.0f} images/s" for name, epoch in peers.items()})
    rounds = []
    for number in range(options.rounds):
        order = list(peers.items())[:: 1 if number % 2 == 0 else -1]
        rounds.append({name: speed(epoch, options.passes) for name, epoch in order})
        shown = {name: f"{value:.0f} images/s" for name, value in rounds[-1].items()}
        print(f"round {number + 1}: {shown}", flush=True)
    ratios = [figures["zoo"] / figures["torchvision"] for figures in rounds]
    print(
        f"zoo / torchvision: {statistics.mean(ratios):.2f} ({min(ratios):.2f} to {max(ratios):.2f}), n = {len(ratios)}"
    )
    versions = f"torch {torch.__version__}, torchvision {torchvision.__version__}, {platform.machine()}"
    print(f"{options.workers} workers, {versions}")


if __name__ == "__main__":
    main()
