"""VGG16 on photographs, its first layers frozen: with their output computed once (also of both flips), and without.

    python benchmarks/freeze_speed.py FOLDER [--freeze 10] [--images 64] [--rounds 3]

FOLDER holds ``train/<class>/*.jpg`` and ``val/<class>/*.jpg``; ``--images`` of the one and a quarter as many of the
other are taken, at 224 pixels, in batches of 32. Every fit is a ``zoo fit`` in a process of its own, from the same
random weights; the kinds alternate in each round. In full nothing is frozen; flips is cached with
``--data.augmentation flip``, the others do not augment. Speeds are those of metrics.csv from the second epoch on,
memory is the most a process held at once. Ratios are taken within a round; the weights that cached and uncached end
with are compared.
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
from pathlib import Path

#: What runs the command without features computed once.
UNCACHED = "from zoo.training.feature_cache import FeatureCache as F; F.on_fit_start = lambda *_: None; "


def subset(source: Path, target: Path, count: int) -> None:
    """Link the first images of each class, ``count`` for training and a quarter of that for validation."""
    for split, number in (("train", count), ("val", count // 4)):
        classes = sorted(path for path in (source / split).iterdir() if path.is_dir())
        for folder in classes:
            (target / split / folder.name).mkdir(parents=True)
            for image in sorted(folder.iterdir())[: number // len(classes)]:
                (target / split / folder.name / image.name).symlink_to(image.resolve())


def fit(data: Path, out: Path, freeze: int | None, cached: bool, augmentation: str, epochs: int) -> tuple[float, float]:
    """Run one fit; return images per second from the second epoch on, and the most memory it held, in GiB."""
    command = ["fit", "--model", "vgg16", "--data", "folder", "--data.root", str(data), "--data.augmentation"]
    command += [
        augmentation,
        "--optimizer",
        "SGD",
        "--optimizer.lr",
        "0.001",
        "--optimizer.momentum",
        "0.9",
        "--optimizer.fused",
        "true",
    ]
    command += ["--trainer.max_epochs", str(epochs), "--trainer.default_root_dir", str(out)]
    command += [] if freeze is None else ["--model.freeze", str(freeze)]
    code = f"{'' if cached else UNCACHED}from zoo.cli import main; raise SystemExit(main({command!r}))"
    with subprocess.Popen([sys.executable, "-c", code], stdout=subprocess.DEVNULL) as process:
        _, status, usage = os.wait4(process.pid, 0)
        process.returncode = os.waitstatus_to_exitcode(status)
    if process.returncode != 0:
        raise SystemExit(f"a fit ended with {process.returncode}")
    with (out / "folder-vgg16" / "version_0" / "metrics.csv").open(newline="") as file:
        speeds = [float(row["images_per_second"]) for row in csv.DictReader(file) if row["images_per_second"]]
    return statistics.harmonic_mean(speeds[1:]), usage.ru_maxrss / 2**20


def largest_difference(first: Path, second: Path) -> float:
    """Return the largest difference between the weights of two fits, relative to the largest weight of its tensor."""
    import torch

    paths = [path / "folder-vgg16" / "version_0" / "checkpoints" / "last.ckpt" for path in (first, second)]
    a, b = (torch.load(path, weights_only=True)["state_dict"] for path in paths)
    return max(float((a[key] - b[key]).abs().max() / a[key].abs().max().clamp(min=1e-12)) for key in a)


def main() -> None:
    """Measure and print the table."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("folder", type=Path)
    parser.add_argument("--freeze", type=int, default=10)
    parser.add_argument("--images", type=int, default=64)
    parser.add_argument("--epochs", type=int, default=3)
    parser.add_argument("--rounds", type=int, default=3)
    options = parser.parse_args()
    kinds = {
        "cached": (options.freeze, True, "none"),
        "flips": (options.freeze, True, "flip"),
        "uncached": (options.freeze, False, "none"),
        "full": (None, False, "none"),
    }
    rounds: list[dict[str, tuple[float, float]]] = []
    for number in range(options.rounds):
        with tempfile.TemporaryDirectory() as temporary:
            place = Path(temporary)
            subset(options.folder, place / "data", options.images)
            rounds.append(
                {name: fit(place / "data", place / name, *kind, options.epochs) for name, kind in kinds.items()}
            )
            difference = largest_difference(place / "cached", place / "uncached")
        shown = {name: f"{speed:.2f} images/s, {memory:.2f} GiB" for name, (speed, memory) in rounds[-1].items()}
        print(f"round {number + 1}: {shown}; weights differ by {difference:.1e} at most", flush=True)
    import torch

    print(f"\nfreeze {options.freeze}, n = {options.rounds}, torch {torch.__version__}, {platform.machine()}, ", end="")
    print(f"{torch.get_num_threads()} threads; mean (least to most)")
    for what, position in (("images/s", 0), ("memory", 1)):
        for peer in ("full", "uncached"):
            ratios = [figures["cached"][position] / figures[peer][position] for figures in rounds]
            mean = statistics.mean(ratios)
            print(f"{what:8} cached / {peer:8} {mean:.2f} ({min(ratios):.2f} to {max(ratios):.2f})")
        ratios = [figures["flips"][position] / figures["cached"][position] for figures in rounds]
        print(f"{what:8} flips / cached    {statistics.mean(ratios):.2f} ({min(ratios):.2f} to {max(ratios):.2f})")


if __name__ == "__main__":
    main()
