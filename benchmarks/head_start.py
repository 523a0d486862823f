"""A network trained on five classes of CIFAR-10, fine-tuned on the other five: last layer solved against fresh.

    python benchmarks/head_start.py ROOT [--images 5000] [--epochs 10] [--tuning_epochs 10] [--seeds 5] [--lr RATE]

ROOT holds CIFAR-10 as `--data cifar10 --data.root ROOT` reads it. The network, LeNet-5, trains on ``--images`` images
of each of the first five classes. Each fine-tuning gets 50 images of each of the other five, drawn by its seed, and is
judged on their 5,000 test images, after its last epoch; `zoo fit` decides everything else. Its learning rate for
fine-tuning is low for a fresh layer: --lr sets one for both ways.
"""

from __future__ import annotations

import argparse
import csv
import statistics
import tempfile
from pathlib import Path

import numpy as np
from PIL import Image

import zoo

FEW = 50


def write(folder: Path, pixels: np.ndarray, labels: np.ndarray, count: int, seed: int, classes: range) -> None:
    """Write up to ``count`` drawn images of each class as PNG files in class folders."""
    random = np.random.default_rng(seed)
    for label in classes:
        places = random.permutation(np.flatnonzero(labels == label))[:count]
        (folder / str(label)).mkdir(parents=True)
        for place in places:
            Image.fromarray(pixels[place]).save(folder / str(label) / f"{place}.png")


def fit(data: Path, out: Path, epochs: int, seed: int, lr: float | None, **model: object) -> tuple[Path, float, float]:
    """Run one fit; return its folder, and the validation accuracy after the first and after the last epoch."""
    rate = {} if lr is None else {"optimizer": {"class_path": "torch.optim.AdamW", "init_args": {"lr": lr}}}
    trainer = {"max_epochs": epochs, "default_root_dir": str(out)}
    source = {"dataset": "folder", "root": str(data), "image_size": 32}
    network = {"architecture": "lenet5", **model}
    run = zoo.fit(model=network, data=source, trainer=trainer, seed_everything=seed, quiet=True, **rate)
    with (run.path / "metrics.csv").open(newline="") as file:
        values = [float(row["val/accuracy"]) for row in csv.DictReader(file) if row["val/accuracy"]]
    return run.path, values[0], values[-1]


def main() -> None:
    """Measure and print both ways."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("root", type=Path)
    parser.add_argument("--images", type=int, default=5000)
    parser.add_argument("--epochs", type=int, default=10)
    parser.add_argument("--tuning_epochs", type=int, default=10)
    parser.add_argument("--seeds", type=int, default=5)
    parser.add_argument("--lr", type=float)
    options = parser.parse_args()
    splits = {split: zoo.create_dataset("cifar10", options.root, split) for split in ("train", "test")}
    (train, labels), (test, answers) = ((data.images, np.asarray(data.labels)) for data in splits.values())
    accuracies: dict[str, list[tuple[float, float]]] = {"solve": [], "fresh": []}
    with tempfile.TemporaryDirectory() as temporary:
        place = Path(temporary)
        write(place / "first" / "train", train, labels, options.images, 0, range(5))
        write(place / "first" / "val", test, answers, 1000, 0, range(5))
        base, _, accuracy = fit(place / "first", place / "runs", options.epochs, 0, None)
        print(f"trained on the first five classes: {accuracy:.1%}", flush=True)
        weights = str(base / "checkpoints" / "best.ckpt")
        for seed in range(options.seeds):
            folder = place / f"other_{seed}"
            write(folder / "train", train, labels, FEW, seed, range(5, 10))
            write(folder / "val", test, answers, 1000, 0, range(5, 10))
            for start, values in accuracies.items():
                settings = {"weights": weights, "head_start": start}
                values.append(fit(folder, place / "runs", options.tuning_epochs, seed, options.lr, **settings)[1:])
            print(f"seed {seed}", {start: values[-1] for start, values in accuracies.items()}, flush=True)
    for start, values in accuracies.items():
        for when, column in zip(("first", "last"), zip(*values, strict=True), strict=True):
            spread = statistics.stdev(column) if len(column) > 1 else 0.0
            print(
                f"{start:6} after the {when} epoch: {statistics.fmean(column):.1%} ± {spread:.1%} (n = {len(column)})"
            )


if __name__ == "__main__":
    main()
