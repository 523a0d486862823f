"""Two installed versions of zoo, alternated: start-up of commands, the first training step, training speed.

    python benchmarks/compare_versions.py OLD/bin/zoo NEW/bin/zoo [--rounds 7] [--epochs 4]

Each round runs every measurement once with each version, in a process of its own, the order reversed in every other
round. Ratios are new / old within a round; the median and the range over all rounds are printed. Times are in seconds
(below 1 is faster), training speed in images per second (above 1 is faster): LeNet-5 on Fashion-MNIST at batch 32, as
metrics.csv reports it from the second epoch on. Needs Fashion-MNIST in ``$ZOO_DATA_ROOT``.
"""

from __future__ import annotations

import argparse
import csv
import os
import platform
import statistics
import subprocess
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

#: What is timed as a whole process, by the name that is printed.
COMMANDS = {
    "zoo list": ["list"],
    "zoo --help": ["--help"],
    "zoo test --help": ["test", "--help"],
    "zoo fit --help": ["fit", "--help"],
}

#: A fit that ends after its first optimizer step, with one batch of validation.
FIRST_STEP = ["fit", "--trainer.max_steps", "1", "--trainer.limit_val_batches", "1"]


def process_seconds(zoo: str, arguments: list[str]) -> float:
    """Return the seconds a command takes, its output dropped."""
    begin = time.perf_counter()
    subprocess.run([zoo, *arguments], check=True, capture_output=True)
    return time.perf_counter() - begin


def completion_seconds(zoo: str) -> float:
    """Return the seconds in which TAB answers after ``zoo fit --model le``."""
    line = "zoo fit --model le"
    variables = {"_ARGCOMPLETE": "1", "COMP_LINE": line, "COMP_POINT": str(len(line)), "_ARGCOMPLETE_SHELL": "bash"}
    begin = time.perf_counter()
    with tempfile.NamedTemporaryFile() as answers:
        environment = os.environ | variables | {"_ARGCOMPLETE_STDOUT_FILENAME": answers.name}
        subprocess.run([zoo], env=environment, capture_output=True)
        seconds = time.perf_counter() - begin
        if b"lenet5" not in answers.read():
            raise SystemExit(f"{zoo} does not complete '{line}'")
    return seconds


def first_step_seconds(zoo: str) -> float:
    """Return the seconds until a fit on digits has done one step and told its epoch, its start included."""
    with tempfile.TemporaryDirectory() as folder:
        begin = time.perf_counter()
        command = [zoo, *FIRST_STEP, "--trainer.default_root_dir", folder]
        with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True) as process:
            assert process.stdout is not None
            seconds = [time.perf_counter() - begin for line in process.stdout if line.startswith("epoch 1 ")]
    if process.returncode or not seconds:
        raise SystemExit(f"{zoo} does not fit")
    return seconds[0]


def images_per_second(zoo: str, epochs: int) -> float:
    """Return the mean training speed of LeNet-5 on Fashion-MNIST at batch 32, without the first epoch."""
    with tempfile.TemporaryDirectory() as folder:
        options = ["--model", "lenet5", "--data", "fashion_mnist", "--trainer.max_epochs", str(epochs)]
        process_seconds(zoo, ["fit", *options, "--trainer.default_root_dir", folder])
        [metrics] = Path(folder).glob("*/*/metrics.csv")
        with metrics.open(newline="", encoding="utf-8") as file:
            speeds = [float(row["images_per_second"]) for row in csv.DictReader(file) if row.get("images_per_second")]
    return statistics.mean(speeds[1:])


def main() -> None:
    """Measure both versions in turn and print the ratios."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("old")
    parser.add_argument("new")
    parser.add_argument("--rounds", type=int, default=7)
    parser.add_argument("--epochs", type=int, default=4, help="of the training whose speed counts; 0 leaves it out")
    options = parser.parse_args()
    measurements: dict[str, Callable[[str], float]] = {
        name: lambda zoo, arguments=arguments: process_seconds(zoo, arguments) for name, arguments in COMMANDS.items()
    }
    measurements["completion"] = completion_seconds
    measurements["first step"] = first_step_seconds
    if options.epochs:
        measurements["images per second"] = lambda zoo: images_per_second(zoo, options.epochs)
    print(f"{platform.machine()}, {os.cpu_count()} cores, Python {platform.python_version()}, n = {options.rounds}")
    for name, measure in measurements.items():
        values: dict[str, list[float]] = {"old": [], "new": []}
        for number in range(options.rounds):
            for version in ("old", "new") if number % 2 == 0 else ("new", "old"):
                values[version].append(measure(getattr(options, version)))
        ratios = [new / old for old, new in zip(values["old"], values["new"], strict=True)]
        medians = {version: statistics.median(numbers) for version, numbers in values.items()}
        print(
            f"{name:<18}  old {medians['old']:10,.3f}  new {medians['new']:10,.3f}  "
            f"ratio {statistics.median(ratios):.3f} ({min(ratios):.3f} to {max(ratios):.3f})",
            flush=True,
        )


if __name__ == "__main__":
    main()
