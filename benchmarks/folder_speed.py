"""Photographs into a network at 224 pixels: zoo's data path against torchvision's, images per second.

    python benchmarks/folder_speed.py FOLDER [--workers 2] [--rounds 5] [--seconds 5]

FOLDER holds ``train/<class>/*.jpg``. Both scale the shorter side to 256, cut out the centre 224, batch 32 and give
normalised float32 ``(batch, 3, 224, 224)`` in the main process. torchvision's is ImageFolder, transforms v2 on each
image in the workers and DataLoader; zoo's is ImageDataModule, streaming, and Preprocess on the batch, channels last, as
``zoo fit`` has them, in a process set up as its own. They alternate, each in a process of its own.
"""

from __future__ import annotations

import argparse
import platform
import statistics
import subprocess
import sys
import time
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

import torch
from torch import Tensor
from torch.utils.data import DataLoader, Subset
from torchvision.datasets import ImageFolder
from torchvision.transforms import v2

import zoo
from zoo.core.spec import InputSpec, Resize
from zoo.data.datamodule import ImageDataModule
from zoo.images.preprocess import Preprocess
from zoo.training.fast_settings import keep_freed_memory

MEAN, STD = (0.485, 0.456, 0.406), (0.229, 0.224, 0.225)
BATCH_SIZE = 32


def readable(folder: ImageFolder) -> list[int]:
    """Return the items that can be read: torchvision stops at the first damaged one."""
    found = []
    for index, (path, _) in enumerate(folder.samples):
        try:
            folder.loader(path)
        except OSError:
            continue
        found.append(index)
    return found


def by_torchvision(root: Path, workers: int) -> Iterable[Any]:
    """Return batches as most tutorials make them."""
    transform = v2.Compose(
        [
            v2.Resize(256),
            v2.CenterCrop(224),
            v2.ToImage(),
            v2.ToDtype(torch.float32, scale=True),
            v2.Normalize(MEAN, STD),
        ]
    )
    folder = ImageFolder(str(root / "train"), transform)
    return DataLoader(Subset(folder, readable(folder)), BATCH_SIZE, shuffle=True, num_workers=workers)


def by_zoo(root: Path, workers: int) -> Iterable[Any]:
    """Return batches as ``zoo fit --data folder`` makes them."""
    like = InputSpec(("a", "b"), 3, 224, 224, MEAN, STD, Resize(0.875))
    data = ImageDataModule(
        "folder", root, memory_gib=0, num_workers=workers, augmentation="none", skip_bad=True, like=like
    )
    loader, preprocess = data.train_dataloader(), Preprocess(data.spec, torch.channels_last)

    class Normalised:
        def __iter__(self) -> Iterator[tuple[Tensor, Tensor]]:
            for images, labels in loader:
                yield preprocess(images), labels

    return Normalised()


PEERS = {"torchvision": by_torchvision, "zoo": by_zoo}


def speed(name: str, root: Path, workers: int, seconds: float) -> float:
    """Return images per second over whole epochs, the start of workers included, the first epoch left out."""
    if name == "zoo":
        keep_freed_memory()
    batches = PEERS[name](root, workers)
    for _ in batches:
        pass
    count, begin = 0, time.perf_counter()
    while time.perf_counter() - begin < seconds:
        for images, _ in batches:
            if images.shape[1:] != (3, 224, 224) or images.dtype != torch.float32:
                raise ValueError(f"received {images.dtype} {tuple(images.shape)}")
            count += len(images)
    return count / (time.perf_counter() - begin)


def main() -> None:
    """Measure, and print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("folder", type=Path)
    parser.add_argument("--workers", type=int, default=2)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--seconds", type=float, default=5.0)
    options = parser.parse_args()
    found = []
    for _ in range(options.rounds):
        measured = []
        for name in PEERS:
            words = f"{name!r}, Path({str(options.folder.absolute())!r}), {options.workers}, {options.seconds}"
            code = f"from folder_speed import *; print(speed({words}))"
            done = subprocess.run(
                [sys.executable, "-c", code], cwd=Path(__file__).parent, capture_output=True, check=True
            )
            measured.append(float(done.stdout))
        found.append(tuple(measured))
        print(f"torchvision {found[-1][0]:,.0f}, zoo {found[-1][1]:,.0f} images per second", flush=True)
    ratios = [ours / theirs for theirs, ours in found]
    print(
        f"zoo {zoo.__version__}, torch {torch.__version__}, {platform.machine()}, {options.workers} workers, ", end=""
    )
    print(f"n = {options.rounds}: {statistics.median(ratios):.2f} ({min(ratios):.2f} to {max(ratios):.2f}) times")


if __name__ == "__main__":
    main()
