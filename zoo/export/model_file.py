"""Write a trained classifier as one ONNX file with its preprocessing, its class names and a self-test inside.

    network ─► graph ─► form of the input ─► file beside its place ─► compared with the checkpoint on real images
                                              └─► + metadata, sample image with its logits, SHA-256 ─► verified ─► file

Nothing is published where a comparison fails.
"""

from __future__ import annotations

import base64
import gc
import hashlib
import io
import json
import mmap
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import IO, TYPE_CHECKING, Any, Literal

import numpy as np
import onnx
import onnxruntime
import torch
from PIL import Image
from torch import nn

from zoo import runtime
from zoo.core.errors import RunError, UserError
from zoo.core.spec import InputSpec
from zoo.core.version import __version__
from zoo.core.whole_file import replacing, write_error
from zoo.data.item_reader import BAD
from zoo.data.sources import Source
from zoo.data.training_images import describe_training_images
from zoo.export.agreement import BATCH_SIZES, Answer, difference_to, expected_answers
from zoo.export.forms import with_input
from zoo.export.graph import NetworkGraph, network_graph
from zoo.export.preparation import describe_input
from zoo.export.quantize import compare, measured_split, quantize, steadiest
from zoo.export.session import GraphSession
from zoo.export.streaming import write_graph, write_metadata
from zoo.models.tta import TestTimeAugmentation, evaluated
from zoo.runs.folder import Run
from zoo.runs.records import read_record

if TYPE_CHECKING:
    from zoo.data.image_data import ImageData
    from zoo.models.classifier import Classifier

Precision = Literal["int8", "fp16"]

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
    release: bool = False,
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
        release: give up the classifier's network, and its memory, before onnxruntime loads the file.

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
    metadata = _describe_model(classifier, data, origin)
    graph = with_input(network, spec, form, batch)
    sample, answers = images[0].numpy(), expected_answers(classifier, images, form, batch)
    with _publishing(path) as file:
        if precision is None:
            write_graph(graph, file)
            file.flush()
            del network, graph
            if release:
                classifier.network = nn.Identity()
                gc.collect()  # torch's exporter leaves cycles that hold the weights
            session = GraphSession(file.name, spec, form)
            metadata["difference"], logits = difference_to(session, answers), session.run(sample[None])[0][0]
            del session
        else:
            lower = quantize(network, precision, data.source("train"), spec, fixed)
            graphs, source = (graph, with_input(lower, spec, form, batch)), data.source(measured)
            described, sample, logits = _lowered(graphs, file, spec, form, images, answers, source)
            described["quantization"] |= {"precision": precision, "split": measured}
            if measured == "test":
                described["test_accuracy"] = described["quantization"]["accuracy"]
            metadata |= described
        metadata["golden"] = _golden(sample, logits, precision)
        metadata["input"] = describe_input(spec, form, batch, sample)
        _complete(metadata, form, file)
    return metadata


@contextmanager
def _publishing(path: Path) -> Iterator[IO[bytes]]:
    """Give a file beside its place to write, verify it and move it there; RunError where that fails."""
    try:
        with replacing(path) as file:
            yield file
            runtime.verify(file.name, timed=False)
    except runtime.ModelError as error:
        raise RunError(f"nothing was written: {error}") from error
    except OSError as error:
        raise write_error(path, error) from error


def _lowered(
    graphs: tuple[NetworkGraph, NetworkGraph],
    file: IO[bytes],
    spec: InputSpec,
    form: runtime.Form,
    images: torch.Tensor,
    answers: list[Answer],
    source: Source,
) -> tuple[dict[str, Any], np.ndarray, np.ndarray]:
    """Write a graph of lower precision, and compare it with that in float32, which is compared with the checkpoint.

    Returns:
        ``difference`` and ``quantization`` of the metadata, the sample image and its logits.
    """
    float32 = GraphSession.of(graphs[0], spec, form)
    difference = difference_to(float32, answers)
    write_graph(graphs[1], file)
    file.flush()
    lower, literal = (GraphSession(file.name, spec, form, literal=literal) for literal in (False, True))
    measures = compare(float32, lower, literal, source) | {"size_ratio": graphs[0].nbytes / graphs[1].nbytes}
    return {"difference": difference, "quantization": measures}, *steadiest(lower, literal, images.numpy())


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
        results = read_record(run.results)
        measured = results.get("checkpoint"), results.get("step"), results.get("tta")
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


def _describe_model(classifier: Classifier, data: ImageData, origin: Mapping[str, Any] | None) -> dict[str, Any]:
    origin = {"test_accuracy": None} if origin is None else dict(origin)
    if "training_images" not in origin:
        origin["training_images"] = describe_training_images(data)
    packages = {"torch": torch, "onnx": onnx, "onnxruntime": onnxruntime}
    return {
        "classes": list(classifier.spec.classes),
        "input_spec": classifier.spec.to_dict(),
        "architecture": classifier.architecture,
        "temperature": classifier.temperature,
        **({} if classifier.tta is None else {"tta": classifier.tta}),
        "dataset": data.dataset_name,
        "versions": {"zoo": __version__, **{name: package.__version__ for name, package in packages.items()}},
        **origin,
    }


def _validation_images(data: ImageData) -> torch.Tensor:
    """Return one batch of the largest size, uint8 ``(count, height, width, channels)``; images repeat if too few."""
    source, count = data.source("val"), max(BATCH_SIZES)
    images, labels = next(iter(source.fetch([torch.arange(count) % len(source)])))
    readable = images[labels != BAD]
    if len(readable) == 0:
        raise UserError("no image of the validation split can be read; --data.root says where the data lives")
    return readable[torch.arange(count) % len(readable)]


def _golden(sample: np.ndarray, logits: np.ndarray, precision: Precision | None) -> dict[str, Any]:
    """Return the self-test of a file: an image, its logits, and how far those of another machine may be from them."""
    tolerance = SAMPLE_TOLERANCE[precision or "float32"] * max(1.0, float(np.abs(logits).max()))
    return {"image": _sample_file(sample), "logits": logits.tolist(), "tolerance": tolerance}


def _sample_file(pixels: np.ndarray) -> str:
    """Return uint8 ``(height, width, channels)`` as base64 text: of a PNG, or of other channels of a file of numpy."""
    file, channels = io.BytesIO(), pixels.shape[2]
    if channels in (1, 3):
        Image.fromarray(pixels[..., 0] if channels == 1 else pixels).save(file, "PNG")
    else:
        np.save(file, pixels)
    return base64.b64encode(file.getvalue()).decode()


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
