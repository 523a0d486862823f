"""Write a trained classifier as one ONNX file with its preprocessing, its class names and a self-test inside.

    network ─► graph ─► form of the input ─► file beside its place ─► compared with the checkpoint on real images
                                              └─► + metadata, sample image with its logits, SHA-256 ─► verified ─► file

Nothing is published where a comparison fails.
"""

from __future__ import annotations

import base64
import hashlib
import io
import json
import mmap
from collections.abc import Mapping
from pathlib import Path
from typing import IO, TYPE_CHECKING, Any, Literal

import numpy as np
import onnx
import onnxruntime
import torch
from PIL import Image

from zoo import runtime
from zoo.core.errors import RunError, UserError
from zoo.core.spec import InputSpec
from zoo.core.version import __version__
from zoo.data.item_reader import BAD
from zoo.data.training_images import describe_training_images
from zoo.export.forms import with_input
from zoo.export.graph import NetworkGraph, network_graph
from zoo.export.preparation import describe_input
from zoo.export.quantize import compare, measured_split, quantize, steadiest
from zoo.export.session import GraphSession
from zoo.export.streaming import write_graph, write_metadata
from zoo.models.tta import TestTimeAugmentation, evaluated
from zoo.runs.files import replacing
from zoo.runs.folder import Run

if TYPE_CHECKING:
    from zoo.data.image_data import ImageData
    from zoo.models.classifier import Classifier

Precision = Literal["int8", "fp16"]

#: Largest allowed difference between the file and the checkpoint: of a probability, and of a logit as a share of the
#: largest logit. Twelve networks differed by a tenth of these.
PROBABILITY_TOLERANCE = 1e-4
LOGIT_TOLERANCE = 1e-3

#: Batch sizes that are compared, each at three image sizes.
BATCH_SIZES = (1, 2, 7)

#: Largest allowed difference of the sample's logits on another machine, as a share of the largest logit.
SAMPLE_TOLERANCE = {"float32": 1e-3, "fp16": 0.02, "int8": 0.1}


def export(
    classifier: Classifier,
    data: ImageData,
    path: Path,
    *,
    precision: Precision | None = None,
    form: runtime.Form = "any",
    batch: int = 1,
    origin: Mapping[str, Any] | None = None,
) -> dict[str, Any]:
    """Write a classifier as one ONNX file and verify it before it replaces an older file.

    Args:
        classifier: a trained classifier on the CPU, in evaluation mode.
        data: the data it was trained on. The validation split is compared with the graph, the training split
            calibrates int8, and the test split, else the validation split, measures what lower precision changes.
        path: the file to write.
        precision: int8 (static, calibrated on training images) or fp16; None is float32.
        form: how the graph takes images: of any size, ``fixed`` or ``float``, as ``zoo.runtime.Classifier``.
        batch: images in a batch of the forms fixed and float.
        origin: further metadata for the file, as ``describe_origin`` returns it.

    Returns:
        The metadata of the file: ``difference`` to the checkpoint; with a precision also ``quantization``.

    Raises:
        UserError: an argument is not allowed, or no image of a split can be read.
        RunError: ONNX cannot express the network, the graph differs from the checkpoint, or lower precision changes
            the classes of too many images; nothing is written.
    """
    _require_allowed(precision, form, batch)
    measured: Literal["test", "val"] = "test" if precision is None else measured_split(data)
    spec, images = classifier.spec, _validation_images(data)
    size, fixed = (spec.channels, spec.height, spec.width), None if form == "any" else batch
    network = network_graph(evaluated(classifier.network, classifier.tta), size, classifier.temperature, fixed)
    metadata = _describe_model(classifier, data) | dict(origin or {"test_accuracy": None})
    if "training_images" not in metadata:
        metadata["training_images"] = describe_training_images(data)
    graph = with_input(network, spec, form, batch)
    try:
        with replacing(path) as file:
            if precision is None:
                session = _written(graph, file, spec, form)
                metadata["difference"] = _difference(session, classifier, images, batch)
                sample = images[0].numpy()
                logits = session.run(sample[None])[0][0]
            else:
                session = GraphSession.of(graph, spec, form)
                metadata["difference"] = _difference(session, classifier, images, batch)
                lower = quantize(network, precision, data.source("train"), spec, fixed)
                smaller = with_input(lower, spec, form, batch)
                quantized = _written(smaller, file, spec, form)
                literal = GraphSession(file.name, spec, form, literal=True)
                measures = compare(session, quantized, literal, data.source(measured))
                measures |= {"split": measured, "size_ratio": graph.nbytes / smaller.nbytes}
                metadata["quantization"] = {"precision": precision, **measures}
                metadata["test_accuracy"] = measures["accuracy"] if measured == "test" else None
                sample, logits = steadiest(quantized, literal, images.numpy())
            tolerance = SAMPLE_TOLERANCE[precision or "float32"] * max(1.0, float(np.abs(logits).max()))
            metadata["golden"] = {"image": _sample_file(sample), "logits": logits.tolist(), "tolerance": tolerance}
            metadata["input"] = describe_input(spec, form, batch, sample)
            _complete(metadata, form, file)
            runtime.verify(file.name)
    except runtime.ModelError as error:
        raise RunError(f"nothing was written: {error}") from error
    except OSError as error:
        raise RunError(f"{path} cannot be written: {error.strerror}") from error
    return metadata


def describe_origin(
    run: Run, checkpoint: Mapping[str, Any], checkpoint_path: Path, tta: TestTimeAugmentation | None = None
) -> dict[str, Any]:
    """Return what an exported file records about its run.

    Returns:
        ``training_images``, if the run knows them; ``config_sha256``; ``checkpoint`` with its epoch and step;
        ``test_accuracy`` if ``zoo test`` has measured this checkpoint in the same way, else None.
    """
    accuracy = None
    if run.results.is_file():
        results = json.loads(run.results.read_text(encoding="utf-8"))
        measured = results["checkpoint"], results["step"], results.get("tta")
        if measured == (checkpoint_path.name, checkpoint["global_step"], tta):
            accuracy = float(results["test/accuracy"])
    ranges = run.known_training_images()
    return {
        **({"training_images": ranges} if ranges else {}),
        "config_sha256": hashlib.sha256(run.config.read_bytes()).hexdigest(),
        "checkpoint": {"epoch": checkpoint["epoch"], "step": checkpoint["global_step"]},
        "test_accuracy": accuracy,
    }


def _require_allowed(precision: str | None, form: str, batch: int) -> None:
    """Check arguments of ``export``; UserError if one is not allowed."""
    if precision is not None and precision not in SAMPLE_TOLERANCE:
        raise UserError(f"--quantize is '{precision}'; allowed are int8 and fp16")
    if form not in runtime.FORMAT:
        raise UserError(f"--input is '{form}'; allowed are {', '.join(runtime.FORMAT)}")
    if batch < 1:
        raise UserError(f"--batch is {batch}; allowed is 1 or more")
    if form == "any" and batch != 1:
        raise UserError(f"--batch is {batch}, but --input any takes batches of any size; leave it out")


def _describe_model(classifier: Classifier, data: ImageData) -> dict[str, Any]:
    packages = {"torch": torch, "onnx": onnx, "onnxruntime": onnxruntime}
    return {
        "classes": list(classifier.spec.classes),
        "input_spec": classifier.spec.to_dict(),
        "architecture": classifier.architecture,
        "temperature": classifier.temperature,
        **({} if classifier.tta is None else {"tta": classifier.tta}),
        "dataset": data.dataset_name,
        "versions": {"zoo": __version__, **{name: package.__version__ for name, package in packages.items()}},
    }


def _validation_images(data: ImageData) -> torch.Tensor:
    """Return one batch of the largest size, uint8 ``(count, height, width, channels)``; images repeat if too few."""
    source, count = data.source("val"), max(BATCH_SIZES)
    images, labels = next(iter(source.fetch([torch.arange(count) % len(source)])))
    readable = images[labels != BAD]
    if len(readable) == 0:
        raise UserError("no image of the validation split can be read; --data.root says where the data lives")
    return readable[torch.arange(count) % len(readable)]


def _test_sizes(spec: InputSpec) -> list[tuple[int, int]]:
    """Return the network's own size, then a larger and a smaller one of other shapes."""
    height, width = spec.height, spec.width
    return [(height, width), (2 * height + 3, 3 * width + 1), (height // 2 + 1, width * 2 // 3 + 1)]


def _difference(session: GraphSession, classifier: Classifier, images: torch.Tensor, batch: int) -> dict[str, float]:
    """Compare a graph with the checkpoint on real images: in its own batch, else at three sizes and batch sizes.

    Returns:
        The largest difference of ``logits`` and of ``probabilities``.

    Raises:
        RunError: one of them is above its tolerance.
    """
    largest, any_size = {"logits": 0.0, "probabilities": 0.0}, session.form == "any"
    for height, width in _test_sizes(classifier.spec)[: None if any_size else 1]:
        resized = _resize(images, height, width)
        for count in BATCH_SIZES if any_size else (batch,):
            compared = resized[torch.arange(count) % len(resized)]
            with torch.inference_mode():
                expected = classifier(compared).float()
            logits, probabilities = session.run(compared.numpy())
            difference = {
                "logits": float(np.abs(logits - expected.numpy()).max()),
                "probabilities": float(np.abs(probabilities - classifier.probabilities(expected).numpy()).max()),
            }
            allowed = LOGIT_TOLERANCE * max(1.0, float(expected.abs().max()))
            # Written as "not <=", because a difference of NaN must fail.
            if not (difference["logits"] <= allowed and difference["probabilities"] <= PROBABILITY_TOLERANCE):
                raise RunError(
                    f"the ONNX graph differs from the checkpoint by {difference['logits']:.3g} in logits (allowed "
                    f"{allowed:.3g}) and {difference['probabilities']:.3g} in probabilities (allowed "
                    f"{PROBABILITY_TOLERANCE:g}) for {count} image(s) of {height}x{width}; nothing was written"
                )
            largest = {name: max(value, difference[name]) for name, value in largest.items()}
    return largest


def _resize(images: torch.Tensor, height: int, width: int) -> torch.Tensor:
    """Resize uint8 ``(count, height, width, channels)`` with Pillow, each channel alone."""
    size, bicubic = (width, height), Image.Resampling.BICUBIC
    channels = [
        np.asarray(Image.fromarray(channel.numpy()).resize(size, bicubic))
        for channel in images.permute(0, 3, 1, 2).flatten(0, 1)
    ]
    return torch.from_numpy(np.stack(channels).reshape(len(images), -1, height, width).transpose(0, 2, 3, 1).copy())


def _sample_file(pixels: np.ndarray) -> str:
    """Return uint8 ``(height, width, channels)`` as base64 text: of a PNG, or of other channels of a file of numpy."""
    file, channels = io.BytesIO(), pixels.shape[2]
    if channels in (1, 3):
        Image.fromarray(pixels[..., 0] if channels == 1 else pixels).save(file, "PNG")
    else:
        np.save(file, pixels)
    return base64.b64encode(file.getvalue()).decode()


def _written(graph: NetworkGraph, file: IO[bytes], spec: InputSpec, form: runtime.Form) -> GraphSession:
    """Write a graph to a file, without metadata, and open it."""
    write_graph(graph, file)
    file.flush()
    return GraphSession(file.name, spec, form)


def _complete(metadata: dict[str, Any], form: runtime.Form, file: IO[bytes]) -> None:
    """Append metadata to a written graph, with the SHA-256 of the whole file."""
    texts = {key: json.dumps(value, ensure_ascii=False) for key, value in metadata.items()}
    write_metadata(texts | {"zoo_format": runtime.FORMAT[form], "sha256": runtime.NO_DIGEST}, file)
    file.flush()
    with mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ) as content:
        place, digits = content.rfind(runtime.NO_DIGEST.encode()), runtime.digest(content).encode()
    file.seek(place)
    file.write(digits)
    file.flush()
