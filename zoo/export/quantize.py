"""Convert an exported network to int8 or fp16, and measure what that changes in accuracy, speed and size."""

from __future__ import annotations

import logging
import tempfile
import time
import warnings
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Literal

import numpy as np
import onnx
import onnxruntime
import torch
from onnxruntime.quantization import CalibrationDataReader, CalibrationMethod, QuantType, quantize_static
from onnxruntime.transformers.float16 import convert_float_to_float16
from onnxruntime.transformers.onnx_model import OnnxModel

from zoo.core.errors import RunError, UserError
from zoo.data.item_reader import BAD
from zoo.data.sources import Source

#: Training images, evenly spaced, that calibrate int8.
CALIBRATION_IMAGES = 512

BATCH_SIZE = 32

#: Operators that compute in int8. The others, such as normalisation and softmax, need finer levels than 256.
OPERATORS = ["Conv", "Gemm", "MatMul", "Relu", "Clip", "MaxPool", "AveragePool", "Reshape"]

#: Inputs of the nodes that normalise pixels.
NORMALISATION = {"preprocess.scale", "preprocess.shift"}


class _Calibration(CalibrationDataReader):  # type: ignore[misc]  # shipped without types
    """Training images as the network's input, batch by batch."""

    def __init__(self, source: Source) -> None:
        self.batches = _batches(source, min(CALIBRATION_IMAGES, len(source)))

    def get_next(self) -> dict[str, np.ndarray] | None:
        """Return the next batch, float32 ``(batch, channels, height, width)``, or None after the last."""
        batch = next(self.batches, None)
        return None if batch is None else {"pixels": batch[0].transpose(0, 3, 1, 2).astype(np.float32)}


def quantize(graph: onnx.ModelProto, precision: Literal["int8", "fp16"], train: Source) -> onnx.ModelProto:
    """Return a network's graph in lower precision; its inputs and outputs stay float32.

    Args:
        graph: a graph of ``zoo.export.graph.network_graph``.
        precision: int8 (weights per output channel, and activations, of convolutions and dense layers) or fp16.
        train: training images; int8 takes the range of each activation from them.

    Raises:
        RunError: the network has an operator that cannot be converted.
    """
    level = logging.root.manager.disable
    logging.disable(logging.WARNING)  # onnxruntime's advice about its own preparation of graphs
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            return _int8(graph, train) if precision == "int8" else _fp16(graph)
    except Exception as error:  # onnxruntime's tools raise any exception for operators that they do not support
        reason = " ".join(str(error).split())[:300]
        raise RunError(f"the network cannot be quantized to {precision}: {type(error).__name__}: {reason}") from error
    finally:
        logging.disable(level)


def compare(model: onnx.ModelProto, quantized: onnx.ModelProto, test: Source) -> dict[str, Any]:
    """Run a float32 graph and a quantized one on the test split, in turn.

    Args:
        model: float32, from ``zoo.export.graph.accept_any_size``.
        quantized: the same network in lower precision.
        test: the test split.

    Returns:
        ``accuracy`` of the quantized graph and ``accuracy_float32``, 0 to 1; ``images``, their number; ``speed_ratio``,
        float32 seconds / quantized seconds, the median over batches of 32; ``size_ratio``, float32 bytes / quantized.

    Raises:
        UserError: no image can be read.
    """
    sessions = [onnxruntime.InferenceSession(graph.SerializeToString()) for graph in (model, quantized)]
    correct, count, ratios = [0, 0], 0, []
    for images, labels in _batches(test, len(test)):
        if count == 0:  # the first run of a session allocates its memory
            for session in sessions:
                session.run(["logits"], {"images": images})
        count += len(labels)
        seconds = []
        for position, session in enumerate(sessions):
            begin = time.perf_counter()
            [logits] = session.run(["logits"], {"images": images})
            seconds.append(time.perf_counter() - begin)
            correct[position] += int((logits.argmax(axis=1) == labels).sum())
        ratios.append(seconds[0] / seconds[1])
    if count == 0:
        raise UserError("no image of the test split can be read; --data.root says where the data lives")
    return {
        "accuracy": correct[1] / count,
        "accuracy_float32": correct[0] / count,
        "images": count,
        "speed_ratio": float(np.median(ratios)),
        "size_ratio": model.ByteSize() / quantized.ByteSize(),
    }


def _batches(source: Source, count: int) -> Iterator[tuple[np.ndarray, np.ndarray]]:
    """Yield evenly spaced images, uint8 ``(batch, height, width, channels)``, and labels; skip unreadable images."""
    indices = torch.linspace(0, len(source) - 1, count, dtype=torch.float64).long()
    for images, labels in source.fetch(torch.split(indices, BATCH_SIZE)):
        readable = labels != BAD
        if readable.any():
            yield images[readable].contiguous().numpy(), labels[readable].numpy()


def _int8(graph: onnx.ModelProto, train: Source) -> onnx.ModelProto:
    with tempfile.TemporaryDirectory(prefix="zoo-int8-") as folder:
        before, after = Path(folder, "float32.onnx"), Path(folder, "int8.onnx")
        onnx.save(graph, before)
        quantize_static(
            before,
            after,
            _Calibration(train),
            per_channel=True,
            activation_type=QuantType.QInt8,
            weight_type=QuantType.QInt8,
            calibrate_method=CalibrationMethod.MinMax,
            op_types_to_quantize=OPERATORS,
            nodes_to_exclude=[node.name for node in graph.graph.node if set(node.input) & NORMALISATION],
            extra_options={
                # Outputs of dense layers stay float32: the logits, and the scores of attention.
                "OpTypesToExcludeOutputQuantization": ["Gemm", "MatMul"],
                "MatMulConstBOnly": True,
            },
        )
        return onnx.load(after)


def _fp16(graph: onnx.ModelProto) -> onnx.ModelProto:
    converted = OnnxModel(convert_float_to_float16(graph, keep_io_types=True))
    converted.topological_sort()  # the converter appends the casts of the outputs at the end
    quantized: onnx.ModelProto = converted.model
    return quantized
