"""The folder in which all cases run: what is in it is right, but for what is in ``odd``."""

from __future__ import annotations

import json
import os
from pathlib import Path

import numpy as np
from PIL import Image

from zoo.cli import main

#: Options of a training that takes a tenth of a second.
SMALL = ("--data.root", "photos", "--data.image_size", "16", "--data.batch_size", "4", "--data.num_workers", "0")
SMALL += ("--trainer.max_epochs", "1")

#: Odd things that a path may lead to.
ODD = ("odd/fifo", "odd/loop", "odd/folder", "odd/empty", "odd/bytes", "odd/dead", "/dev/null", "/dev/zero", "")


def fill(folder: Path) -> None:
    """Fill the folder: photos of two classes, the run ``tiny`` on them, its file ``model.onnx``, and ``odd``."""
    random = np.random.default_rng(0)
    for label, name in enumerate(("ant", "bee")):
        (folder / "photos" / name).mkdir(parents=True)
        for number in range(6):
            pixels = random.integers(0, 128, (16, 16, 3), np.uint8) + np.uint8(100 * label)
            Image.fromarray(pixels).save(folder / "photos" / name / f"{number}.png")
    before = Path.cwd()
    os.chdir(folder)
    try:
        # The path of the data is the working folder's, so that a copy of the folder is complete.
        words = ["--data", "folder", *SMALL, "--run", "tiny", "--trainer.default_root_dir", ".", "--quiet"]
        assert main(["fit", *words, "--data.val_fraction", "0.3"]) == 0
        config = folder / "tiny" / "config.yaml"
        config.write_text(config.read_text().replace(str((folder / "photos").absolute()), "photos"))
        assert main(["export", "tiny"]) == 0
    finally:
        os.chdir(before)
    os.rename(folder / "tiny" / "model.onnx", folder / "model.onnx")
    # Which a run of more validation images has.
    facts = {
        "temperature": 1.5,
        "calibration_error": 0.1,
        "images": 4,
        "checkpoint": "best.ckpt",
        "epoch": 0,
        "step": 2,
    }
    (folder / "tiny" / "calibration.json").write_text(json.dumps(facts))
    odd = folder / "odd"
    (odd / "folder").mkdir(parents=True)
    os.mkfifo(odd / "fifo")
    (odd / "loop").symlink_to("loop")
    (odd / "dead").symlink_to("nowhere")
    (odd / "empty").write_bytes(b"")
    (odd / "bytes").write_bytes(bytes(random.integers(0, 256, 300, np.uint8)))
