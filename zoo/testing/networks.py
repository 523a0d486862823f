"""The contract of networks, and networks with the weights that their authors offer."""

from __future__ import annotations

import copy
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
import onnxruntime
import torch
from torch import nn

from zoo.core.errors import RunError
from zoo.core.spec import InputSpec
from zoo.export.forms import to_onnx
from zoo.images.preprocess import Preprocess
from zoo.models.classifier import Classifier
from zoo.models.contract import require_logits, require_module
from zoo.models.layers import layers
from zoo.models.pretrained import find_weights, pretrained_classifier
from zoo.testing.contract import ContractError, builder_of, clauses, require
from zoo.testing.inputs import random_images


def check_architecture(
    architecture: str | Callable[..., nn.Module],
    *,
    channels: Sequence[int] = (1, 3),
    classes: Sequence[int] = (2, 10),
    size: tuple[int, int] = (32, 32),
    **hyperparameters: Any,
) -> None:
    """Check that an architecture keeps its contract: shapes, gradients, freezing, copies, ONNX export.

    Args:
        architecture: a registered name, or a builder.
        channels: of the images; each is tried.
        classes: numbers of classes; each is tried.
        size: height and width of the images, in pixels.
        **hyperparameters: of the builder.

    Raises:
        ContractError: a rule is broken; the message states the first one.
        UserError: the name is unknown, or the builder refuses the channels, classes, size or hyperparameters.
    """
    builder = builder_of("architecture", architecture)
    name = architecture if isinstance(architecture, str) else getattr(architecture, "__name__", "builder")
    for depth in channels:
        for count in classes:
            spec = InputSpec(tuple(map(str, range(count))), depth, *size, (0.5,) * depth, (0.25,) * depth)
            torch.manual_seed(0)
            with clauses():
                network = require_module(name, builder(spec, **hyperparameters))
            _check_logits(name, network, spec)
            _check_gradients(name, network, spec)
            _check_layers(network, spec)
            _check_copies(network, builder(spec, **hyperparameters), spec)
    _check_onnx(network, spec)  # only the last network: it takes seconds


def _check_logits(name: str, network: nn.Module, spec: InputSpec) -> None:
    """Evaluation: right shape, finite, equal when repeated, each image independent of its batch, no state changed."""
    network.eval()
    before = {key: value.clone() for key, value in network.state_dict().items()}
    with torch.no_grad():
        for count in (1, 2, 5):
            images = random_images(spec, count)
            untouched = images.clone()
            logits = network(images)
            with clauses():
                require_logits(name, network, logits, count, len(spec.classes))
            require(logits.dtype == torch.float32, f"logits are float32, received {logits.dtype}")
            require(bool(logits.isfinite().all()), "logits are finite")
            require(torch.equal(images, untouched), "the input is left as it is")
            require(torch.equal(network(images), logits), "evaluation gives the same logits twice")
        one = torch.cat([network(image[None]) for image in images])
    scale = float(logits.abs().max()) + 1e-6
    require(float((one - logits).abs().max()) <= 1e-3 * scale, "in evaluation an image's logits depend on it alone")
    after = network.state_dict()
    require(all(torch.equal(before[key], after[key]) for key in before), "evaluation leaves weights and buffers alone")


def _check_gradients(name: str, network: nn.Module, spec: InputSpec) -> None:
    """Training: every parameter gets a finite gradient."""
    network.train()
    labels = torch.arange(4) % len(spec.classes)
    logits = network(random_images(spec, 4))
    with clauses():
        require_logits(name, network, logits, len(labels), len(spec.classes), trained=True)
    torch.autograd.backward(nn.functional.cross_entropy(logits, labels))
    for name, parameter in network.named_parameters():
        if parameter.requires_grad:
            require(parameter.grad is not None, f"every parameter gets a gradient; {name} does not")
            require(bool(torch.as_tensor(parameter.grad).isfinite().all()), f"gradients are finite; {name}'s is not")
    network.zero_grad()


def _check_layers(network: nn.Module, spec: InputSpec) -> None:
    """Freezing: each parameter belongs to one layer."""
    try:
        parts = layers(network, spec)
    except RuntimeError as error:
        raise ContractError(
            f"breaks the contract: shapes alone can pass through a network, for its layers: {error}"
        ) from error
    named = sorted(name for layer in parts for name in layer.parameters)
    expected = sorted(name for name, _ in network.named_parameters())
    lost = sorted(set(expected) - set(named))
    require(named == expected, f"each parameter belongs to one layer that can be frozen; not: {', '.join(lost)}")


def _check_copies(network: nn.Module, other: nn.Module, spec: InputSpec) -> None:
    """State: another network of the same spec can load the weights, and a copy gives the same logits."""
    images = random_images(spec, 2)
    network.eval()
    try:
        other.load_state_dict(network.state_dict())
    except RuntimeError as error:
        raise ContractError(f"breaks the contract: a network of the same spec loads the state_dict: {error}") from error
    with torch.no_grad():
        logits = network(images)
        require(torch.equal(other.eval()(images), logits), "with equal weights two networks give equal logits")
        require(torch.equal(copy.deepcopy(network)(images), logits), "a copy gives the same logits")


def _check_onnx(network: nn.Module, spec: InputSpec) -> None:
    """Export: the ONNX graph, preprocessing included, gives the network's logits for other batches and sizes."""
    try:
        session = onnxruntime.InferenceSession(to_onnx(network, spec))
    except RunError as error:
        raise ContractError(f"breaks the contract: a network can be exported: {error}") from error
    preprocess = Preprocess(spec)
    for count, height, width in ((1, spec.height, spec.width), (3, 2 * spec.height, spec.width + 5)):
        shape = (count, height, width, spec.channels)
        images = torch.randint(0, 256, shape, dtype=torch.uint8, generator=torch.Generator().manual_seed(count))
        with torch.no_grad():
            expected = network.eval()(preprocess(images))
        logits = session.run(["logits"], {"images": images.numpy()})[0]
        off, scale = float(np.abs(logits - expected.numpy()).max()), float(expected.abs().max()) + 1e-6
        require(off <= 1e-3 * scale, f"the exported graph gives the same logits; for {shape} they differ by {off:.3g}")


def load_pretrained(architecture: str, weights: str = "DEFAULT", **hyperparameters: Any) -> Classifier:
    """Return a network with the weights that its author offers, or those of a file, as ``zoo predict`` runs it.

    Args:
        architecture: a registered name.
        weights: as ``--model.weights``.
        **hyperparameters: of the builder.

    Returns:
        A module on the CPU, evaluating, with ``spec``, ``network`` and ``predict``: from uint8
        ``(batch, height, width, channels)`` of any size to logits ``(batch, classes)``.

    Raises:
        UserError: there are no such weights, they do not fit, or do not say which classes they tell apart.
        DownloadError: they cannot be downloaded, or do not match their checksum.
    """
    section = {"name": architecture, **hyperparameters}
    return pretrained_classifier(find_weights(section, weights), section)
