"""int8 that every processor computes alike, or no file."""

from __future__ import annotations

import shutil

import numpy as np
import onnx
import pytest
import torch

import zoo as library
from zoo.core.errors import RunError
from zoo.data.sources import MemorySource
from zoo.export import quantize as quantizing
from zoo.export.graph import network_graph
from zoo.runtime import Classifier


@pytest.fixture
def lowered(grey_spec):
    """LeNet-5 in int8."""
    images = torch.randint(0, 256, (64, 8, 8, 1), dtype=torch.uint8)
    graph = network_graph(library.create_architecture("lenet5", grey_spec), (1, 8, 8))
    source = MemorySource(images, torch.zeros(64, dtype=torch.int64))
    return lambda batch: quantizing.quantize(graph, "int8", source, grey_spec, batch).complete().graph


def test_weights_fit_into_7_bits_and_their_zero_points_are_0(lowered):
    tensors = {tensor.name: onnx.numpy_helper.to_array(tensor) for tensor in lowered(None).initializer}
    weights = [array for name, array in tensors.items() if array.dtype == np.int8 and array.size > 200]
    assert weights
    assert all(np.abs(array.astype(int)).max() <= 64 for array in weights)
    zeros = [array for name, array in tensors.items() if "weight" in name and name.endswith("zero_point")]
    assert zeros
    assert not any(array.any() for array in zeros)


def test_graphs_of_one_batch_size_have_no_zero_point_but_0(grey_spec):
    images = torch.randint(0, 256, (64, 8, 8, 1), dtype=torch.uint8)
    graph = network_graph(library.create_architecture("lenet5", grey_spec), (1, 8, 8), batch=2)
    source = MemorySource(images, torch.zeros(64, dtype=torch.int64))
    lower = quantizing.quantize(graph, "int8", source, grey_spec, 2).complete().graph
    points = [onnx.numpy_helper.to_array(tensor) for tensor in lower.initializer if "zero_point" in tensor.name]
    assert points
    assert not any(array.any() for array in points)


def test_the_first_layer_and_pooling_stay_float32(lowered):
    graph = lowered(None)
    made_by = {output: node.op_type for node in graph.node for output in node.output}
    first = next(node for node in graph.node if "pixels" in node.input)
    assert first.op_type == "Conv"
    pools = [node for node in graph.node if node.op_type == "AveragePool"]
    assert pools
    quantized = {name for node in graph.node if node.op_type == "QuantizeLinear" for name in node.input[:1]}
    assert all(made_by.get(node.input[0]) != "QuantizeLinear" for node in pools)
    assert quantized


class Answers:
    """A session that answers classes."""

    def __init__(self, classes):
        self.classes = classes

    def run(self, images):
        return np.eye(10, dtype=np.float32)[self.classes[: len(images)]], None


def test_a_file_that_another_machine_would_answer_otherwise_is_refused():
    source = MemorySource(torch.zeros(32, 8, 8, 1, dtype=torch.uint8), torch.zeros(32, dtype=torch.int64))
    here = Answers(np.zeros(32, int))
    one, two = np.zeros(32, int), np.zeros(32, int)
    one[:1], two[:2] = 3, 3
    measures = quantizing.compare(Answers(two), here, Answers(one), source)
    assert (measures["changed"], measures["changed_literally"], measures["images"]) == (2, 1, 32)
    with pytest.raises(RunError, match="would give 2 of 32 images another class on another machine"):
        quantizing.compare(here, here, Answers(two), source)


def test_without_a_test_split_val_measures(zoo, untested_run, tmp_path, monkeypatch):
    run = shutil.copytree(untested_run, tmp_path / "run")
    monkeypatch.setattr("zoo.export.model_file.measured_split", lambda data: "val")
    status, out, err = zoo("export", run, "--quantize", "int8")
    assert status == 0, err
    assert " val images: accuracy" in out
    metadata = Classifier(run / "model.int8.onnx").metadata
    assert metadata["quantization"]["split"] == "val"
    assert metadata["test_accuracy"] is None
