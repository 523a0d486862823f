"""Whole ``zoo fit`` against a plain PyTorch loop: LeNet-5 on Fashion-MNIST, images per second.

    python benchmarks/fit_speed.py [--batch_size 32] [--epochs 3] [--rounds 3]

The loop is what a careful user writes by hand: the training images as one float tensor, a fresh permutation each
epoch, Adam, nothing logged, nothing saved, no validation. zoo runs as a user runs it: progress lines, metrics,
validation of 6,000 images and two checkpoints each epoch. Rounds alternate the three (loop, loop with fused Adam,
zoo), each in a process of its own; the first epoch of each warms up and does not count.

``zoo, training`` is what metrics.csv says; ``zoo, whole epochs`` counts everything from one epoch's line to the next.
Ratios are taken within a round. Needs the data in ``$ZOO_DATA_ROOT``.
"""

from __future__ import annotations

import argparse
import csv
import os
import platform
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

TRAINED = 54_000  # of the 60,000 images; zoo validates on the others


def loop(batch_size: int, epochs: int, fused: bool) -> float:
    """Train by hand; return images per second over the epochs after the first."""
    import torch
    from torch import nn

    import zoo
    from zoo.cli.loop import train_by_hand  # imports torch alone

    # Not the default root, which imports Lightning: that would slow the optimizer of the loop down.
    data = zoo.create_dataset("fashion_mnist", Path(os.environ["ZOO_DATA_ROOT"]), "train")
    images = torch.from_numpy(data.images[:TRAINED].transpose(0, 3, 1, 2) / 255).float().sub(0.286).div(0.353)
    labels = torch.from_numpy(data.labels[:TRAINED])
    network = nn.Sequential(
        *(nn.Conv2d(1, 6, 5, padding=2), nn.ReLU(), nn.AvgPool2d(2)),
        *(nn.Conv2d(6, 16, 5, padding=2), nn.ReLU(), nn.AvgPool2d(2)),
        *(nn.Flatten(), nn.Linear(784, 120), nn.ReLU(), nn.Linear(120, 84), nn.ReLU(), nn.Linear(84, 10)),
    )
    optimizer = torch.optim.Adam(network.parameters(), lr=1e-3, fused=fused)
    steps = -(-TRAINED // batch_size)
    train_by_hand(network, optimizer, images, labels, batch_size, steps)
    return train_by_hand(network, optimizer, images, labels, batch_size, steps * (epochs - 1))


def loop_process(batch_size: int, epochs: int, fused: bool) -> float:
    """Run ``loop`` in a process of its own."""
    code = f"from fit_speed import loop; print(loop({batch_size}, {epochs}, {fused}))"
    done = subprocess.run([sys.executable, "-c", code], cwd=Path(__file__).parent, capture_output=True, check=True)
    return float(done.stdout)


def zoo_process(batch_size: int, epochs: int) -> tuple[float, float]:
    """Run ``zoo fit``; return images per second while training, and over whole epochs."""
    with tempfile.TemporaryDirectory() as folder:
        command = [sys.executable, "-u", "-m", "zoo", "fit", "--model", "lenet5", "--data", "fashion_mnist"]
        command += ["--data.batch_size", str(batch_size), "--trainer.max_epochs", str(epochs)]
        times = []
        with subprocess.Popen(command, cwd=folder, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True) as run:
            for line in run.stdout or ():
                if line.startswith("epoch "):
                    times.append(time.perf_counter())
        [metrics] = Path(folder).glob("runs/*/*/metrics.csv")
        with metrics.open(newline="") as file:
            speeds = [float(row["images_per_second"]) for row in csv.DictReader(file) if row["images_per_second"]]
    return statistics.harmonic_mean(speeds[1:]), TRAINED * (epochs - 1) / (times[-1] - times[0])


def main() -> None:
    """Measure and print the table."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--batch_size", type=int, default=32)
    parser.add_argument("--epochs", type=int, default=3)
    parser.add_argument("--rounds", type=int, default=3)
    options = parser.parse_args()
    rounds: list[dict[str, float]] = []
    for number in range(options.rounds):
        plain = loop_process(options.batch_size, options.epochs, False)
        fused = loop_process(options.batch_size, options.epochs, True)
        training, whole = zoo_process(options.batch_size, options.epochs)
        rounds.append({"loop": plain, "fused": fused, "zoo, training": training, "zoo, whole epochs": whole})
        print(f"round {number + 1}:", {name: round(speed) for name, speed in rounds[-1].items()}, flush=True)
    import torch

    print(
        f"\nbatch {options.batch_size}, n = {options.rounds}, torch {torch.__version__}, {platform.machine()}, ", end=""
    )
    print(f"{torch.get_num_threads()} threads; mean ratio (least to most)")
    for peer in ("loop", "fused"):
        for name in ("zoo, training", "zoo, whole epochs"):
            ratios = [figures[name] / figures[peer] for figures in rounds]
            print(f"{name:18} / {peer:6} {statistics.mean(ratios):.2f} ({min(ratios):.2f} to {max(ratios):.2f})")


if __name__ == "__main__":
    main()
