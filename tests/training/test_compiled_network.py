"""A compiled network is compiled once for training and once for evaluation, whatever the last batch has."""

import pytest
import torch
from torch import nn
from torch._dynamo.utils import counters

from zoo.core.spec import InputSpec
from zoo.training.compiled_network import CompiledNetwork
from zoo.training.task import ImageClassifier

SPEC = InputSpec(("a", "b", "c"), 1, 12, 12, (0.5,), (0.5,))

PLAIN, NORMALISED = {"name": "cnn", "layout": "2C3-8N"}, {"name": "airbench", "width": 2}


@pytest.fixture(autouse=True)
def _eager_backend(monkeypatch):
    """Trace as ever, and run what was traced without a C++ compiler; count graphs from 0."""
    compile_module = nn.Module.compile
    monkeypatch.setattr(nn.Module, "compile", lambda self, **_: compile_module(self, backend="eager"))
    torch.compiler.reset()
    counters.clear()
    yield
    torch.compiler.reset()


def graphs():
    return counters["stats"]["unique_graphs"]


def batches(*sizes):
    generator = torch.Generator().manual_seed(0)
    for size in sizes:
        images = torch.randint(0, 256, (size, 12, 12, 1), dtype=torch.uint8, generator=generator)
        yield images, torch.randint(0, 3, (size,), generator=generator)


def trained(architecture, compiled, mixup=None):
    """Return the losses of some batches, the validation figures, and the weights after them."""
    torch.manual_seed(0)
    model = ImageClassifier(SPEC, architecture, mixup=mixup)
    if compiled:
        model.compile_network(True)
    optimizer, losses = torch.optim.SGD(model.parameters(), lr=0.1), []
    for batch in batches(8, 8, 3, 8, 5):
        optimizer.zero_grad()
        output = model.training_step(batch, 0)
        output["loss"].backward()
        optimizer.step()
        losses.append(output["loss_value"])
        assert len(output["logits"]) == len(batch[1])
    model.eval()
    with torch.no_grad():
        for batch in batches(8, 8, 2):
            model.validation_step(batch, 0)
    return losses, model.val_metrics.compute_and_reset(), model.state_dict()


@pytest.mark.parametrize("architecture", [PLAIN, NORMALISED], ids=["plain", "BatchNorm"])
def test_smaller_batches_train_and_count_as_without_compiling(architecture):
    torch.testing.assert_close(trained(architecture, True), trained(architecture, False))
    assert graphs() == 2


def test_smaller_batches_of_mixed_images_are_not_compiled_again():
    trained(PLAIN, True, mixup=0.2)
    assert graphs() == 2


def test_without_whole_batches_torch_would_compile_again():
    network = nn.Sequential(nn.Flatten(), nn.Linear(144, 3))
    CompiledNetwork(network, True)
    for images, _ in batches(8, 3):
        network(images.float())
    assert graphs() == 2
