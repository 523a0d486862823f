"""The contract of architectures, data sets and augmentations as tests, for plugins and for the built-in ones.

from zoo.testing import check_architecture, check_dataset

def test_my_network():
    check_architecture(my_package.networks.linear, hidden=8)

def test_my_data(tmp_path):
    check_dataset("stripes", root=tmp_path)
"""

from __future__ import annotations

import copy
import hashlib
import pickle
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import onnxruntime
import torch
from torch import Tensor, nn

from zoo.core import registry
from zoo.core.errors import NoSplitError, RunError, UserError, ZooError
from zoo.core.spec import InputSpec
from zoo.data.augmentation_setting import Setting, build_augmentation
from zoo.data.contract import as_tensor
from zoo.export.forms import to_onnx
from zoo.images.preprocess import Preprocess
from zoo.models.classifier import Classifier
from zoo.models.layers import layers
from zoo.models.pretrained import find_weights, pretrained_classifier

#: Items of each split that are checked, evenly spaced.
SAMPLE = 50


class ContractError(ZooError, AssertionError):
    """A rule of the contract is broken; the message states the rule and what was received."""

    exit_status = 2


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
    builder = registry.load("architecture", architecture) if isinstance(architecture, str) else architecture
    for depth in channels:
        for count in classes:
            spec = InputSpec(tuple(map(str, range(count))), depth, *size, (0.5,) * depth, (0.25,) * depth)
            torch.manual_seed(0)
            network = builder(spec, **hyperparameters)
            _require(
                isinstance(network, nn.Module), f"a builder returns an nn.Module, received {type(network).__name__}"
            )
            _check_logits(network, spec)
            _check_gradients(network, spec)
            _check_layers(network, spec)
            _check_copies(network, builder(spec, **hyperparameters), spec)
    _check_onnx(network, spec)  # only the last network: it takes seconds


def _images(spec: InputSpec, count: int) -> Tensor:
    """Return random input, float32 ``(count, channels, height, width)``, mean 0, standard deviation 1."""
    generator = torch.Generator().manual_seed(count)
    return torch.randn(count, spec.channels, spec.height, spec.width, generator=generator)


def _check_logits(network: nn.Module, spec: InputSpec) -> None:
    """Evaluation: right shape, finite, equal when repeated, each image independent of its batch, no state changed."""
    network.eval()
    before = {key: value.clone() for key, value in network.state_dict().items()}
    with torch.no_grad():
        for count in (1, 2, 5):
            images = _images(spec, count)
            untouched = images.clone()
            logits = network(images)
            expected = (count, len(spec.classes))
            received = f"{tuple(logits.shape)} {logits.dtype}" if isinstance(logits, Tensor) else type(logits).__name__
            _require(
                isinstance(logits, Tensor) and logits.shape == expected and logits.dtype == torch.float32,
                f"logits are float32 {expected} for {tuple(images.shape)}, received {received}",
            )
            _require(bool(logits.isfinite().all()), "logits are finite")
            _require(torch.equal(images, untouched), "the input is left as it is")
            _require(torch.equal(network(images), logits), "evaluation gives the same logits twice")
        one = torch.cat([network(image[None]) for image in images])
    scale = float(logits.abs().max()) + 1e-6
    _require(float((one - logits).abs().max()) <= 1e-3 * scale, "in evaluation an image's logits depend on it alone")
    after = network.state_dict()
    _require(all(torch.equal(before[key], after[key]) for key in before), "evaluation leaves weights and buffers alone")


def _check_gradients(network: nn.Module, spec: InputSpec) -> None:
    """Training: every parameter gets a finite gradient."""
    network.train()
    labels = torch.arange(4) % len(spec.classes)
    torch.autograd.backward(nn.functional.cross_entropy(network(_images(spec, 4)), labels))
    for name, parameter in network.named_parameters():
        if parameter.requires_grad:
            _require(parameter.grad is not None, f"every parameter gets a gradient; {name} does not")
            _require(bool(torch.as_tensor(parameter.grad).isfinite().all()), f"gradients are finite; {name}'s is not")
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
    _require(named == expected, f"each parameter belongs to one layer that can be frozen; not: {', '.join(lost)}")


def _check_copies(network: nn.Module, other: nn.Module, spec: InputSpec) -> None:
    """State: another network of the same spec can load the weights, and a copy gives the same logits."""
    images = _images(spec, 2)
    network.eval()
    try:
        other.load_state_dict(network.state_dict())
    except RuntimeError as error:
        raise ContractError(f"breaks the contract: a network of the same spec loads the state_dict: {error}") from error
    with torch.no_grad():
        logits = network(images)
        _require(torch.equal(other.eval()(images), logits), "with equal weights two networks give equal logits")
        _require(torch.equal(copy.deepcopy(network)(images), logits), "a copy gives the same logits")


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
        _require(off <= 1e-3 * scale, f"the exported graph gives the same logits; for {shape} they differ by {off:.3g}")


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


def check_dataset(dataset: str | Callable[..., Any], *, root: str | Path, **options: Any) -> None:
    """Check that a data set keeps its contract (``zoo.data.contract``): classes, items, pickling, disjoint splits.

    Args:
        dataset: a registered name, or a builder.
        root: the data root; a data set may download missing files to it.
        **options: of the builder.

    Raises:
        ContractError: a rule is broken; the message states the first one.
        UserError: the name is unknown, or the builder refuses the options.
    """
    builder = registry.load("dataset", dataset) if isinstance(dataset, str) else dataset
    splits = {}
    for split in ("train", "val", "test"):
        try:
            splits[split] = builder(Path(root), split, **options)
        except NoSplitError:
            _require(split != "train", "there is a train split")
    classes = list(splits["train"].classes)
    valid = all(isinstance(name, str) for name in classes) and len(set(classes)) == len(classes) >= 2
    _require(valid, f"classes are at least two different texts, received {classes!r}")
    seen = {split: _check_split(split, data, classes) for split, data in splits.items()}
    for split in seen.keys() - {"train"}:
        shared = len(seen[split] & seen["train"])
        _require(
            shared <= len(seen[split]) / 2,
            f"splits are disjoint; {shared} of {len(seen[split])} of {split} are in train",
        )


def check_augmentation(setting: Setting, *, channels: Sequence[int] = (1, 3), size: tuple[int, int] = (32, 32)) -> None:
    """Check that an augmentation keeps its contract: size and type of images, seeds, pickling.

    Args:
        setting: as ``--data.augmentation`` takes it: a registered name, or with its arguments.
        channels: of the images; each is tried.
        size: height and width that the network sees, in pixels.

    Raises:
        ContractError: a rule is broken; the message states the first one.
        UserError: the name is unknown, or the augmentation refuses its arguments or such images.
    """
    for depth in channels:
        spec = InputSpec(("a", "b"), depth, *size, (0.5,) * depth, (0.25,) * depth)
        augmentation = build_augmentation(setting, spec)
        image = _images(spec, 1).mul(64).add(128).clamp(0, 255).to(torch.uint8)[0].permute(1, 2, 0)
        again = pickle.loads(pickle.dumps(augmentation))
        for seed in range(8):
            choice, untouched = [0, 0, seed % 2, seed], image.clone()
            changed = augmentation.change(image, choice)
            _require(torch.equal(image, untouched), "it leaves the image that it is given as it is")
            _require(changed.shape == image.shape, f"it keeps the size, {tuple(image.shape)}: {tuple(changed.shape)}")
            _require(torch.equal(changed, augmentation.change(image, choice)), "its random numbers come from torch")
            _require(torch.equal(changed, again.change(image, choice)), "it is the same after pickling")


def _check_split(split: str, data: Any, classes: list[str]) -> set[str]:
    """Check the items of a split, and return the digests of their pixels."""
    _require(list(data.classes) == classes, f"every split has the classes of train; {split} has {list(data.classes)!r}")
    _require(len(data) > 0, f"a split holds an image; {split} holds none")
    try:
        again = pickle.loads(pickle.dumps(data))
    except Exception as error:
        raise ContractError(f"breaks the contract: a data set can be pickled, for worker processes: {error}") from error
    _require(len(again) == len(data), "a pickled data set is of the same length")
    listed = getattr(data, "labels", None)
    _require(listed is None or len(listed) == len(data), f"labels are as many as items, in {split}")
    digests, channels = set(), set()
    for index in np.unique(np.linspace(0, len(data) - 1, SAMPLE).astype(int)).tolist():
        image, label = data[index]
        where = f"item {index} of {split}"
        _require(
            int(label) == label and 0 <= label < len(classes), f"labels are 0 to {len(classes) - 1}; {where}: {label!r}"
        )
        _require(listed is None or int(listed[index]) == label, f"labels agree with the items; {where}")
        pixels = _pixels(image, where)
        channels.add(pixels.shape[2])
        _require(np.array_equal(pixels, _pixels(data[index][0], where)), f"an item is the same twice; {where}")
        digests.add(hashlib.sha256(pixels.tobytes()).hexdigest())
    _require(
        len(channels) == 1 or {1, 3} == channels,
        f"images have equal channels, or 1 and 3; {split} has {sorted(channels)}",
    )
    return digests


def _pixels(image: Any, where: str) -> np.ndarray:
    """Return the pixels of an item's image, uint8 ``(height, width, channels)``."""
    if hasattr(image, "getbands"):
        return np.asarray(as_tensor(image, 3))
    try:
        return np.asarray(as_tensor(image, 1 if image.ndim == 2 else image.shape[2]))
    except (UserError, AttributeError, IndexError) as error:
        raise ContractError(
            "breaks the contract: an image is a PIL image or a uint8 or uint16 array (height, width, channels); "
            f"{where} is {type(image).__name__} {getattr(image, 'dtype', '')} {getattr(image, 'shape', '')}"
        ) from error


def _require(condition: bool, rule: str) -> None:
    if not condition:
        raise ContractError(f"breaks the contract: {rule}")
