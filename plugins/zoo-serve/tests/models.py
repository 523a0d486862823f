"""Model files as ``zoo export`` writes them, made without torch: classes by an image's mean colour."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path

import numpy as np
from onnx import TensorProto, helper, numpy_helper, save

CLASSES = ("red", "green", "blue", "white", "black")
COLOURS = ((255, 0, 0), (0, 255, 0), (0, 0, 255), (255, 255, 255), (0, 0, 0))


def write_model(
    path: Path, classes: Sequence[str] = CLASSES, rounds: int = 0, sharpness: float = 1, **metadata: object
) -> Path:
    """Write a model of RGB images of any size.

    Args:
        path: the file.
        classes: the first ones stand for the colours above, in this order.
        rounds: matrix products that an image needs besides, to take its time.
        sharpness: how sure it is.
        metadata: instead of what the file says otherwise.
    """
    colours = np.random.default_rng(0).uniform(0, 255, (len(classes), 3)).astype(np.float32)
    known = min(len(classes), len(COLOURS))
    colours[:known] = COLOURS[:known]
    # The logit of a colour is less, the farther it is: -(mean - colour)^2 / 20000, less what all have in common.
    constants = {
        "weights": (colours.T * sharpness / 10000).astype(np.float32),
        "bias": (-(colours**2).sum(axis=1) * sharpness / 20000).astype(np.float32),
        "rounds": np.array(rounds, np.int64),
        "yes": np.array(True),
        "nothing": np.array([0.0], np.float32),
        "axes": np.array([1, 2], np.int64),
        "square": np.full((256, 256), 1 / 256, np.float32),
    }
    nodes = [
        helper.make_node("Cast", ["images"], ["pixels"], to=TensorProto.FLOAT),
        helper.make_node("ReduceMean", ["pixels", "axes"], ["colour"], keepdims=0),
        helper.make_node("Gemm", ["colour", "weights", "bias"], ["by_colour"]),
        helper.make_node("ReduceMean", ["pixels"], ["level"], keepdims=0),
        helper.make_node("Add", ["square", "level"], ["start"]),
        helper.make_node("Loop", ["rounds", "yes", "start"], ["end"], body=_product()),
        helper.make_node("ReduceMean", ["end"], ["one"], keepdims=0),
        helper.make_node("Mul", ["one", "nothing"], ["zero"]),
        helper.make_node("Add", ["by_colour", "zero"], ["logits"]),
        helper.make_node("Softmax", ["logits"], ["probabilities"]),
    ]
    images = helper.make_tensor_value_info("images", TensorProto.UINT8, ["batch", "height", "width", 3])
    shape = ["batch", len(classes)]
    outputs = [helper.make_tensor_value_info(name, TensorProto.FLOAT, shape) for name in ("logits", "probabilities")]
    initializers = [numpy_helper.from_array(value, name) for name, value in constants.items()]
    graph = helper.make_graph(nodes, "colours", [images], outputs, initializers)
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 18)], ir_version=10)
    spec = {"classes": list(classes), "channels": 3, "height": 8, "width": 8, "mean": [0.5] * 3, "std": [0.25] * 3}
    texts: dict[str, object] = {
        "classes": list(classes),
        "input_spec": spec | {"resize": {"crop": 1.0, "interpolation": "bilinear"}},
        "architecture": {"name": "mean_colour"},
        "dataset": "colours",
        "versions": {"zoo": "0.1.0"},
        "golden": {},
        "test_accuracy": 0.875,
    }
    props = {key: json.dumps(value) for key, value in (texts | metadata).items()}
    helper.set_model_props(model, props | {"zoo_format": "1"})
    save(model, path)
    return path


def _product() -> object:
    """Return the body of a loop that multiplies a matrix by one whose values are 1/256."""
    body = [
        helper.make_node("MatMul", ["before", "square"], ["after"]),
        helper.make_node("Identity", ["go"], ["go_on"]),
    ]
    inputs = [("turn", TensorProto.INT64, []), ("go", TensorProto.BOOL, []), ("before", TensorProto.FLOAT, [256, 256])]
    outputs = [("go_on", TensorProto.BOOL, []), ("after", TensorProto.FLOAT, [256, 256])]
    values = [[helper.make_tensor_value_info(*value) for value in group] for group in (inputs, outputs)]
    return helper.make_graph(body, "product", *values)
