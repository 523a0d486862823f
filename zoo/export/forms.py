"""The forms of an exported file: how a picture comes into the network's graph.

    any    images uint8 (batch, height, width, channels) of any size ─► resize ─► normalise ─► network
    fixed  images uint8 (N, H, W, channels) of the network's size ────► cast ──► normalise ─► network
    float  images float32 (N, channels, H, W), normalised ────────────────────────────────► network

``fixed`` and ``float`` have no dynamic shape, which many engines do not read.
"""

from __future__ import annotations

import numpy as np
from onnx import TensorProto, helper
from torch import nn

from zoo.core.spec import InputSpec
from zoo.export.graph import PIXELS, NetworkGraph, network_graph
from zoo.export.resize import GraphWriter, resize_branch
from zoo.export.streaming import graph_bytes
from zoo.runtime import Form

#: onnxruntime 1.15 reads it, and it has all that operator set 18 needs.
IR_VERSION = 8


def to_onnx(network: nn.Module, spec: InputSpec) -> bytes:
    """Return a network with its resize as an ONNX file without metadata, of the form ``any``.

    Args:
        network: float32 ``(batch, channels, height, width)`` to logits ``(batch, classes)``; is set to evaluation mode.
        spec: what the network was trained for.

    Raises:
        RunError: ONNX cannot express the network, or its weights are too large for one file.
    """
    return graph_bytes(with_input(network_graph(network, (spec.channels, spec.height, spec.width)), spec))


def with_input(network: NetworkGraph, spec: InputSpec, form: Form = "any", batch: int = 1) -> NetworkGraph:
    """Put a form's input before a network's graph.

    Args:
        network: from ``zoo.export.graph.network_graph``, or the same in lower precision.
        spec: what the network was trained for.
        form: any, fixed or float.
        batch: images in a batch of the forms fixed and float.

    Returns:
        A graph of the same weights. Its input is ``images``, as drawn above; its outputs are those of the network.
    """
    complete, writer = network.copy(), GraphWriter("input")
    model, graph = complete.structure, complete.structure.graph
    size: list[int | str] = [spec.height, spec.width]
    kind, shape = TensorProto.UINT8, [batch, *size, spec.channels]
    if form == "float":
        kind, shape = TensorProto.FLOAT, [batch, spec.channels, *size]
        for node in graph.node:
            node.input[:] = ["images" if name == PIXELS else name for name in node.input]
    elif form == "fixed":
        levels = writer.add("Cast", "images", to=TensorProto.FLOAT)
        _normalise(writer, writer.add("Transpose", levels, perm=[0, 3, 1, 2]), spec)
    else:
        shape = ["batch", "height", "width", spec.channels]
        _normalise(writer, _resized(writer, spec), spec)
    del graph.input[:]
    graph.input.append(helper.make_tensor_value_info("images", kind, shape))
    nodes = [*writer.nodes, *graph.node]
    del graph.node[:]
    graph.node.extend(nodes)
    graph.initializer.extend(writer.constants.values())
    graph.name, model.producer_name, model.ir_version = "zoo", "zoo", IR_VERSION
    return complete


def _resized(writer: GraphWriter, spec: InputSpec) -> str:
    """Resize where a picture has another size; return float32 levels ``(batch, channels, height, width)``."""
    writer.add("Transpose", "images", output="levels", perm=[0, 3, 1, 2])
    writer.add("Shape", "images", output="size", start=1, end=3)
    same = writer.add("Equal", "size", np.array([spec.height, spec.width]))
    fits = writer.add("Equal", writer.add("ReduceMin", writer.add("Cast", same, to=TensorProto.INT64), keepdims=0), 1)
    branch = GraphWriter("unchanged")
    levels = branch.add("Cast", "levels", to=TensorProto.FLOAT)
    own_shape = [-1, spec.channels, spec.height, spec.width]
    branch.add("Reshape", levels, np.array(own_shape), output="unresized")
    result = helper.make_tensor_value_info("unresized", TensorProto.FLOAT, [None, *own_shape[1:]])
    unchanged = helper.make_graph(branch.nodes, "unchanged", [], [result], list(branch.constants.values()))
    return writer.add("If", fits, then_branch=unchanged, else_branch=resize_branch(spec, "resized"))


def _normalise(writer: GraphWriter, pixels: str, spec: InputSpec) -> None:
    """Compute PIXELS of float32 levels, as ``Preprocess.normalise``."""
    scale, shift = normalisation(spec)
    writer.add("Add", writer.add("Mul", pixels, scale), shift, output=PIXELS)


def normalisation(spec: InputSpec) -> tuple[np.ndarray, np.ndarray]:
    """Return scale and shift, float32 ``(1, channels, 1, 1)``: ``level * scale + shift`` is the network's input."""
    mean, std = (np.array(values, np.float32).reshape(1, -1, 1, 1) for values in (spec.mean, spec.std))
    return np.float32(1) / (np.float32(255) * std), -mean / std
