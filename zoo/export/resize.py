"""The resize of zoo.images.preprocess as ONNX nodes: Pillow's arithmetic, to the last bit, for pictures of any size.

    levels (batch, channels, height, width) ─► @ columns (width, own width) ─► @ rows (own height, height) ─► own size
                                               └──── each made in the graph from the size of the picture ────┘

The matrix of the columns is made transposed: onnxruntime 1.18 to 1.25 fuse a Transpose with the product of doubles
behind it, and have no kernel for that.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import onnx
from onnx import TensorProto, helper, numpy_helper

from zoo.core.spec import InputSpec
from zoo.images.preprocess import WEIGHT_ONE
from zoo.runtime import Geometry


class GraphWriter:
    """Collects nodes and constants of a graph; each call of ``add`` returns the name of the node's output.

    Args:
        prefix: before the name of every node, constant and output.
    """

    def __init__(self, prefix: str) -> None:
        self.prefix = prefix
        self.nodes: list[onnx.NodeProto] = []
        self.constants: dict[str, onnx.TensorProto] = {}

    def add(self, operator: str, *inputs: str | int | float | np.ndarray, output: str = "", **attributes: Any) -> str:
        """Add a node; numbers become constants, int64 or float64 by their type, arrays keep theirs."""
        names = [value if isinstance(value, str) else self.constant(value) for value in inputs]
        name = output or f"{self.prefix}/{operator}_{len(self.nodes)}"
        self.nodes.append(helper.make_node(operator, names, [name], name, **attributes))
        return name

    def constant(self, value: int | float | np.ndarray) -> str:
        """Return the name of a constant."""
        array = np.asarray(value)
        key = f"{array.dtype}{array.shape}{array.tolist()}"
        if key not in self.constants:
            self.constants[key] = numpy_helper.from_array(array, f"{self.prefix}/constant_{len(self.constants)}")
        return self.constants[key].name


def resize_branch(spec: InputSpec, output: str) -> onnx.GraphProto:
    """Return the branch of an ``If`` that brings ``levels`` of the outer graph to the network's size.

    Args:
        spec: size and resize rule.
        output: the name of the branch's output, float32 ``(batch, channels, spec.height, spec.width)``, whole levels 0
            to 255.

    Returns:
        A graph without inputs. Of the outer graph it takes ``levels``, uint8 ``(batch, channels, height, width)``, and
        ``size``, int64 ``(2,)``: height and width.
    """
    writer, geometry = GraphWriter("resize"), Geometry(spec.height, spec.width, **vars(spec.resize))
    sides = [writer.add("Gather", "size", index) for index in (0, 1)]
    scaled = _scaled_size(writer, geometry, *sides)
    pixels = writer.add("Cast", "levels", to=TensorProto.DOUBLE)
    columns = _weights(writer, sides[1], scaled[1], spec.width, geometry, transposed=True)
    pixels = _rounded(writer, writer.add("MatMul", pixels, columns))
    rows = _weights(writer, sides[0], scaled[0], spec.height, geometry, transposed=False)
    pixels = _rounded(writer, writer.add("MatMul", rows, pixels))
    pixels = writer.add("Cast", pixels, to=TensorProto.FLOAT)
    # The same in numbers as it is: engines that plan memory ahead learn the size.
    writer.add("Reshape", pixels, np.array([-1, spec.channels, spec.height, spec.width]), output=output)
    result = helper.make_tensor_value_info(output, TensorProto.FLOAT, [None, spec.channels, spec.height, spec.width])
    return helper.make_graph(writer.nodes, "resized", [], [result], list(writer.constants.values()))


def _scaled_size(writer: GraphWriter, geometry: Geometry, height: str, width: str) -> list[str]:
    """Return height and width of the scaled picture, int64, as ``Geometry.scaled_size``."""
    tall, wide = geometry.target
    if geometry.fit == "stretch":
        return [writer.constant(tall), writer.constant(wide)]
    add = writer.add
    rows = add("Div", add("Mul", height, wide), width)
    columns = add("Div", add("Mul", width, tall), height)
    if geometry.fit == "letterbox":
        return [add("Max", 1, add("Min", side, most)) for side, most in ((rows, tall), (columns, wide))]
    return [add("Max", side, least) for side, least in ((rows, tall), (columns, wide))]


def _first_pixel(writer: GraphWriter, geometry: Geometry, scaled: str, count: int) -> str:
    """Return where the middle ``count`` pixels of a scaled side begin, int64, as ``Geometry.first_pixel``."""
    if geometry.fit != "letterbox":
        return _half(writer, writer.add("Sub", scaled, count))
    target = round(count / geometry.crop)
    bars = _half(writer, writer.add("Sub", target, scaled))
    return writer.add("Sub", _half(writer, writer.constant(target - count)), bars)


def _half(writer: GraphWriter, margin: str) -> str:
    """Return half of a margin of at least 0, as ``zoo.runtime.half``."""
    odd = writer.add("Mod", writer.add("Div", margin, 2), 2)
    return writer.add("Div", writer.add("Add", margin, odd), 2)


def _weights(writer: GraphWriter, length: str, scaled: str, count: int, geometry: Geometry, *, transposed: bool) -> str:
    """Return the weight of each pixel of a side in each scaled pixel, as ``_weights`` of zoo.images.preprocess.

    Returns:
        float64 ``(count, length)``, or transposed; whole numbers.
    """
    add = writer.add
    first = _first_pixel(writer, geometry, scaled, count)
    long, small = (add("Cast", side, to=TensorProto.DOUBLE) for side in (length, scaled))
    scale = add("Div", long, small)
    stretch = add("Max", scale, 1.0)
    radius = add("Mul", stretch, 1.0 if geometry.interpolation == "bilinear" else 2.0)
    shape = [1, count] if transposed else [count, 1]
    place = add("Add", np.arange(count).reshape(shape), first)
    centre = add("Mul", add("Add", add("Cast", place, to=TensorProto.DOUBLE), 0.5), scale)
    position = add("Cast", add("Range", 0, length, 1), to=TensorProto.DOUBLE)
    position = add("Reshape", position, np.array([-1, 1] if transposed else [1, -1]))
    begin = add("Floor", add("Add", add("Sub", centre, radius), 0.5))
    end = add("Floor", add("Add", add("Add", centre, radius), 0.5))
    inside = add("And", add("GreaterOrEqual", position, begin), add("Less", position, end))
    distance = add("Abs", add("Mul", add("Add", add("Sub", position, centre), 0.5), add("Div", 1.0, stretch)))
    weight = _triangle(writer, distance) if geometry.interpolation == "bilinear" else _cubic(writer, distance)
    if geometry.fit == "letterbox":  # the other fits reach everywhere
        reached = add("And", add("GreaterOrEqual", place, 0), add("Less", place, scaled))
        inside = add("And", inside, reached)
    weight = _masked(writer, weight, inside)
    total = add("ReduceSum", weight, np.array([0 if transposed else 1]), keepdims=1)
    total = add("Max", total, 1e-9)  # of a pixel that is not reached it is 0
    weight = add("Mul", add("Div", weight, total), WEIGHT_ONE)
    return add("Mul", add("Sign", weight), add("Floor", add("Add", add("Abs", weight), 0.5)))


def _triangle(writer: GraphWriter, distance: str) -> str:
    return writer.add("Max", writer.add("Sub", 1.0, distance), 0.0)


def _cubic(writer: GraphWriter, x: str) -> str:
    """R. Keys, "Cubic convolution interpolation for digital image processing" (1981), a = -1/2."""
    add = writer.add
    near = add("Add", add("Mul", add("Mul", add("Sub", add("Mul", x, 1.5), 2.5), x), x), 1.0)
    far = add("Add", add("Mul", add("Sub", x, 5.0), x), 8.0)
    far = add("Mul", add("Sub", add("Mul", far, x), 4.0), -0.5)
    is_near = add("Less", x, 1.0)
    is_far = add("And", add("Less", x, 2.0), add("Not", is_near))
    return add("Add", _masked(writer, near, is_near), _masked(writer, far, is_far))


def _masked(writer: GraphWriter, values: str, mask: str) -> str:
    """Return float64 values, 0 where a mask is false; they are finite."""
    return writer.add("Mul", values, writer.add("Cast", mask, to=TensorProto.DOUBLE))


def _rounded(writer: GraphWriter, sums: str) -> str:
    """Return weighted sums as whole levels."""
    levels = writer.add("Floor", writer.add("Mul", writer.add("Add", sums, WEIGHT_ONE / 2), 1 / WEIGHT_ONE))
    return writer.add("Min", writer.add("Max", levels, 0.0), 255.0)
