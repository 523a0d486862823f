"""Convert a network and its preprocessing to one ONNX graph that takes any image size and batch size.

    images ─► Transpose ─► If size fits ─┬─ unchanged ──────┬─► normalise, network ─┬─► logits
    uint8 (batch, height, width, ...)    └─ resize_and_crop ┘                       └─► probabilities

torch exports ``resize_and_crop`` and the network from the code that trains; this module writes the nodes that join
them. torch could export the whole graph (torch.cond), but takes three times as long.
"""

from __future__ import annotations

import dataclasses
import logging
import warnings
from collections.abc import Iterator
from functools import cache
from typing import Any

import numpy as np
import onnx
import torch
from onnx import TensorProto, compose, helper, numpy_helper
from torch import Tensor, nn

from zoo.core.errors import RunError
from zoo.core.spec import InputSpec
from zoo.images.preprocess import Preprocess, resize_and_crop

#: The first operator set with an antialiased Resize; browsers and old runtimes read it as well.
OPSET = 18

#: Bytes of weights; protobuf limits a file to 2 GiB, its structure included.
MAX_BYTES = 2_000_000_000


class _Network(nn.Module):
    """Everything after the resize: pixels of the right size to logits and probabilities."""

    def __init__(self, network: nn.Module, spec: InputSpec, temperature: float) -> None:
        super().__init__()
        self.preprocess, self.network, self.temperature = Preprocess(spec), network, temperature

    def forward(self, pixels: Tensor) -> tuple[Tensor, Tensor]:
        logits: Tensor = self.network(self.preprocess.normalise(pixels))
        divided = logits if self.temperature == 1 else logits / self.temperature
        return logits, divided.softmax(dim=1)


class _Resize(nn.Module):
    """The resize: pixels of any size to the size of the network."""

    def __init__(self, spec: InputSpec) -> None:
        super().__init__()
        self.spec = spec

    def forward(self, pixels: Tensor) -> Tensor:
        return resize_and_crop(pixels, self.spec)


def network_graph(network: nn.Module, spec: InputSpec, temperature: float = 1.0) -> onnx.ModelProto:
    """Return the graph of a network in evaluation mode, for pixels of its own size.

    Args:
        network: float32 ``(batch, channels, height, width)`` to logits ``(batch, classes)``; is set to evaluation mode.
        spec: what the network was trained for.
        temperature: the number by which logits are divided before they become probabilities.

    Returns:
        Input ``pixels``: float32 ``(batch, channels, spec.height, spec.width)``, whole levels 0 to 255. Outputs
        ``logits`` and ``probabilities``: float32 ``(batch, classes)``.

    Raises:
        RunError: ONNX cannot express the network, or its weights are too large for one file.
    """
    size = sum(tensor.nbytes for tensor in network.state_dict().values())
    if size > MAX_BYTES:
        raise RunError(f"the network has {size:,} bytes of weights; one ONNX file holds at most {MAX_BYTES:,}")
    # A batch of two, because torch.export treats a size of one as a constant.
    example = torch.zeros(2, spec.channels, spec.height, spec.width)
    return _export(_Network(network, spec, temperature), example, {0: "batch"}, ["logits", "probabilities"])


def accept_any_size(graph: onnx.ModelProto, spec: InputSpec) -> onnx.ModelProto:
    """Put the resize before a network's graph, as drawn above.

    Args:
        graph: from ``network_graph``, or the same in lower precision.
        spec: what the network was trained for.

    Returns:
        Input ``images``: uint8 ``(batch, height, width, channels)``, any size, values 0 to 255. Outputs of ``graph``.
    """
    graph = compose.add_prefix(graph, "network/", rename_inputs=False, rename_outputs=False)
    images = helper.make_tensor_value_info("images", TensorProto.UINT8, ["batch", "height", "width", spec.channels])
    pixels = helper.make_tensor_value_info("pixels", TensorProto.FLOAT, None)
    unchanged = helper.make_graph([_to_float("unresized")], "unchanged", [], [])
    unchanged.output.append(helper.make_tensor_value_info("unresized", TensorProto.FLOAT, None))
    resized = _resize_graph(dataclasses.replace(spec, classes=("0", "1")))  # the cache is shared by all classes
    nodes = [
        helper.make_node("Shape", ["images"], ["size"], start=1, end=3),
        helper.make_node("Equal", ["size", "own_size"], ["sides_fit"]),
        helper.make_node("Split", ["sides_fit"], ["height_fits", "width_fits"], num_outputs=2),
        helper.make_node("And", ["height_fits", "width_fits"], ["fits"]),
        helper.make_node("Transpose", ["images"], ["levels"], perm=[0, 3, 1, 2]),
        helper.make_node("If", ["fits"], ["pixels"], then_branch=unchanged, else_branch=resized),
    ]
    own_size = numpy_helper.from_array(np.array([spec.height, spec.width], np.int64), "own_size")
    front = helper.make_graph(nodes, "front", [images], [pixels], [own_size])
    opsets = [helper.make_opsetid(opset.domain, opset.version) for opset in graph.opset_import]
    model = helper.make_model(front, opset_imports=opsets, ir_version=graph.ir_version)
    model = compose.merge_models(model, graph, [("pixels", "pixels")], name="zoo")
    model.producer_name = "zoo"
    return model


def to_onnx(network: nn.Module, spec: InputSpec) -> onnx.ModelProto:
    """Convert a network with its resize; arguments and errors as ``network_graph``, result as ``accept_any_size``."""
    return accept_any_size(network_graph(network, spec), spec)


def _to_float(name: str) -> onnx.NodeProto:
    return helper.make_node("Cast", ["levels"], [name], to=TensorProto.FLOAT)


@cache
def _resize_graph(spec: InputSpec) -> onnx.GraphProto:
    """Return the branch that resizes ``levels`` of the outer graph to the network's size."""
    example = torch.zeros(2, spec.channels, spec.height + 2, spec.width + 3)
    model = _export(_Resize(spec), example, {0: "batch", 2: "height", 3: "width"}, ["resized"])
    graph = compose.add_prefix(model, "resize/").graph
    graph.node.insert(0, _to_float(graph.input[0].name))
    del graph.input[:], graph.value_info[:]
    return graph


def _export(module: nn.Module, example: Tensor, axes: dict[int, str], outputs: list[str]) -> onnx.ModelProto:
    """Export a module of one input ``pixels``, without local paths and stack traces; RunError if that fails."""
    level = logging.root.manager.disable
    logging.disable(logging.WARNING)  # the exporter's remarks about itself
    try:
        with warnings.catch_warnings(), torch.no_grad():
            warnings.simplefilter("ignore")
            program = torch.onnx.export(
                module.eval(),
                (example,),
                input_names=["pixels"],
                output_names=outputs,
                dynamic_shapes=({axis: torch.export.Dim(name) for axis, name in axes.items()},),
                opset_version=OPSET,
                dynamo=True,
                external_data=False,
                verbose=False,
            )
    except Exception as error:  # tracing runs the network's own code, which may raise any exception
        cause = error.__cause__ or error
        reason = " ".join(str(cause).split())[:300]
        raise RunError(f"the network cannot be written as ONNX: {type(cause).__name__}: {reason}") from error
    finally:
        logging.disable(level)
    if program is None:
        raise RunError("the network cannot be written as ONNX: torch.onnx.export returned nothing")
    model = program.model_proto
    del model.metadata_props[:]
    model.doc_string = model.domain = ""
    for part in _parts(model.graph):
        del part.metadata_props[:]
        part.doc_string = ""
    return model


def _parts(graph: onnx.GraphProto) -> Iterator[Any]:
    """Yield the parts of a graph that can hold stack traces, file names and module paths."""
    yield graph
    yield from (*graph.initializer, *graph.value_info, *graph.input, *graph.output, *graph.node)
    for node in graph.node:
        for attribute in node.attribute:
            if attribute.type == onnx.AttributeProto.GRAPH:
                yield from _parts(attribute.g)
