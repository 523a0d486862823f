"""What zoo's runtime costs over onnxruntime, and onnxruntime against torch, for one exported run.

    python benchmarks/runtime_speed.py RUN [--rounds 15]

RUN/model.onnx must be there (``zoo export RUN``). Batches of 1 and 32 of the network's own size; in each round every
contender runs for a while, one after the other, and ratios are taken within a round. Reports medians and ranges.
"""

from __future__ import annotations

import argparse
import platform
import statistics
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np
import onnxruntime
import torch

import zoo
from zoo.runtime import Classifier

#: Seconds that a contender runs in a round.
SECONDS = 0.3


def microseconds(function: Callable[[], object]) -> float:
    """Return the median time of a call."""
    times = []
    end = time.perf_counter() + SECONDS
    while time.perf_counter() < end or len(times) < 5:
        begin = time.perf_counter()
        function()
        times.append(time.perf_counter() - begin)
    return 1e6 * statistics.median(times)


def spread(values: list[float], digits: int = 2) -> str:
    """Return median and range."""
    return f"{statistics.median(values):.{digits}f} ({min(values):.{digits}f} to {max(values):.{digits}f})"


def main() -> None:
    """Measure, and print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("run", type=Path)
    parser.add_argument("--rounds", type=int, default=15)
    options = parser.parse_args()
    by_run, by_runtime = zoo.load(options.run), Classifier(options.run / "model.onnx")
    bare = onnxruntime.InferenceSession(options.run / "model.onnx")
    spec = by_run.spec
    print(f"onnxruntime {onnxruntime.__version__}, torch {torch.__version__}, {platform.processor()}, {options.run}")
    for batch in (1, 32):
        images = np.random.default_rng(0).integers(0, 256, (batch, spec.height, spec.width, spec.channels), np.uint8)
        tensor = torch.from_numpy(images)

        def eager(tensor: torch.Tensor = tensor) -> torch.Tensor:
            with torch.inference_mode():
                return by_run(tensor).softmax(dim=1)

        contenders = {
            "session": lambda images=images: bare.run(None, {"images": images}),
            "runtime": lambda images=images: by_runtime.predict_batch(images),
            "one": lambda images=images: by_runtime.predict(images[0]),
            "torch": eager,
        }
        seen: dict[str, list[float]] = {name: [] for name in contenders}
        for _ in range(options.rounds):
            for name, function in contenders.items():
                function()
                seen[name].append(microseconds(function))
        rows = list(zip(*seen.values(), strict=True))
        print(f"batch {batch}, n = {options.rounds}, microseconds:")
        for name, values in seen.items():
            if name != "one" or batch == 1:
                print(f"  {name:8} {spread(values, 0)}")
        print(f"  runtime over session: {spread([b / a for a, b, _, _ in rows])} times,", end=" ")
        print(f"+{spread([b - a for a, b, _, _ in rows], 0)} microseconds")
        if batch == 1:
            print(f"  predict(one array) over session: +{spread([c - a for a, _, c, _ in rows], 0)} microseconds")
        print(f"  torch over session: {spread([d / a for a, _, _, d in rows])} times")


if __name__ == "__main__":
    main()
