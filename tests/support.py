"""What tests of several packages share."""

from __future__ import annotations

import os
import struct
import zlib
from pathlib import Path

import numpy as np
import tifffile
import torch
from PIL import Image
from torch.optim.optimizer import register_optimizer_step_post_hook

REPOSITORY = Path(__file__).parent.parent

#: Options of a short fit on the fixture ``photos``, whose root is still to be named.
FIT_PHOTOS = ("--data", "folder", "--data.image_size", 16, "--data.batch_size", 16, "--data.num_workers", 0)
FIT_PHOTOS += ("--data.augmentation", "none", "--trainer.max_epochs", 1)


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


def png_of_16_bits(levels, filters=False):
    """Return the content of a PNG file, which Pillow writes of grey alone.

    Args:
        levels: uint16 ``(height, width, channels)``.
        filters: whether its rows use the five filters in turn; else they use none.
    """
    height, width, channels = levels.shape
    colour = {1: 0, 2: 4, 3: 2, 4: 6}[channels]

    def chunk(kind, data):
        return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))

    stored = levels.astype(">u2").reshape(height, -1).view(np.uint8).astype(int)
    step = 2 * channels
    around = np.pad(stored, ((1, 0), (step, 0)))
    left, above, corner = around[1:, :-step], around[:-1, step:], around[:-1, :-step]
    distances = np.abs([above - corner, left - corner, left + above - 2 * corner])
    paeth = np.choose(distances.argmin(axis=0), [left, above, corner])
    rows = b""
    for row in range(height):
        kind = row % 5 if filters else 0
        guess = [0, left[row], above[row], (left[row] + above[row]) // 2, paeth[row]][kind]
        rows += bytes([kind]) + ((stored[row] - guess) % 256).astype(np.uint8).tobytes()
    header = struct.pack(">IIBBBBB", width, height, 16, colour, 0, 0, 0)
    chunks = chunk(b"IHDR", header) + chunk(b"IDAT", zlib.compress(rows)) + chunk(b"IEND", b"")
    return b"\x89PNG\r\n\x1a\n" + chunks


def write_12_bits(folder, suffix, channels=1):
    """Write 30 images of 24x24 for each of two classes, stripes up or across, of 120 of 4,096 levels in 16-bit files.

    Divided by 257, the stripes vanish.
    """
    random = np.random.default_rng(0)
    stripes = np.where(np.arange(24) // 3 % 2 == 0, 1820, 1940)[:, None].repeat(24, axis=1)
    for name, levels in (("across", stripes), ("up", stripes.T)):
        (folder / name).mkdir(parents=True)
        for number in range(30):
            image = (levels + random.integers(0, 60, (24, 24)))[..., None].repeat(channels, axis=2).astype(np.uint16)
            image[0, 0] = 4095  # the sensor's white
            path = folder / name / f"{number}{suffix}"
            if suffix == ".npy":
                np.save(path, image)
            elif suffix == ".png":
                path.write_bytes(png_of_16_bits(image))
            else:
                options = {"planarconfig": "contig"} if channels > 1 else {}
                tifffile.imwrite(path, image.squeeze(), photometric="rgb" if channels == 3 else "minisblack", **options)


#: A program that trains a run, as far as its lock tells, until its standard input ends.
HOLD = """
import sys, zoo.runs.status, zoo.runs.folder
run = zoo.runs.folder.Run.open(sys.argv[1])
with zoo.runs.status.held(run), zoo.runs.status.training(run):
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


def stop_at(step, number):
    """Send this process a signal when the optimizer has done so many steps; return the hook's handle."""
    done = 0

    def count(*_):
        nonlocal done
        done += 1
        if done == step:
            os.kill(os.getpid(), number)

    return register_optimizer_step_post_hook(count)
