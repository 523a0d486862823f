"""What tests of several packages share."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import torch
from PIL import Image

REPOSITORY = Path(__file__).parent.parent


def weights(run):
    """Return the weights that a run's last checkpoint holds."""
    return torch.load(run / "checkpoints" / "last.ckpt", weights_only=True)["state_dict"]


def assert_equal_weights(first, second):
    """Compare two runs' last weights, bit for bit."""
    a, b = weights(first), weights(second)
    assert a.keys() == b.keys()
    assert all(torch.equal(a[key], b[key]) for key in a)


def write_photos(folder, names, levels, step):
    """Write 20 random colour images of 32x32 for each class; each class is brighter by ``step`` than the one before."""
    random = np.random.default_rng(0)
    for label, name in enumerate(names):
        (folder / name.strip()).mkdir(parents=True)
        for number in range(20):
            pixels = random.integers(0, levels, (32, 32, 3), np.uint8) + np.uint8(step * label)
            Image.fromarray(pixels).save(folder / name.strip() / f"{number}.png")


def write_wide(folder):
    """Write 40 grey pictures of 96x24 for each of two classes; only their outermost sixth tells the class."""
    random = np.random.default_rng(0)
    for name, edge in (("left", slice(0, 16)), ("right", slice(80, 96))):
        (folder / name).mkdir(parents=True)
        for number in range(40):
            pixels = random.integers(0, 120, (24, 96), np.uint8)
            pixels[:, edge] += 120
            Image.fromarray(pixels).save(folder / name / f"{number}.png")


#: A program that trains a run, as far as its lock tells, until its standard input ends.
HOLD = """
import sys, zoo.runs.status, zoo.runs.folder
with zoo.runs.status.training(zoo.runs.folder.Run.open(sys.argv[1])):
    print(flush=True)
    sys.stdin.read()
"""


def error_of(result):
    """Check that a command ended with status 2 and one error line, and return the line."""
    status, _, err = result
    lines = err.strip().splitlines()
    assert status == 2, result
    assert lines[-1].startswith("error: ")
    assert sum(line.startswith("error: ") for line in lines) == 1
    assert "Traceback" not in err
    return lines[-1]
