"""zoo: train, fine-tune, test and ship image classifiers; anybody can add networks and data sets by name.

Everything public is here, in ``zoo.testing`` and in ``zoo.runtime``. ``import zoo`` is light: a name is loaded when it
is first used (PEP 562), and torch by the first that needs it. ``__init__.pyi`` tells type checkers the same.
"""

from __future__ import annotations

from importlib import import_module
from typing import Any

_MODULES = {
    name: module
    for module, names in {
        "zoo.api": "TrainedRun create_architecture create_dataset fit list_architectures list_datasets load",
        "zoo.core.code_file": "register",
        "zoo.core.errors": "CheckpointError DownloadError ImageError NoSplitError RunError UserError ZooError",
        "zoo.core.spec": "InputSpec Interpolation Resize",
        "zoo.core.trust": "trust",
        "zoo.core.version": "__version__",
        "zoo.data.arrays": "ArrayDataset",
        "zoo.data.datamodule": "ImageDataModule",
        "zoo.runs.logged": "LoggedRun",
        "zoo.models.weights": "PublishedWeights",
        "zoo.training.task": "ImageClassifier",
    }.items()
    for name in names.split()
}

__all__ = [*_MODULES]


def __getattr__(name: str) -> Any:
    if name not in _MODULES:
        raise AttributeError(f"module 'zoo' has no attribute '{name}'")
    value = globals()[name] = getattr(import_module(_MODULES[name]), name)
    return value


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})
