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
                return by_run.probabilities(by_run(tensor))

        contenders = {
            "session": lambda images=images: bare.run(None, {"images": images}),
            "probabilities": lambda images=images: by_runtime.probabilities(images),
            "predict_batch": lambda images=images: by_runtime.predict_batch(images),
            "predict": lambda images=images: by_runtime.predict(images[0]),
            "torch": eager,
        }
        seen: dict[str, list[float]] = {name: [] for name in contenders}
        for _ in range(options.rounds):
            for name, function in contenders.items():
                function()
                seen[name].append(microseconds(function))
        print(f"batch {batch}, n = {options.rounds}, microseconds:")
        for name, values in seen.items():
            print(f"  {name:14} {spread(values, 0)}")
        for name in ("probabilities", "predict_batch", "predict", "torch"):
            pairs = list(zip(seen[name], seen["session"], strict=True))
            more, times = spread([a - b for a, b in pairs], 0), spread([a / b for a, b in pairs])
            print(f"  {name} over session: +{more} microseconds, {times} times")


if __name__ == "__main__":
    main()
