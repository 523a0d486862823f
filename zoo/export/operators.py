"""How some of torch's operators are written in ONNX, where the exporter's own way is not read by every engine."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
import torch
from onnx.numpy_helper import from_array
from onnxscript import opset18 as op


def _gelu(self: Any, approximate: str = "none") -> Any:
    """Write GELU so that onnxruntime computes it in one step, and OpenCV 4.14 and 5.0 read it.

    Both look for these operators in this order of inputs; with the constants on the other side OpenCV crashes.
    """
    if approximate == "tanh":
        cube = op.Mul(0.044715, op.Mul(self, op.Mul(self, self)))
        angle = op.Mul(math.sqrt(2 / math.pi), op.Add(self, cube))
        return op.Mul(0.5, op.Mul(self, op.Add(1.0, op.Tanh(angle))))
    return op.Mul(op.Mul(self, op.Add(op.Erf(op.Div(self, math.sqrt(2))), 1.0)), 0.5)


def _adaptive_avg_pool2d(self: Any, output_size: Sequence[int]) -> Any:
    """Write adaptive pooling by sizes, which are fixed: torch's exporter writes a Gather of pixels, or of strides.

    OpenCV 4 and the converter of ncnn do not read that.
    """
    before, after = tuple(self.shape)[-2:], tuple(output_size)
    if after == (1, 1):
        axes: Any = op.Constant(value_ints=[-2, -1])
        return op.ReduceMean(self, axes, keepdims=1)
    if len(self.shape) == 4 and not any(size % count for size, count in zip(before, after, strict=True)):
        window = [size // count for size, count in zip(before, after, strict=True)]
        return op.AveragePool(self, kernel_shape=window, strides=window)
    rows, columns = (_means(size, count) for size, count in zip(before, after, strict=True))
    by_rows = op.MatMul(op.Constant(value=from_array(rows)), self)
    return op.MatMul(by_rows, op.Constant(value=from_array(columns.T)))


def _means(size: int, count: int) -> np.ndarray:
    """Return the matrix ``(count, size)`` whose rows average windows of a line, as torch chooses these."""
    matrix = np.zeros((count, size), np.float32)
    for row in range(count):
        first, last = row * size // count, -(-(row + 1) * size // count)
        matrix[row, first:last] = 1 / (last - first)
    return matrix


#: By operator of torch, the function that writes it.
OPERATORS: dict[Callable[..., Any], Callable[..., Any]] = {
    torch.ops.aten.gelu.default: _gelu,
    torch.ops.aten.adaptive_avg_pool2d.default: _adaptive_avg_pool2d,
}
