"""Convert an exported network to int8 or fp16, and measure what that changes in accuracy, speed and size."""

from __future__ import annotations

import logging
import time
import warnings
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

import numpy as np
import onnx
import torch
from onnxruntime.quantization import CalibrationDataReader, CalibrationMethod, QuantType, quantize_static
from onnxruntime.transformers.float16 import convert_float_to_float16
from onnxruntime.transformers.onnx_model import OnnxModel

from zoo.core.errors import NoSplitError, RunError, UserError
from zoo.core.spec import InputSpec
from zoo.core.whole_file import temporary_folder
from zoo.data.item_reader import BAD
from zoo.data.sources import Source
from zoo.export.graph import PIXELS, NetworkGraph
from zoo.export.session import GraphSession
from zoo.runtime import normalised

if TYPE_CHECKING:
    from zoo.data.image_data import ImageData

#: Training images, evenly spaced, that calibrate int8.
CALIBRATION_IMAGES = 512

BATCH_SIZE = 32

#: Operators that compute in int8. The others, such as normalisation and softmax, need finer levels than 256, and the
#: mean of four neighbours is often half a level, which machines round up or down.
OPERATORS = ["Conv", "Gemm", "MatMul", "Relu", "Clip", "MaxPool", "Reshape"]

#: Share of the images whose class may be another one where every number is rounded as the file says, instead of as this
#: machine's code for int8 does; one image always may.
CHANGED_SHARE = 0.002


class _Calibration(CalibrationDataReader):  # type: ignore[misc]  # shipped without types
    """Training images as the network's input, batch by batch, in batches of one size if the graph takes no other."""

    def __init__(self, source: Source, spec: InputSpec, batch: int | None) -> None:
        self.batches = _batches(source, min(CALIBRATION_IMAGES, len(source)), batch or BATCH_SIZE)
        self.spec, self.batch = spec.to_dict(), batch

    def get_next(self) -> dict[str, np.ndarray] | None:
        """Return the next batch, float32 ``(batch, channels, height, width)``, or None after the last."""
        images, _ = next(self.batches, (None, None))
        if images is None:
            return None
        if self.batch is not None and len(images) < self.batch:  # unreadable images are left out
            images = np.concatenate([images, np.repeat(images[-1:], self.batch - len(images), axis=0)])
        return {PIXELS: normalised(images, self.spec)}


def quantize(
    network: NetworkGraph, precision: Literal["int8", "fp16"], train: Source, spec: InputSpec, batch: int | None = None
) -> NetworkGraph:
    """Return a network's graph in lower precision; its inputs and outputs stay float32.

    Args:
        network: a graph of ``zoo.export.graph.network_graph``.
        precision: int8 (weights per output channel, and activations, of convolutions and dense layers) or fp16.
        train: training images; int8 takes the range of each activation from them.
        spec: what the network was trained for.
        batch: images in a batch of the graph, if it takes no other number.

    Raises:
        RunError: the network has an operator that cannot be converted.
    """
    level = logging.root.manager.disable
    logging.disable(logging.WARNING)  # onnxruntime's advice about its own preparation of graphs
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            model = network.complete()
            calibration = _Calibration(train, spec, batch)
            return NetworkGraph.of(_int8(model, calibration) if precision == "int8" else _fp16(model))
    except Exception as error:  # onnxruntime's tools raise any exception for operators that they do not support
        reason = " ".join(str(error).split())[:300]
        raise RunError(f"the network cannot be quantized to {precision}: {type(error).__name__}: {reason}") from error
    finally:
        logging.disable(level)


def measured_split(data: ImageData) -> Literal["test", "val"]:
    """Return the split that measures lower precision: test, else val."""
    try:
        data.source("test")
    except NoSplitError:
        return "val"
    return "test"


def compare(model: GraphSession, quantized: GraphSession, literal: GraphSession, source: Source) -> dict[str, Any]:
    """Run a float32 graph and a quantized one on the images of a split, in turn.

    Args:
        model: float32.
        quantized: the same network in lower precision.
        literal: the quantized graph, computed literally.
        source: the images.

    Returns:
        ``accuracy`` of the quantized graph and ``accuracy_float32``, 0 to 1; ``images``, their number; ``changed``, how
        many get another class than by float32; ``changed_literally``, how many get another class where the graph is
        computed literally; ``speed_ratio``, float32 seconds / quantized seconds, the median over batches of 32.

    Raises:
        UserError: no image can be read.
        RunError: more images than CHANGED_SHARE get another class where the graph is computed literally.
    """
    count, correct, changed, ratios = 0, np.zeros(2, np.int64), np.zeros(2, np.int64), []
    for images, labels in _batches(source, len(source)):
        if count == 0:  # the first run of a session allocates its memory
            for session in (model, quantized):
                session.run(images)
        count += len(labels)
        answers, seconds = [], []
        for session in (model, quantized, literal):
            begin = time.perf_counter()
            logits, _ = session.run(images)
            seconds.append(time.perf_counter() - begin)
            answers.append(logits.argmax(axis=1))
        correct += [int((answer == labels).sum()) for answer in answers[:2]]
        changed += [int((answer != answers[1]).sum()) for answer in answers[::2]]
        ratios.append(seconds[0] / seconds[1])
    if count == 0:
        raise UserError("no image of the split can be read; --data.root says where the data lives")
    if changed[1] > max(1, CHANGED_SHARE * count):
        raise RunError(
            f"in lower precision the network would give {changed[1]:,} of {count:,} images another class on another "
            f"machine; at most {CHANGED_SHARE:.1%} or one image may change; nothing was written"
        )
    return {
        "accuracy": int(correct[1]) / count,
        "accuracy_float32": int(correct[0]) / count,
        "images": count,
        "changed": int(changed[0]),
        "changed_literally": int(changed[1]),
        "speed_ratio": float(np.median(ratios)),
    }


def steadiest(quantized: GraphSession, literal: GraphSession, images: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Return the image whose logits differ least between this machine's code and literal computation, and its logits.

    The code of other machines for int8 rounds in other places.

    Args:
        quantized: a quantized graph.
        literal: the same, computed literally.
        images: uint8 ``(batch, height, width, channels)`` of the network's size.

    Returns:
        The image, and its logits as the graph says them, float32 ``(classes,)``.
    """
    logits, (exact, _) = quantized.run(images)[0], literal.run(images)
    place = int(np.abs(logits - exact).max(axis=1).argmin())
    return images[place], exact[place]


def _batches(source: Source, count: int, size: int = BATCH_SIZE) -> Iterator[tuple[np.ndarray, np.ndarray]]:
    """Yield evenly spaced images, uint8 ``(batch, height, width, channels)``, and labels; skip unreadable images."""
    indices = torch.linspace(0, len(source) - 1, count, dtype=torch.float64).long()
    for images, labels in source.fetch(torch.split(indices, size)):
        readable = labels != BAD
        if readable.any():
            yield images[readable].contiguous().numpy(), labels[readable].numpy()


def _int8(graph: onnx.ModelProto, calibration: _Calibration) -> onnx.ModelProto:
    with temporary_folder("zoo-int8-") as folder:
        before, after = Path(folder, "float32.onnx"), Path(folder, "int8.onnx")
        onnx.save(graph, before)
        quantize_static(
            before,
            after,
            calibration,
            per_channel=True,
            # Weights of 7 bits: processors without VNNI add two products in 16 bits, which those of 8 bits exceed.
            reduce_range=True,
            activation_type=QuantType.QInt8,
            weight_type=QuantType.QInt8,
            calibrate_method=CalibrationMethod.MinMax,
            op_types_to_quantize=OPERATORS,
            # The first layer stays float32: its input has the finest differences, and it costs little.
            nodes_to_exclude=[node.name for node in graph.graph.node if PIXELS in node.input],
            extra_options={
                # Outputs of dense layers stay float32: the logits, and the scores of attention.
                "OpTypesToExcludeOutputQuantization": ["Gemm", "MatMul"],
                "MatMulConstBOnly": True,
                # TensorRT needs zero points of 0. Those of activations cost accuracy, so only the forms for such
                # engines, which have batches of one size, have them.
                "WeightSymmetric": True,
                "ActivationSymmetric": calibration.batch is not None,
            },
        )
        return onnx.load(after)


def _fp16(graph: onnx.ModelProto) -> onnx.ModelProto:
    converted = OnnxModel(convert_float_to_float16(graph, keep_io_types=True))
    converted.topological_sort()  # the converter appends the casts of the outputs at the end
    quantized: onnx.ModelProto = converted.model
    return quantized
