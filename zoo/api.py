"""What Python calls: the registry, a trained network, and training itself."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

from zoo.core import registry
from zoo.core.spec import InputSpec

if TYPE_CHECKING:
    from torch import nn

    from zoo.models.classifier import Classifier


def list_architectures(pattern: str = "*") -> list[str]:
    """Return the registered architectures whose names match a shell pattern (``*``, ``?``), sorted."""
    return _matching(registry.list_names("architecture"), pattern)


def list_datasets(pattern: str = "*") -> list[str]:
    """Return the registered data sets whose names match a shell pattern (``*``, ``?``), sorted."""
    return _matching(registry.list_names("dataset"), pattern)


def create_architecture(name: str, spec: InputSpec, **hyperparameters: Any) -> nn.Module:
    """Build a network by its registered name, with fresh weights.

    Args:
        name: as ``zoo list architectures`` shows it, or ``distribution:name``.
        spec: what the network must know of its data.
        **hyperparameters: the architecture's own, as ``zoo info NAME`` shows them.

    Returns:
        A module from float32 ``(batch, spec.channels, spec.height, spec.width)`` to logits ``(batch, classes)``.

    Raises:
        UserError: the name is unknown or taken twice, or the builder refuses a value.
    """
    network: nn.Module = registry.call("architecture", name, (spec,), hyperparameters)
    return network


def create_dataset(name: str, root: str | Path, split: Literal["train", "val", "test"], **options: Any) -> Any:
    """Open a data set by its registered name.

    Args:
        name: as ``zoo list datasets`` shows it, or ``distribution:name``.
        root: the data root; missing files are downloaded there where their publisher offers them.
        split: which part.
        **options: the data set's own, as ``zoo info NAME`` shows them.

    Returns:
        A map-style data set: ``classes``, ``len()``, and ``[index]`` gives ``(image, label)``, an image a PIL image or
        uint8 ``(height, width, channels)``.

    Raises:
        UserError: the name is unknown or taken twice, or the builder refuses a value.
        NoSplitError: the data set has no such split.
        DownloadError: files are missing and cannot be downloaded.
    """
    return registry.call("dataset", name, (Path(root), split), options)


def load(run_or_checkpoint: str | Path) -> Classifier:
    """Return the trained classifier of a run (its best checkpoint) or of one checkpoint file, on the CPU, evaluating.

    Its ``predict`` takes image files, PIL images and arrays; in a notebook it shows itself as a table.

    Args:
        run_or_checkpoint: a run folder, or a ``.ckpt`` file in one.

    Raises:
        CheckpointError: there is no checkpoint, or it is unreadable or not zoo's.
    """
    from zoo.models.checkpoint import load_classifier

    return load_classifier(run_or_checkpoint)


def _matching(names: Iterable[str], pattern: str) -> list[str]:
    from fnmatch import fnmatchcase

    return [name for name in names if fnmatchcase(name, pattern)]
