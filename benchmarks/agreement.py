"""A run, its exported file by zoo's runtime, and the same file by onnxruntime alone: do they agree?

    python benchmarks/agreement.py RUN [--split test] [--images N]

Each is given the same images as they come, at their own size: ``zoo.load(RUN)`` what ``zoo predict RUN`` makes of
them, the runtime PIL images or arrays, onnxruntime the uint8 pixels. RUN/model.onnx must be there (``zoo export RUN``).
Prints the largest differences of probabilities, and the accuracies.
"""

from __future__ import annotations

import argparse
from pathlib import Path

import numpy as np
import onnxruntime
import torch
import yaml

import zoo
from zoo.data.contract import as_tensor
from zoo.images.preprocess import to_uint8
from zoo.runtime import Classifier

BATCH_SIZE = 32


def main() -> None:
    """Compare, and print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("run", type=Path)
    parser.add_argument("--split", default="test")
    parser.add_argument("--images", type=int, help="evenly spaced ones of the split; by default all")
    options = parser.parse_args()
    data = yaml.safe_load((options.run / "config.yaml").read_text())["data"]
    arguments = {key: value for key, value in data["dataset"].items() if key not in ("name", "from")}
    dataset = zoo.create_dataset(data["dataset"]["name"], data["root"], options.split, **arguments)
    count = min(options.images or len(dataset), len(dataset))
    indices = np.linspace(0, len(dataset) - 1, count).astype(int).tolist()

    by_run = zoo.load(options.run)
    by_runtime = Classifier(options.run / "model.onnx")
    bare = onnxruntime.InferenceSession(options.run / "model.onnx")
    spec = by_run.spec
    off = {"runtime": 0.0, "onnxruntime": 0.0}
    right = {"run": 0, "runtime": 0, "onnxruntime": 0}
    sizes = set()
    for start in range(0, count, BATCH_SIZE):
        items = [dataset[index] for index in indices[start : start + BATCH_SIZE]]
        labels = np.array([label for _, label in items])
        raw = [as_tensor(image, spec.channels) for image, _ in items]
        sizes |= {tuple(image.shape[:2]) for image in raw}
        with torch.inference_mode():
            logits = by_run(torch.stack([to_uint8(image, spec) for image in raw]))
            expected = by_run.probabilities(logits).numpy()
        named = by_runtime.predict_batch([image for image, _ in items], top_k=len(spec.classes))
        found = {
            "runtime": np.array([[dict(row)[name] for name in spec.classes] for row in named], np.float32),
            "onnxruntime": np.concatenate(
                [bare.run(["probabilities"], {"images": image[None].numpy()})[0] for image in raw]
            ),
        }
        right["run"] += int((expected.argmax(axis=1) == labels).sum())
        for name, probabilities in found.items():
            off[name] = max(off[name], float(np.abs(probabilities - expected).max()))
            right[name] += int((probabilities.argmax(axis=1) == labels).sum())
    print(f"{options.run}: {count:,} images of {len(sizes)} size(s)")
    print("largest difference of probabilities to the run's:", {name: f"{value:.2g}" for name, value in off.items()})
    print("accuracy:", {name: f"{hits / count:.4%}" for name, hits in right.items()})


if __name__ == "__main__":
    main()
