"""Tries a registered part in a moment, as zoo doctor does: the clause of the contract that it breaks is an error.

Everything is imported where a part is tried: a plugin of another kind must not wait for torch.
"""

from __future__ import annotations

import inspect
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, suppress
from functools import partial
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING, NoReturn

from zoo.core import registry
from zoo.core.errors import ImageError, UserError, ZooError
from zoo.core.part_setting import build_parts
from zoo.core.spec import InputSpec

if TYPE_CHECKING:
    from torch import Tensor

#: Channels and side of the images that a network is tried on, and numbers of classes.
NETWORK_INPUTS, NETWORK_CLASSES = ((3, 32), (1, 28), (3, 224)), (10, 7)

#: Items of a data set that are read.
ITEMS = 20

#: Of the data that a part is built for.
SPEC = InputSpec(tuple("abcdefgh"), 3, 8, 8, (0.5,) * 3, (0.25,) * 3)


class NotTriedError(Exception):
    """A part cannot be tried here: it needs an option or files that only its user has."""


def try_loss(name: str) -> None:
    """Compute a loss of random logits."""
    from zoo.training.loss import Loss

    loss = Loss(name, 0.1, None, SPEC)
    loss(*_batch())


def try_metric(name: str) -> None:
    """Compute a metric of random logits."""
    from zoo.training.metrics import SplitMetrics

    metrics, (logits, labels) = SplitMetrics(SPEC, "val", name), _batch()
    metrics.update(logits, labels, logits.new_zeros(()))
    metrics.compute_and_reset()


def try_class(kind: registry.Kind, name: str) -> None:
    """Import a class of an optimizer or a scheduler."""
    from zoo.config.class_names import load_class

    load_class(kind, name)


def try_callback(name: str) -> None:
    """Build a callback."""
    from lightning.pytorch.callbacks import Callback

    build_parts("callback", name, {}, Callback)


def try_task(name: str) -> None:
    """Import the class of a task."""
    from zoo.training.tasks import load_task

    load_task(name)


def try_network(name: str) -> None:
    """Run a network on images, evaluating and training, for two numbers of classes, at the first size that it takes."""
    from zoo.models.contract import BrokenNetworkError

    problem: UserError | None = None
    for channels, side in NETWORK_INPUTS:
        try:
            for classes in NETWORK_CLASSES:
                _run_network(name, channels, side, classes)
            return
        except BrokenNetworkError:
            raise
        except UserError as error:  # such images are not for every network
            problem = problem or error
    if problem is not None:
        raise problem


def _run_network(name: str, channels: int, side: int, classes: int) -> None:
    import torch

    from zoo.models.contract import network_errors, require_logits, require_module

    labels = tuple(map(str, range(classes)))
    spec = InputSpec(labels, channels, side, side, (0.5,) * channels, (0.25,) * channels)
    network = require_module(name, registry.call("architecture", name, (spec,), {}))
    images = torch.rand(2, channels, side, side)
    for training in (False, True):
        with torch.set_grad_enabled(training), network_errors(name):
            logits = network.train(training)(images)
        require_logits(name, network, logits, len(images), classes, trained=training)


def try_dataset(name: str) -> None:
    """Build the training split in an empty folder, without a network, and read a few of its items.

    Raises:
        NotTriedError: it needs files.
    """
    import numpy as np

    from zoo.data.contract import (
        BrokenDatasetError,
        Place,
        read_item,
        require_attributes,
        require_dataset,
        require_listed,
    )

    with TemporaryDirectory() as root, _no_network():
        try:
            dataset = registry.call("dataset", name, (Path(root), "train"), {})
        except (ZooError, OSError) as error:
            raise NotTriedError from error
        require_dataset(name, "train", dataset)
        if not len(dataset):
            raise NotTriedError
        require_listed(name, "train", dataset)
        require_attributes(name, "train", dataset)
        place = Place(name, "train", len(list(dataset.classes)))
        for index in np.unique(np.linspace(0, len(dataset) - 1, ITEMS).astype(int)).tolist():
            with suppress(ImageError):  # zoo check names damaged images
                read_item(dataset, index, place)
    if place.classes < 2:
        raise BrokenDatasetError(f"{registry.titled('dataset', name)} breaks the contract: it has fewer than 2 classes")


@contextmanager
def _no_network() -> Iterator[None]:
    """Refuse connections: no part may download anything because it is tried."""
    import socket

    def refuse(*_: object, **__: object) -> NoReturn:
        raise OSError("zoo doctor downloads nothing")

    connect, lookup = socket.socket.connect, socket.getaddrinfo
    socket.socket.connect, socket.getaddrinfo = refuse, refuse  # type: ignore[method-assign]
    try:
        yield
    finally:
        socket.socket.connect, socket.getaddrinfo = connect, lookup  # type: ignore[method-assign]


#: How a part of each kind is tried, by its name; a part of another kind is only imported.
TRIALS: Mapping[registry.Kind, Callable[[str], None]] = {
    "architecture": try_network,
    "dataset": try_dataset,
    "loss": try_loss,
    "metric": try_metric,
    "optimizer": partial(try_class, "optimizer"),
    "scheduler": partial(try_class, "scheduler"),
    "task": try_task,
    "callback": try_callback,
}


def try_part(entry: registry.Entry) -> None:
    """Try a part with its default options; one that needs an option, which only a user knows, is not built.

    Networks and data sets of zoo's own are only imported: the tests of zoo try them, and large ones take seconds.

    Raises:
        UserError: the part breaks its contract, or raises; the message names it and its distribution.
        NotTriedError: it needs what only its user has.
    """
    own_large = entry.distribution == registry.OWN_DISTRIBUTION and entry.kind in ("architecture", "dataset")
    if entry.kind not in TRIALS or own_large:
        return
    name = f"{entry.distribution}:{entry.name}"
    own = registry.options(entry.kind, registry.load(entry.kind, name))
    needed = [option for option in own if option.default is inspect.Parameter.empty]
    if needed and entry.kind in ("architecture", "dataset"):
        raise NotTriedError
    if entry.kind in ("optimizer", "scheduler", "task") or not needed:
        TRIALS[entry.kind](name)


def _batch() -> tuple[Tensor, Tensor]:
    """Return logits float32 ``(16, 8)`` and labels int64 ``(16,)``, each class twice."""
    import torch

    generator = torch.Generator().manual_seed(0)
    return torch.randn(16, 8, generator=generator, requires_grad=True), torch.arange(16) % 8
