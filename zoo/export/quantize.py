"""Lower precision for an exported network: int8, static and per channel, or fp16; and what that costs and gains."""

from __future__ import annotations

import logging
import tempfile
import time
import warnings
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

import numpy as np
import onnx
import onnxruntime
import torch
from onnxruntime.quantization import CalibrationDataReader, CalibrationMethod, QuantType, quantize_static
from onnxruntime.transformers.float16 import convert_float_to_float16
from onnxruntime.transformers.onnx_model import OnnxModel

from zoo.core.errors import RunError, UserError
from zoo.data.sources import BAD, Source

#: Training images, evenly spaced, whose activations give the ranges of int8.
CALIBRATION_IMAGES = 512

BATCH_SIZE = 32

#: What computes in int8; the rest, such as normalisation and softmax, needs finer levels than 256.
OPERATORS = ["Conv", "Gemm", "MatMul", "Relu", "Clip", "MaxPool", "AveragePool", "Reshape"]

#: Inputs of the nodes that normalise pixels.
NORMALISATION = {"preprocess.scale", "preprocess.shift"}


@dataclass(frozen=True)
class Quantization:
    """What lower precision costs and gains on the test split.

    Args:
        accuracy: of the lower precision, 0 to 1.
        accuracy_float32: of the graph before, on the same images.
        images: how many.
        speed_ratio: seconds of float32 by those of the lower precision, the median over batches of 32 run alternately.
    """

    accuracy: float
    accuracy_float32: float
    images: int
    speed_ratio: float


class _Calibration(CalibrationDataReader):  # type: ignore[misc]  # shipped without types
    """Training images as the network's input, batch by batch."""

    def __init__(self, source: Source) -> None:
        self.batches = _batches(source, min(CALIBRATION_IMAGES, len(source)))

    def get_next(self) -> dict[str, np.ndarray] | None:
        """Return the next batch, float32 ``(batch, channels, height, width)``, or None after the last."""
        batch = next(self.batches, None)
        return None if batch is None else {"pixels": batch[0].transpose(0, 3, 1, 2).astype(np.float32)}


def quantize(graph: onnx.ModelProto, precision: Literal["int8", "fp16"], train: Source) -> onnx.ModelProto:
    """Return a network's graph in lower precision; what goes in and comes out stays float32.

    Args:
        graph: as ``zoo.export.graph.network_graph`` returns it.
        precision: int8 for weights (per output channel) and activations of convolutions and dense layers, or fp16.
        train: training images, from which int8 takes the range of each activation.

    Raises:
        RunError: the network has an operator that cannot be converted.
    """
    level = logging.root.manager.disable
    logging.disable(logging.WARNING)  # onnxruntime's advice about its own preparation of graphs
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            return _int8(graph, train) if precision == "int8" else _fp16(graph)
    except Exception as error:  # onnxruntime's tools raise nearly anything for operators they do not know
        reason = " ".join(str(error).split())[:300]
        raise RunError(f"the network cannot be quantized to {precision}: {type(error).__name__}: {reason}") from error
    finally:
        logging.disable(level)


def compare(model: onnx.ModelProto, lower: onnx.ModelProto, test: Source) -> Quantization:
    """Run two whole graphs on the test split, alternately.

    Args:
        model: in float32, as ``zoo.export.graph.of_any_size`` returns it.
        lower: in lower precision.
        test: the test split.

    Raises:
        UserError: no image can be read.
    """
    sessions = [onnxruntime.InferenceSession(each.SerializeToString()) for each in (model, lower)]
    hits, count, ratios = [0, 0], 0, []
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
            hits[position] += int((logits.argmax(axis=1) == labels).sum())
        ratios.append(seconds[0] / seconds[1])
    if count == 0:
        raise UserError("no image of the test split can be read; --data.root says where the data lives")
    return Quantization(hits[1] / count, hits[0] / count, count, float(np.median(ratios)))


def _batches(source: Source, count: int) -> Iterator[tuple[np.ndarray, np.ndarray]]:
    """Yield evenly spaced images, uint8 ``(batch, height, width, channels)``, and labels; unreadable ones left out."""
    indices = torch.linspace(0, len(source) - 1, count, dtype=torch.float64).long()
    for images, labels in source.fetch(torch.split(indices, BATCH_SIZE)):
        good = labels != BAD
        if good.any():
            yield images[good].contiguous().numpy(), labels[good].numpy()


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
                # What a dense layer gives stays float32: the logits, and what attention weighs.
                "OpTypesToExcludeOutputQuantization": ["Gemm", "MatMul"],
                "MatMulConstBOnly": True,
            },
        )
        return onnx.load(after)


def _fp16(graph: onnx.ModelProto) -> onnx.ModelProto:
    converted = OnnxModel(convert_float_to_float16(graph, keep_io_types=True))
    converted.topological_sort()  # it appends the casts of the outputs' ends
    lower: onnx.ModelProto = converted.model
    return lower
