"""zoo export: a run becomes one ONNX file that carries its preprocessing, its class names and the proof that it works.

RUN ─► graph (zoo.export.graph) ─► compared with the checkpoint on real images ─► metadata, golden sample, digest
                                                                               └─► zoo.runtime.verify ─► model.onnx
"""

from __future__ import annotations

import base64
import hashlib
import io
import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any, Literal

import numpy as np
import onnx
import onnxruntime
import torch
from PIL import Image

from zoo import runtime
from zoo.config.run import EvaluateCLI, opened
from zoo.core.errors import RunError, UserError
from zoo.core.spec import InputSpec
from zoo.core.version import __version__
from zoo.export.graph import network_graph, of_any_size
from zoo.export.quantize import Quantization, compare, quantize
from zoo.export.web import check_folder, write_page
from zoo.runs.files import replacing

#: Largest difference between a file's probabilities and the checkpoint's, and share of the largest logit that logits
#: may differ by: ten times what was seen of twelve networks.
PROBABILITY_TOLERANCE = 1e-4
LOGIT_TOLERANCE = 1e-3

#: Batches that are compared, each at three sizes.
BATCHES = (1, 2, 7)

#: Share of the largest logit that the golden sample may differ by on another machine, whose arithmetic is its own.
SAMPLE_TOLERANCE = {"float32": 1e-3, "fp16": 0.02, "int8": 0.1}


def export(
    args: Sequence[str], precision: Literal["int8", "fp16"] | None = None, page: str | Path | None = None
) -> Path:
    """Write a run's best checkpoint as one ONNX file, and print where it is.

    Args:
        args: the run folder, then options that override its configuration, such as ``--data.root``.
        precision: int8 (static, calibrated on training images) or fp16; by default float32.
        page: a folder in which to write a web page that runs the file in the browser.

    Returns:
        ``RUN/model.onnx``, or ``RUN/model.int8.onnx`` or ``RUN/model.fp16.onnx``.

    Raises:
        UserError: the run, an option or the data is wrong.
        RunError: the network cannot be expressed, or what it became differs from the checkpoint; nothing is written.
    """
    if precision is not None and precision not in SAMPLE_TOLERANCE:
        raise UserError(f"--quantize is '{precision}'; allowed are int8 and fp16")
    if page is not None:
        check_folder(Path(page))
    cli = opened("export", args)
    spec, run = cli.model.spec, cli.run
    images = _real_images(cli)
    graph = network_graph(cli.model.network, spec)
    model = of_any_size(graph, spec)
    difference = _difference(model, cli, images)
    metadata = _metadata(cli) | {"difference": difference}
    path = run.path / "model.onnx"
    if precision is not None:
        path = run.path / f"model.{precision}.onnx"
        lower = of_any_size(quantize(graph, precision, cli.datamodule.source("train")), spec)
        found = compare(model, lower, cli.datamodule.source("test"))
        metadata["quantization"] = _described(precision, found, model, lower)
        metadata["test_accuracy"] = found.accuracy
        model = lower
    sample = images[0].numpy()
    logits = onnxruntime.InferenceSession(model.SerializeToString()).run(["logits"], {"images": sample[None]})[0][0]
    tolerance = SAMPLE_TOLERANCE[precision or "float32"] * max(1.0, float(np.abs(logits).max()))
    metadata["golden"] = {"image": _png(sample), "logits": logits.tolist(), "tolerance": tolerance}
    _publish(model, metadata, path)
    _report(path, metadata)
    if page is not None:
        write_page(path, Path(page))
        print(f"{page}: a page that classifies in the browser; to look at it: python -m http.server -d {page}")
    print(path)
    return path


def _real_images(cli: EvaluateCLI) -> torch.Tensor:
    """Return uint8 ``(count, height, width, channels)`` of the validation split: as many as the largest batch."""
    source = cli.datamodule.source("val")
    indices = torch.arange(max(BATCHES)) % len(source)
    images, labels = next(iter(source.fetch([indices])))
    good = images[labels >= 0]
    if len(good) == 0:
        raise UserError("no image of the validation split can be read; --data.root says where the data lives")
    return good[torch.arange(max(BATCHES)) % len(good)]


def _sizes(spec: InputSpec) -> list[tuple[int, int]]:
    """Return the network's own size, a larger and a smaller one of other shapes."""
    height, width = spec.height, spec.width
    return [(height, width), (2 * height + 3, 3 * width + 1), (height // 2 + 1, width * 2 // 3 + 1)]


def _difference(model: onnx.ModelProto, cli: EvaluateCLI, images: torch.Tensor) -> dict[str, float]:
    """Compare a graph with the checkpoint on real images at three sizes and several batches.

    Returns:
        The largest difference of ``logits`` and of ``probabilities``.

    Raises:
        RunError: one of them is too large.
    """
    session = onnxruntime.InferenceSession(model.SerializeToString())
    largest = {"logits": 0.0, "probabilities": 0.0}
    for height, width in _sizes(cli.model.spec):
        pictures = _resized(images, height, width)
        for count in BATCHES:
            batch = pictures[:count]
            with torch.inference_mode():
                expected = cli.model(batch).float()
            logits, probabilities = session.run(["logits", "probabilities"], {"images": batch.numpy()})
            off = float(np.abs(logits - expected.numpy()).max())
            off_probabilities = float(np.abs(probabilities - expected.softmax(dim=1).numpy()).max())
            allowed = LOGIT_TOLERANCE * max(1.0, float(expected.abs().max()))
            # Not "more than": a difference that is not a number must not pass.
            if not (off <= allowed and off_probabilities <= PROBABILITY_TOLERANCE):
                raise RunError(
                    f"the ONNX graph differs from the checkpoint by {off:.3g} in logits (allowed {allowed:.3g}) and "
                    f"{off_probabilities:.3g} in probabilities (allowed {PROBABILITY_TOLERANCE:g}) for {count} "
                    f"image(s) of {height}x{width}; nothing was written"
                )
            largest["logits"] = max(largest["logits"], off)
            largest["probabilities"] = max(largest["probabilities"], off_probabilities)
    return largest


def _resized(images: torch.Tensor, height: int, width: int) -> torch.Tensor:
    """Return the same pictures as uint8 ``(count, height, width, channels)``, made by Pillow as a user would."""
    pictures = [
        np.asarray(_picture(image.numpy()).resize((width, height), Image.Resampling.BICUBIC)) for image in images
    ]
    return torch.from_numpy(np.stack(pictures).reshape(len(images), height, width, -1))


def _picture(pixels: np.ndarray) -> Image.Image:
    return Image.fromarray(pixels[..., 0] if pixels.shape[2] == 1 else pixels)


def _png(pixels: np.ndarray) -> str:
    """Return uint8 ``(height, width, channels)`` as the base64 text of a PNG file."""
    file = io.BytesIO()
    _picture(pixels).save(file, "PNG")
    return base64.b64encode(file.getvalue()).decode()


def _metadata(cli: EvaluateCLI) -> dict[str, Any]:
    spec = cli.model.spec
    versions = {"zoo": __version__, "torch": torch.__version__, "onnx": onnx.__version__}
    return {
        "classes": list(spec.classes),
        "input_spec": spec.to_dict(),
        "architecture": cli.model.architecture,
        "dataset": cli.datamodule.dataset_name,
        "versions": versions | {"onnxruntime": onnxruntime.__version__},
        "config_sha256": hashlib.sha256(cli.run.config.read_bytes()).hexdigest(),
        "checkpoint": {"epoch": cli.checkpoint["epoch"], "step": cli.checkpoint["global_step"]},
        "test_accuracy": _tested(cli),
    }


def _tested(cli: EvaluateCLI) -> float | None:
    """Return what 'zoo test' measured of this very checkpoint; None where it has not."""
    try:
        results = json.loads(cli.run.results.read_text(encoding="utf-8"))
    except FileNotFoundError:
        return None
    same = results["checkpoint"] == cli.checkpoint_path.name and results["step"] == cli.checkpoint["global_step"]
    return float(results["test/accuracy"]) if same else None


def _described(precision: str, found: Quantization, model: onnx.ModelProto, lower: onnx.ModelProto) -> dict[str, Any]:
    return {
        "precision": precision,
        "accuracy": found.accuracy,
        "accuracy_float32": found.accuracy_float32,
        "images": found.images,
        "speed_ratio": found.speed_ratio,
        "size_ratio": model.ByteSize() / lower.ByteSize(),
    }


def _publish(model: onnx.ModelProto, metadata: dict[str, Any], path: Path) -> None:
    """Write the file beside its place, let it prove itself there, and move it into place."""
    texts = {key: json.dumps(value, ensure_ascii=False) for key, value in metadata.items()}
    texts |= {"zoo_format": runtime.FORMAT, "sha256": runtime.NO_DIGEST}
    onnx.helper.set_model_props(model, texts)
    content = model.SerializeToString()
    digits = runtime.digest(content).encode()
    content = runtime.DIGEST.sub(lambda found: found[0][: -len(digits)] + digits, content, count=1)
    try:
        with replacing(path) as file:
            file.write(content)
            file.flush()
            runtime.verify(file.name)
    except runtime.ModelError as error:
        raise RunError(f"nothing was written: {error}") from error
    except OSError as error:
        raise RunError(f"{path} cannot be written: {error.strerror}") from error


def _report(path: Path, metadata: dict[str, Any]) -> None:
    """Print what was measured."""
    off = metadata["difference"]
    print(
        f"the graph agrees with the checkpoint on real images: probabilities within {off['probabilities']:.1g}, "
        f"logits within {off['logits']:.1g}"
    )
    if lower := metadata.get("quantization"):
        print(
            f"{lower['precision']} on {lower['images']:,} test images: accuracy {lower['accuracy']:.2%} "
            f"(float32 {lower['accuracy_float32']:.2%}), {lower['speed_ratio']:.2f} times as fast, "
            f"{lower['size_ratio']:.2f} times smaller"
        )
    print(f"{path.stat().st_size / 1e6:,.1f} MB, verified; 'zoo verify {path}' repeats it on any machine")
