"""One graph for any size: the pixels that training sees, to the last bit, and nothing of where it was made."""

from __future__ import annotations

import numpy as np
import onnxruntime
import pytest
import torch
from torch import nn

import zoo as library
from zoo.core.errors import RunError
from zoo.core.spec import InputSpec, Resize
from zoo.export.forms import to_onnx
from zoo.export.graph import MAX_BYTES, network_graph
from zoo.images.preprocess import Preprocess, to_uint8


class Pixels(nn.Module):
    """Gives out what comes in, so that a graph shows its preprocessing."""

    def forward(self, images):
        return images.flatten(1)


def session(network, spec):
    return onnxruntime.InferenceSession(to_onnx(network, spec))


def test_the_layout_of_weights_adds_no_nodes_and_stays():
    pooled = nn.Sequential(nn.Conv2d(3, 4, 3), nn.Conv2d(4, 4, 1), nn.AdaptiveAvgPool2d(1), nn.Flatten())
    pooled.to(memory_format=torch.channels_last)
    strides = [parameter.stride() for parameter in pooled.parameters()]
    operators = [node.op_type for node in network_graph(pooled, (3, 8, 8), batch=1).structure.graph.node]
    assert operators == ["Conv", "Conv", "ReduceMean", "Reshape", "Softmax"]
    assert [parameter.stride() for parameter in pooled.parameters()] == strides


def levels(*shape):
    return torch.randint(0, 256, shape, dtype=torch.uint8, generator=torch.Generator().manual_seed(sum(shape)))


@pytest.mark.parametrize(
    ("resize", "channels"),
    [
        (Resize(), 1),
        (Resize(0.875), 3),
        (Resize(0.9, "bicubic"), 3),
        (Resize(fit="letterbox"), 3),
        (Resize(0.7, "bicubic", "letterbox"), 1),
        (Resize(fit="stretch"), 4),
        (Resize(0.875, "bicubic", "stretch"), 2),
    ],
)
def test_the_graph_sees_the_pixels_that_training_sees(resize, channels):
    spec = InputSpec(("a", "b"), channels, 28, 40, (0.0,) * channels, (1 / 255,) * channels, resize)
    graph = session(Pixels(), spec)
    for height, width in [(28, 40), (56, 80), (28, 41), (7, 200), (300, 9), (1, 1), (2, 3), (333, 500), (31, 44)]:
        image = levels(height, width, channels)
        [pixels] = graph.run(["logits"], {"images": image[None].numpy()})
        seen = np.rint(pixels.reshape(channels, 28, 40)).transpose(1, 2, 0)
        assert np.abs(pixels - np.rint(pixels)).max() < 1e-3
        assert (seen == to_uint8(image, spec).numpy()).all(), (height, width)


def test_any_batch_and_size_gives_the_checkpoints_logits(colour_spec):
    torch.manual_seed(0)
    network = library.create_architecture("lenet5", colour_spec).eval()
    graph = session(network, colour_spec)
    for shape in [(1, 32, 32, 3), (7, 32, 32, 3), (2, 50, 41, 3), (5, 9, 30, 3)]:
        images = levels(*shape)
        with torch.no_grad():
            expected = network(Preprocess(colour_spec)(images))
        logits, probabilities = graph.run(["logits", "probabilities"], {"images": images.numpy()})
        torch.testing.assert_close(torch.from_numpy(logits), expected, atol=1e-5, rtol=1e-4)
        torch.testing.assert_close(torch.from_numpy(probabilities), expected.softmax(1), atol=1e-6, rtol=1e-4)


def test_inputs_and_outputs_are_those_of_the_contract(grey_spec):
    graph = session(library.create_architecture("lenet5", grey_spec), grey_spec)
    [images] = graph.get_inputs()
    assert (images.name, images.type, images.shape) == ("images", "tensor(uint8)", ["batch", "height", "width", 1])
    described = [(output.name, output.type, output.shape) for output in graph.get_outputs()]
    assert described == [(name, "tensor(float)", ["batch", 10]) for name in ("logits", "probabilities")]


def test_the_graph_tells_nothing_of_the_machine(grey_spec):
    content = to_onnx(library.create_architecture("lenet5", grey_spec), grey_spec)
    for word in (b".py", b"site-packages", b"/home/", b"/tmp/", b"forward", b"lenet"):
        assert word not in content


def test_a_network_that_cannot_be_written_is_an_error_that_says_why(grey_spec):
    class Branches(nn.Module):
        def forward(self, images):
            return images.flatten(1) if images.sum() > 0 else images.flatten(1) * 2

    with pytest.raises(RunError, match="the network cannot be written as ONNX: "):
        to_onnx(Branches(), grey_spec)


def test_a_network_too_large_for_one_file_is_refused(grey_spec):
    with torch.device("meta"):
        network = nn.Linear(MAX_BYTES // 40, 11)
    with pytest.raises(RunError, match="one ONNX file holds at most 2,000,000,000"):
        to_onnx(network, grey_spec)
