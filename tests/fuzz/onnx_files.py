"""ONNX files with other bytes, metadata, graphs and places of their weights."""

from __future__ import annotations

import json
from functools import cache
from pathlib import Path
from typing import Any

import onnx
from fuzz.config_files import _tree
from fuzz.harness import Case
from fuzz.values import damaged, texts, weighted
from fuzz.workshop import SMALL
from hypothesis import strategies as st

PREDICT = ("predict", "case/m.onnx", "photos/ant/0.png")
COMMANDS = (
    ("verify", "case/m.onnx"),
    PREDICT,
    (*PREDICT, "--all", "--output", "case/out.json"),
    (*PREDICT, "--tta", "flip"),
)
SLOW_COMMANDS = (
    ("fit", "--model.weights", "case/m.onnx"),
    ("fit", "--model.teacher", "case/m.onnx", "--data", "folder", *SMALL),
)


@cache
def model_file(pristine: Path) -> bytes:
    """Return the exported file."""
    return (pristine / "model.onnx").read_bytes()


def _read(pristine: Path) -> onnx.ModelProto:
    return onnx.load_from_string(model_file(pristine))


@st.composite
def _metadata(draw: st.DrawFn, pristine: Path) -> bytes:
    """Return the file with an entry of its metadata changed, missing, damaged, twice or added."""
    model = _read(pristine)
    for _ in range(draw(st.integers(1, 2))):
        entry = draw(st.sampled_from(list(model.metadata_props)))
        way = draw(st.sampled_from(("tree", "tree", "tree", "missing", "bytes", "twice", "text")))
        if way == "missing":
            model.metadata_props.remove(entry)
        elif way == "twice":
            model.metadata_props.add(key=entry.key, value=entry.value)
        elif way == "text":
            entry.value = draw(texts).encode("utf-8", "replace").decode()
        elif way == "bytes":
            entry.value = draw(damaged(entry.value.encode())).decode("utf-8", "replace")
        else:
            entry.value = _changed(draw, entry.value)
    return model.SerializeToString()


def _changed(draw: st.DrawFn, value: str) -> str:
    try:
        tree: Any = json.loads(value)
    except ValueError:
        tree = value
    return json.dumps(draw(_tree(tree)), default=str, skipkeys=True)


@st.composite
def _graph(draw: st.DrawFn, pristine: Path) -> bytes:
    """Return the file with another graph."""
    model = _read(pristine)
    graph = model.graph
    node = draw(st.sampled_from(list(graph.node)))
    weights = draw(st.sampled_from(list(graph.initializer)))
    way = draw(st.sampled_from(WAYS))
    if way == "op":
        node.op_type = draw(st.sampled_from(("Nothing", "Loop", "Relu", "")))
    elif way == "domain":
        node.domain = draw(st.sampled_from(("com.stranger", "ai.onnx.ml", "com.microsoft")))
    elif way == "edge":
        node.input[:] = [draw(st.sampled_from(("images", "", "nowhere", node.output[0])))] * max(1, len(node.input))
    elif way == "output":
        graph.output[0].name = draw(st.sampled_from(("other", "", "images")))
    elif way == "no outputs":
        del graph.output[:]
    elif way == "no inputs":
        del graph.input[:]
    elif way == "input":
        kind = graph.input[0].type.tensor_type
        kind.elem_type = draw(st.sampled_from((0, 1, 2, 7, 8, 99)))
    elif way == "shape":
        dimension = draw(st.sampled_from(list(graph.input[0].type.tensor_type.shape.dim)))
        dimension.dim_value = draw(st.sampled_from((0, 1, 7, -1, 2**40)))
    elif way == "external":
        weights.data_location = onnx.TensorProto.EXTERNAL
        weights.external_data.add(
            key="location", value=draw(st.sampled_from(("/etc/passwd", "../x", "odd/fifo", "x.data")))
        )
    elif way == "dims":
        weights.dims[:] = draw(st.sampled_from(([], [0], [2**40], [-1], [1, 1], [2**20, 2**20])))
    elif way == "type":
        weights.data_type = draw(st.sampled_from((0, 1, 2, 8, 16, 99)))
    elif way == "data":
        weights.raw_data = draw(st.sampled_from((b"", b"\0" * 4, b"\xff" * len(weights.raw_data))))
    elif way == "no node":
        graph.node.remove(node)
    elif way == "version":
        model.ir_version = draw(st.sampled_from((0, 1, 99, 2**40)))
    elif way == "opset":
        model.opset_import[0].version = draw(st.sampled_from((0, 1, 5, 99, 2**40)))
    else:
        model.functions.add(name="x", domain="")
    return model.SerializeToString()


WAYS = ("op", "domain", "edge", "output", "no outputs", "no inputs", "input", "shape", "external", "dims", "type")
WAYS += ("data", "no node", "version", "opset", "function")


@st.composite
def _case(draw: st.DrawFn, pristine: Path) -> Case:
    data = draw(st.one_of(_metadata(pristine), _graph(pristine), damaged(model_file(pristine), 400)))
    argv = draw(weighted(st.sampled_from(COMMANDS), st.sampled_from(SLOW_COMMANDS), 40))
    return Case(argv, {"m.onnx": data}, writes=("case/",))


def onnx_files(pristine: Path) -> st.SearchStrategy[Case]:
    """Return the family, about the folder that ``workshop`` has filled."""
    return _case(pristine)
