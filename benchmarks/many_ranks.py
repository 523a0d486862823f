"""The loaders of 64 processes on one machine: does each image of an epoch come once, and what does the order cost?

    python benchmarks/many_ranks.py [--images 1281167] [--ranks 64] [--batch_size 32]

Every process's own Loader serves its epoch, one process after the other; an image is a single pixel, and its label is
its number. The seconds are those of one process's order and of the choices of its augmentation, for the whole epoch.
"""

from __future__ import annotations

import argparse
import statistics
import time

import torch

from zoo.data.augmentation import Augmentation
from zoo.data.loader import Loader
from zoo.data.sources import MemorySource


def main() -> None:
    """Serve an epoch to every rank, and compare."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--images", type=int, default=1_281_167, help="of ImageNet's training split")
    parser.add_argument("--ranks", type=int, default=64)
    parser.add_argument("--batch_size", type=int, default=32)
    options = parser.parse_args()
    source = MemorySource(torch.zeros(options.images, 1, 1, 1, dtype=torch.uint8), torch.arange(options.images))
    times = torch.zeros(options.images, dtype=torch.int16)
    seconds, steps = [], set()
    for rank in range(options.ranks):
        loader = Loader(
            source,
            options.batch_size,
            augmentation=Augmentation(flip=True),
            shuffle=True,
            seed=0,
            rank=rank,
            world_size=options.ranks,
        )
        loader.sampler.set_epoch(3)
        begin = time.perf_counter()
        batches = iter(loader)
        served = [next(batches)[1]]
        seconds.append(time.perf_counter() - begin)
        served += [labels for _, labels in batches]
        steps.add(len(served))
        times += torch.bincount(torch.cat(served), minlength=options.images).short()
    counts = torch.bincount(times.long()).tolist()
    print(f"{options.images:,} images, {options.ranks} ranks, {options.batch_size} images a batch in each")
    print(f"steps of a rank: {', '.join(f'{count:,}' for count in sorted(steps))}")
    for often, count in enumerate(counts):
        print(f"served {often} times: {count:,} images")
    print(f"until the first batch: {statistics.median(seconds):.2f} s ({min(seconds):.2f} to {max(seconds):.2f})")


if __name__ == "__main__":
    main()
