"""Convert a network to an ONNX graph whose weights stay where they are until the file is written.

    network ─► torch.onnx ─► structure (ModelProto without weights) + weights (name ─► tensor of the network)

torch's exporter would copy the weights several times: those of VGG16 are 550 MB.
"""

from __future__ import annotations

import dataclasses
import logging
import warnings
from collections.abc import Iterator
from typing import Any

import numpy as np
import onnx
import onnx_ir
import torch
from torch import Tensor, nn

from zoo.core.errors import RunError
from zoo.export.operators import OPERATORS

#: The first operator set with an antialiased Resize; browsers and old runtimes read it as well.
OPSET = 18

#: Bytes of weights; protobuf limits a file to 2 GiB, its structure included.
MAX_BYTES = 2_000_000_000

#: Constants of so many bytes stay in the structure.
SMALL = 1024

#: The input of a network's graph.
PIXELS = "pixels"


class _Network(nn.Module):
    """Logits and probabilities of a network."""

    def __init__(self, network: nn.Module, temperature: float) -> None:
        super().__init__()
        self.network, self.temperature = network, temperature

    def forward(self, pixels: Tensor) -> tuple[Tensor, Tensor]:
        logits: Tensor = self.network(pixels)
        divided = logits if self.temperature == 1 else logits / self.temperature
        return logits, divided.softmax(dim=1)


@dataclasses.dataclass
class NetworkGraph:
    """A network as ONNX.

    Args:
        structure: input ``pixels``, float32 ``(batch, channels, height, width)``, normalised; outputs ``logits`` and
            ``probabilities``, float32 ``(batch, classes)``. Its large tensors are named in ``weights`` and empty.
        weights: the values of the large tensors.
    """

    structure: onnx.ModelProto
    weights: dict[str, np.ndarray]

    def complete(self) -> onnx.ModelProto:
        """Return a copy of the structure that holds the weights."""
        model = onnx.ModelProto()
        model.CopyFrom(self.structure)
        for tensor in model.graph.initializer:
            if tensor.name in self.weights:
                tensor.raw_data = self.weights[tensor.name].tobytes()
        return model

    @property
    def nbytes(self) -> int:
        """Bytes of a file of the graph, nearly."""
        structure: int = self.structure.ByteSize()
        return structure + sum(array.nbytes for array in self.weights.values())

    def copy(self) -> NetworkGraph:
        """Return a copy of the structure, with the same weights."""
        structure = onnx.ModelProto()
        structure.CopyFrom(self.structure)
        return NetworkGraph(structure, self.weights)

    @classmethod
    def of(cls, model: onnx.ModelProto) -> NetworkGraph:
        """Take the large tensors and the metadata out of a graph, which is changed."""
        weights = {}
        del model.metadata_props[:]
        for tensor in model.graph.initializer:
            if len(tensor.raw_data) > SMALL:
                weights[tensor.name] = np.frombuffer(tensor.raw_data, np.uint8)
                tensor.ClearField("raw_data")
        return cls(model, weights)


def network_graph(
    network: nn.Module, size: tuple[int, int, int], temperature: float = 1.0, batch: int | None = None
) -> NetworkGraph:
    """Return the graph of a network in evaluation mode.

    Args:
        network: float32 ``(batch, channels, height, width)`` to logits ``(batch, classes)``; is set to evaluation mode.
        size: channels, height and width of its input.
        temperature: the number by which logits are divided before they become probabilities.
        batch: images in a batch; any number where it is None.

    Raises:
        RunError: ONNX cannot express the network, or its weights are too large for one file.
    """
    count = sum(tensor.nbytes for tensor in network.state_dict().values())
    if count > MAX_BYTES:
        raise RunError(f"the network has {count:,} bytes of weights; one ONNX file holds at most {MAX_BYTES:,}")
    # A batch of two, because torch.export treats a size of one as a constant.
    example = torch.zeros(2 if batch is None else batch, *size)
    weights = {}
    program = _exported(_Network(network, temperature).eval(), example, batch is None)
    for name, value in program.model.graph.initializers.items():
        tensor = value.const_value
        if tensor is not None and tensor.nbytes > SMALL:
            weights[name] = tensor.numpy()
            shape = onnx_ir.Shape(tensor.shape.numpy())
            value.const_value = onnx_ir.ExternalTensor("weights", 0, 0, tensor.dtype, shape=shape, name=name)
    model = onnx_ir.to_proto(program.model)
    for value in program.model.graph.initializers.values():
        value.const_value = None  # the rules of onnxscript's rewriter hold the last graph, and with it the network
    for initializer in model.graph.initializer:
        if initializer.name in weights:
            initializer.ClearField("external_data")
            initializer.ClearField("data_location")
    del model.metadata_props[:]
    model.doc_string = model.domain = ""
    for part in _parts(model.graph):
        del part.metadata_props[:]
        part.doc_string = ""
    return NetworkGraph(model, weights)


def _exported(module: nn.Module, example: Tensor, any_batch: bool) -> torch.onnx.ONNXProgram:
    """Export a module of one input, or raise RunError."""
    level = logging.root.manager.disable
    logging.disable(logging.WARNING)  # the exporter's remarks about itself
    try:
        with warnings.catch_warnings(), torch.no_grad():
            warnings.simplefilter("ignore")
            program = torch.onnx.export(
                module,
                (example,),
                input_names=[PIXELS],
                output_names=["logits", "probabilities"],
                dynamic_shapes=({0: torch.export.Dim("batch")},) if any_batch else None,
                custom_translation_table=OPERATORS,
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
    return program


def _parts(graph: onnx.GraphProto) -> Iterator[Any]:
    """Yield the parts of a graph that can hold stack traces, file names and module paths."""
    yield graph
    yield from (*graph.initializer, *graph.value_info, *graph.input, *graph.output, *graph.node)
    for node in graph.node:
        for attribute in node.attribute:
            if attribute.type == onnx.AttributeProto.GRAPH:
                yield from _parts(attribute.g)
