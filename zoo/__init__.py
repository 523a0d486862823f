"""zoo: train, fine-tune, test and ship image classifiers; anybody can add networks and data sets by name.

Everything public is here, in ``zoo.testing`` and in ``zoo.runtime``. ``import zoo`` is light: a name is loaded when it
is first used (PEP 562), and torch by the first that needs it.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from zoo.api import (
        TrainedRun,
        create_architecture,
        create_dataset,
        fit,
        list_architectures,
        list_datasets,
        load,
    )
    from zoo.core.errors import CheckpointError, DownloadError, ImageError, NoSplitError, RunError, UserError, ZooError
    from zoo.core.spec import InputSpec, Interpolation, Resize
    from zoo.core.version import __version__
    from zoo.data.arrays import ArrayDataset
    from zoo.data.datamodule import ImageDataModule
    from zoo.models.weights import PublishedWeights
    from zoo.training.task import ImageClassifier

#: Where each public name is defined.
_MODULES = {
    "ArrayDataset": "zoo.data.arrays",
    "CheckpointError": "zoo.core.errors",
    "DownloadError": "zoo.core.errors",
    "ImageClassifier": "zoo.training.task",
    "ImageDataModule": "zoo.data.datamodule",
    "ImageError": "zoo.core.errors",
    "InputSpec": "zoo.core.spec",
    "Interpolation": "zoo.core.spec",
    "NoSplitError": "zoo.core.errors",
    "PublishedWeights": "zoo.models.weights",
    "Resize": "zoo.core.spec",
    "RunError": "zoo.core.errors",
    "TrainedRun": "zoo.api",
    "UserError": "zoo.core.errors",
    "ZooError": "zoo.core.errors",
    "__version__": "zoo.core.version",
    "create_architecture": "zoo.api",
    "create_dataset": "zoo.api",
    "fit": "zoo.api",
    "list_architectures": "zoo.api",
    "list_datasets": "zoo.api",
    "load": "zoo.api",
}

__all__ = [
    "ArrayDataset",
    "CheckpointError",
    "DownloadError",
    "ImageClassifier",
    "ImageDataModule",
    "ImageError",
    "InputSpec",
    "Interpolation",
    "NoSplitError",
    "PublishedWeights",
    "Resize",
    "RunError",
    "TrainedRun",
    "UserError",
    "ZooError",
    "__version__",
    "create_architecture",
    "create_dataset",
    "fit",
    "list_architectures",
    "list_datasets",
    "load",
]


def __getattr__(name: str) -> Any:
    if name not in _MODULES:
        raise AttributeError(f"module 'zoo' has no attribute '{name}'")
    value = globals()[name] = getattr(import_module(_MODULES[name]), name)
    return value


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})
