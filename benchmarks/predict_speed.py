"""``zoo predict`` over many files against decoding and onnxruntime alone: time, memory, and damaged files.

    python benchmarks/predict_speed.py MODEL.onnx [--images FOLDER] [--count 20000] [--rounds 3]

Small JPEG and PNG copies of the images in FOLDER (by default of made-up scenes) are written into a temporary folder.
Then these alternate, each in a process of its own, whose start counts: ``zoo predict MODEL.onnx FOLDER --output
out.csv``, and a program of one thread a core in which each thread decodes and scales a chunk of files with Pillow and
runs onnxruntime on it, and nothing else. Last, one of 200 files is replaced by text. Both wall time and CPU time are
reported: the second depends less on what else the machine does.
"""

from __future__ import annotations

import argparse
import io
import os
import platform
import statistics
import subprocess
import sys
import tempfile
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from time import perf_counter
from typing import NamedTuple

import numpy as np
import onnxruntime
from PIL import Image

import zoo
from zoo.images.files import find_images
from zoo.models.many import AT_ONCE, cores
from zoo.runtime import Classifier

#: Different copies, which the files repeat, and pixels of the longer side of a copy: SIDE to SIDE + 39.
COPIES, SIDE = 500, 160

#: One of so many files is damaged in the last part.
DAMAGED = 200


class Measured(NamedTuple):
    """One process: seconds, seconds of CPU time, peak memory in MB, and its exit status."""

    wall: float
    cpu: float
    memory: float
    status: int


def copies(folder: Path | None) -> list[tuple[bytes, str]]:
    """Return contents and suffixes of COPIES small files; one of four is a PNG, the others are JPEGs."""
    random, paths = np.random.default_rng(0), sorted(find_images(folder)) if folder is not None else []
    contents = []
    for number in range(COPIES):
        if paths:
            image = Image.open(paths[number % len(paths)]).convert("RGB")
        else:
            scene = random.integers(0, 256, (9, 12, 3), np.uint8)
            image = Image.fromarray(scene).resize((400, 300), Image.Resampling.BICUBIC)
        image.thumbnail((SIDE + number % 40,) * 2)
        kind, suffix = ("PNG", "png") if number % 4 == 0 else ("JPEG", "jpg")
        file = io.BytesIO()
        image.save(file, kind)
        contents.append((file.getvalue(), suffix))
    return contents


def write(folder: Path, contents: list[tuple[bytes, str]], count: int) -> None:
    """Write files, 1,000 in a subfolder."""
    for number in range(count):
        content, suffix = contents[number % len(contents)]
        path = folder / f"{number // 1000:03}" / f"{number:06}.{suffix}"
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(content)


def alone(model: str, folder: str) -> None:
    """Decode, scale and classify all files of a folder on all cores; nothing else."""
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = 1
    session = onnxruntime.InferenceSession(model, options)
    spec = Classifier(model, threads=1).input_spec
    mode, size = "L" if spec["channels"] == 1 else "RGB", (spec["width"], spec["height"])

    def read(path: str) -> np.ndarray:
        with Image.open(path) as image:
            pixels = np.asarray(image.convert(mode).resize(size, Image.Resampling.BILINEAR))
        return pixels.reshape(*pixels.shape[:2], -1)

    def work(paths: list[str]) -> np.ndarray:
        return session.run(["probabilities"], {"images": np.stack([read(path) for path in paths])})[0]

    paths, chunk = sorted(find_images(folder)), max(1, AT_ONCE // cores())
    with ThreadPoolExecutor(cores()) as pool:
        rows = list(pool.map(work, [paths[first : first + chunk] for first in range(0, len(paths), chunk)]))
    if sum(map(len, rows)) != len(paths):
        raise ValueError(f"{sum(map(len, rows))} rows of {len(paths)} files")


def measure(command: list[str]) -> Measured:
    """Run a process and measure it."""
    begin = perf_counter()
    process = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    _, status, usage = os.wait4(process.pid, 0)
    process.returncode = os.waitstatus_to_exitcode(status)
    return Measured(perf_counter() - begin, usage.ru_utime + usage.ru_stime, usage.ru_maxrss / 1024, process.returncode)


def spread(values: list[float], digits: int) -> str:
    """Return median and range."""
    return f"{statistics.median(values):.{digits}f} ({min(values):.{digits}f} to {max(values):.{digits}f})"


def main() -> None:
    """Measure, and print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("model")
    parser.add_argument("--images", type=Path)
    parser.add_argument("--count", type=int, default=20_000)
    parser.add_argument("--rounds", type=int, default=3)
    options = parser.parse_args()
    model = os.path.abspath(options.model)
    with tempfile.TemporaryDirectory() as temporary:
        many, few, output = Path(temporary, "many"), Path(temporary, "few"), Path(temporary, "out.csv")
        contents = copies(options.images)
        write(many, contents, options.count)
        write(few, contents, options.count // 10)

        def predict(folder: Path) -> Measured:
            words = ["predict", model, str(folder), "--output", str(output)]
            return measure([sys.executable, "-m", "zoo", *words])

        code = f"import sys; sys.path.insert(0, {str(Path(__file__).parent)!r}); from predict_speed import alone; "
        bare = [sys.executable, "-c", code + "alone(*sys.argv[1:])", model, str(many)]
        rounds = []
        for _ in range(options.rounds):
            rounds.append((measure(bare), predict(many)))
            before, ours = rounds[-1]
            print(f"alone {before.wall:.1f} s, zoo predict {ours.wall:.1f} s", flush=True)
            if before.status or ours.status:
                raise ValueError(f"exit status {before.status} of the bare program, {ours.status} of zoo predict")
        small, large = predict(few), max(ours.memory for _, ours in rounds)
        for path in sorted(find_images(many))[::DAMAGED]:
            Path(path).write_text("damaged")
        damaged = predict(many)
        rows = output.read_text().count("\n") - 1
        errors = output.read_text().count("not a readable image")
    print(
        f"zoo {zoo.__version__}, onnxruntime {onnxruntime.__version__}, {platform.machine()}, {cores()} cores, "
        f"{options.count:,} files, n = {options.rounds}"
    )
    for name in ("wall", "cpu"):
        ratios = [getattr(ours, name) / getattr(before, name) for before, ours in rounds]
        print(f"zoo predict over both alone, {name} time: {spread(ratios, 2)}")
    print(f"peak memory: {small.memory:.0f} MB for {options.count // 10:,} files, {large:.0f} MB for {options.count:,}")
    print(f"with damaged files: {rows:,} rows, {errors} of them with an error, exit status {damaged.status}")


if __name__ == "__main__":
    main()
