"""How long ``zoo fit`` takes to its first step, and for one step in all, beside a script of a few lines.

    python benchmarks/start.py [--rounds 7]

The script imports torch, builds a network and takes one step of Adam. Rounds alternate, after one that reads the files
from the disk: the script and ``zoo fit`` on digits up to their step, and both to their end, zoo's report included. The
first figure is processor time, user and system, which work beside it changes little; the second is wall time.
"""

from __future__ import annotations

import argparse
import json
import os
import resource
import statistics
import subprocess
import sys
import tempfile
import time

SCRIPT = """
import torch
network = torch.nn.Sequential(torch.nn.Flatten(), torch.nn.Linear(64, 10))
optimizer = torch.optim.Adam(network.parameters())
images, labels = torch.rand(32, 1, 8, 8), torch.zeros(32, dtype=torch.int64)
torch.nn.functional.cross_entropy(network(images), labels).backward()
optimizer.step()
"""

#: A callback that ends zoo after the first step.
END = """
import os
from lightning.pytorch import Callback

class End(Callback):
    def on_train_batch_end(self, *_):
        os._exit(0)
"""

FIT = ("-m", "zoo", "fit", "--model", "lenet5", "--data", "digits", "--trainer.max_steps", "1")

COMMANDS = {
    "script to its step": ("-c", f"{SCRIPT}import os; os._exit(0)"),
    "fit to its first step": (*FIT, "--trainer.callbacks", "end.End"),
    "script": ("-c", SCRIPT),
    "fit": FIT,
}

#: What is compared: numerator and denominator.
RATIOS = {"first step": ("fit to its first step", "script to its step"), "whole command": ("fit", "script")}


def seconds(folder: str, words: tuple[str, ...]) -> tuple[float, float]:
    """Return processor time and wall time of a Python process."""
    environ = os.environ | {"OMP_NUM_THREADS": "1"}
    before, begin = resource.getrusage(resource.RUSAGE_CHILDREN), time.perf_counter()
    subprocess.run([sys.executable, *words], cwd=folder, env=environ, capture_output=True, check=True)
    wall, after = time.perf_counter() - begin, resource.getrusage(resource.RUSAGE_CHILDREN)
    return after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime, wall


def measure(rounds: int) -> dict[str, dict[str, list[float]]]:
    """Return the ratios of each round, sorted, by what is compared and kind of time."""
    results: dict[str, dict[str, list[float]]] = {name: {"processor": [], "wall": []} for name in RATIOS}
    with tempfile.TemporaryDirectory() as folder:
        with open(f"{folder}/end.py", "w", encoding="utf-8") as file:
            file.write(END)
        for number in range(rounds + 1):
            taken = {name: seconds(folder, words) for name, words in COMMANDS.items()}
            print({name: [round(second, 2) for second in pair] for name, pair in taken.items()}, file=sys.stderr)
            for name, (ours, theirs) in RATIOS.items() if number else ():
                for kind, mine, other in zip(results[name], taken[ours], taken[theirs], strict=True):
                    results[name][kind].append(mine / other)
    return {name: {kind: sorted(ratios) for kind, ratios in kinds.items()} for name, kinds in results.items()}


def main() -> None:
    """Print each ratio's median, least and greatest as JSON."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--rounds", type=int, default=7)
    results = measure(parser.parse_args().rounds)
    figures = {
        name: {
            kind: {"median": statistics.median(ratios), "least": ratios[0], "greatest": ratios[-1]}
            for kind, ratios in kinds.items()
        }
        for name, kinds in results.items()
    }
    print(json.dumps(figures, indent=2))


if __name__ == "__main__":
    main()
