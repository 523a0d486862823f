"""Write an ONNX file whose weights go from the network to the file without a copy in between.

A file is a protobuf message: fields of a tag, a length and a content. onnx serialises the structure; the large tensors
are put behind it, inside the message of the graph (https://protobuf.dev/programming-guides/encoding).
"""

from __future__ import annotations

import io
from typing import IO

import numpy as np
import onnx

from zoo.export.graph import NetworkGraph

#: Tags of length-delimited fields: ModelProto.graph, GraphProto.initializer and TensorProto.raw_data.
GRAPH, INITIALIZER, RAW_DATA = (bytes([number << 3 | 2]) for number in (7, 5, 9))


def write_graph(graph: NetworkGraph, file: IO[bytes]) -> None:
    """Write a graph as an ONNX file without metadata; ``write_metadata`` may append them."""
    structure, tensors = onnx.ModelProto(), {}
    structure.CopyFrom(graph.structure)
    for tensor in structure.graph.initializer:
        if tensor.name in graph.weights:
            tensors[tensor.name] = tensor.SerializeToString()
    rest = [tensor for tensor in structure.graph.initializer if tensor.name not in tensors]
    del structure.graph.initializer[:]
    structure.graph.initializer.extend(rest)
    nodes = structure.graph.SerializeToString()
    structure.ClearField("graph")
    heads = {name: content + RAW_DATA + _varint(graph.weights[name].nbytes) for name, content in tensors.items()}
    sizes = {name: len(head) + graph.weights[name].nbytes for name, head in heads.items()}
    length = len(nodes) + sum(1 + len(_varint(size)) + size for size in sizes.values())
    file.write(structure.SerializeToString() + GRAPH + _varint(length) + nodes)
    for name, head in heads.items():
        file.write(INITIALIZER + _varint(sizes[name]) + head)
        file.write(np.ascontiguousarray(graph.weights[name]).data)


def write_metadata(texts: dict[str, str], file: IO[bytes]) -> None:
    """Append metadata to a file of ``write_graph``."""
    model = onnx.ModelProto()
    onnx.helper.set_model_props(model, texts)
    file.write(model.SerializeToString())


def graph_bytes(graph: NetworkGraph) -> bytes:
    """Return a graph as ``write_graph`` writes it."""
    file = io.BytesIO()
    write_graph(graph, file)
    return file.getvalue()


def _varint(number: int) -> bytes:
    """Return a number as protobuf writes lengths: seven bits a byte, the lowest first."""
    digits = bytearray()
    while number > 127:
        digits.append(number & 127 | 128)
        number >>= 7
    return bytes([*digits, number])
