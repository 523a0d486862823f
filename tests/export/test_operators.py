"""Operators that zoo writes itself compute what torch computes, in nodes that engines know."""

from __future__ import annotations

import numpy as np
import onnx
import onnxruntime
import pytest
import torch
from torch import nn

from zoo.export.graph import network_graph


def written(*layers):
    """Return the nodes of a network's graph, and its logits by torch and by onnxruntime."""
    torch.manual_seed(0)
    network, images = nn.Sequential(*layers, nn.Flatten()).eval(), torch.randn(2, 3, 9, 12) * 3
    graph = network_graph(network, (3, 9, 12)).complete()
    session = onnxruntime.InferenceSession(graph.SerializeToString())
    [logits] = session.run(["logits"], {"pixels": images.numpy()})
    return [node.op_type for node in graph.graph.node], network(images).numpy(), logits


@pytest.mark.parametrize(
    ("approximate", "written_as"),
    [("none", "Div Erf Add Mul Mul"), ("tanh", "Mul Mul Mul Add Mul Tanh Add Mul Mul")],
)
def test_gelu_is_written_in_the_steps_that_engines_look_for(approximate, written_as):
    nodes, expected, actual = written(nn.GELU(approximate))
    np.testing.assert_allclose(actual, expected, rtol=1e-5, atol=1e-6)
    assert " ".join(nodes) == f"{written_as} Reshape Softmax"


def test_onnxruntime_computes_gelu_in_one_step(tmp_path):
    graph = network_graph(nn.Sequential(nn.GELU(), nn.Flatten()), (3, 9, 12)).complete()
    options = onnxruntime.SessionOptions()
    options.optimized_model_filepath = str(tmp_path / "optimised.onnx")
    options.graph_optimization_level = onnxruntime.GraphOptimizationLevel.ORT_ENABLE_EXTENDED
    onnxruntime.InferenceSession(graph.SerializeToString(), options)
    nodes = onnx.load(tmp_path / "optimised.onnx").graph.node
    assert [node.op_type for node in nodes] == ["Gelu", "Reshape", "Softmax"]


@pytest.mark.parametrize(
    ("size", "node"),
    [(1, "ReduceMean"), ((3, 4), "AveragePool"), ((9, 12), "AveragePool"), ((5, 7), "MatMul"), ((20, 12), "MatMul")],
)
def test_adaptive_pooling_is_written_by_sizes(size, node):
    nodes, expected, actual = written(nn.AdaptiveAvgPool2d(size))
    np.testing.assert_allclose(actual, expected, rtol=1e-5, atol=1e-6)
    assert nodes[0] == node


def test_adaptive_pooling_to_half_a_size_keeps_the_other():
    _, expected, actual = written(nn.AdaptiveAvgPool2d((None, 4)))
    np.testing.assert_allclose(actual, expected, rtol=1e-5, atol=1e-6)
