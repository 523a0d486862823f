"""How much sooner ``configs/cifar10/fast.yaml`` is as good as the CIFAR-10 tutorial than the tutorial's own recipe.

    python benchmarks/time_to_accuracy.py [--rounds 3]

The tutorial's 60 epochs take the time that its images per second say, which a short fit measures (two epochs of 60
batches; the first warms up). The fast recipe runs whole, with validation and checkpoints, which count, from the first
epoch's beginning to the last one's end; then ``zoo test`` measures it. Rounds alternate the two, with seeds 0, 1, ...
Needs the data in ``$ZOO_DATA_ROOT``.
"""

from __future__ import annotations

import argparse
import csv
import json
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

CONFIGS = Path(__file__).parent.parent / "configs" / "cifar10"

#: Of the tutorial: images it trains on, of 50,000; its epochs; the accuracy on test that its author reports.
TRAINED, EPOCHS, TARGET = 45_000, 60, 0.7881


def fit(folder: Path, config: str, *words: str) -> tuple[Path, float]:
    """Train a recipe; return its run, and the seconds from the first epoch's beginning to the last one's end."""
    command = [sys.executable, "-u", "-m", "zoo", "fit", "--config", str(CONFIGS / config), *words]
    begin = end = 0.0
    output = subprocess.PIPE
    with subprocess.Popen(command, cwd=folder, stdout=output, stderr=subprocess.STDOUT, text=True) as process:
        for line in process.stdout or ():
            if line.startswith("run  "):
                begin = time.perf_counter()
            elif line.startswith("epoch "):
                end = time.perf_counter()
            last = line.strip()
    return folder / last, end - begin


def images_per_second(run: Path) -> float:
    """Return the last epoch's."""
    with (run / "metrics.csv").open(newline="", encoding="utf-8") as file:
        return [float(row["images_per_second"]) for row in csv.DictReader(file) if row["images_per_second"]][-1]


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--rounds", type=int, default=3)
    rounds = parser.parse_args().rounds
    limits = ("--trainer.max_epochs", "2", "--trainer.limit_train_batches", "60", "--trainer.limit_val_batches", "1")
    ratios, accuracies = [], []
    for number in range(rounds):
        with tempfile.TemporaryDirectory() as name:
            folder = Path(name)
            speed = images_per_second(fit(folder, "tensorflow_cnn.yaml", *limits)[0])
            run, seconds = fit(folder, "fast.yaml", "--seed_everything", str(number))
            subprocess.run([sys.executable, "-m", "zoo", "test", str(run)], check=True, capture_output=True)
            accuracies.append(json.loads((run / "results.json").read_text())["test/accuracy"])
        ratios.append(EPOCHS * TRAINED / speed / seconds)
        print(
            f"round {number + 1}: tutorial {speed:,.0f} images/s, {EPOCHS * TRAINED / speed:,.0f} s for {EPOCHS} "
            f"epochs; fast {seconds:.1f} s, {ratios[-1]:.0f} times sooner, test accuracy {accuracies[-1]:.2%}",
            flush=True,
        )
    print(
        f"n = {rounds}: {statistics.median(ratios):.0f} times sooner ({min(ratios):.0f} to {max(ratios):.0f}), "
        f"accuracy {min(accuracies):.2%} to {max(accuracies):.2%} (the tutorial's author reports {TARGET:.2%})"
    )


if __name__ == "__main__":
    main()
