"""What Python calls: the registry, a trained network, and training itself."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal, Never, overload

from zoo.api.trained_run import TrainedRun, load
from zoo.config.host_process import host_signals, quiet_lightning
from zoo.config.sections import Section, fit_configs
from zoo.config.time_limit import time_limit
from zoo.core import registry
from zoo.core.spec import InputSpec

if TYPE_CHECKING:
    from lightning.pytorch.callbacks import Callback
    from torch import nn

__all__ = [
    "TrainedRun",
    "create_architecture",
    "create_dataset",
    "fit",
    "list_architectures",
    "list_datasets",
    "load",
]


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


@overload
def fit(
    *,
    model: Section | None = None,
    data: Section | None = None,
    trainer: Section | None = None,
    optimizer: Section | None = None,
    lr_scheduler: Section | None = None,
    seed_everything: int | bool | None = None,
    monitor: str | None = None,
    early_stopping: int | None = None,
    logger: str | Sequence[str] | None = None,
    code: str | Path | Sequence[str | Path] | None = None,
    ckpt_path: str | Path | None = None,
    max_epochs: int | None = None,
    config: str | Path | None = None,
    time: str | float | None = None,
    folds: None = None,
    seeds: None = None,
    run: str | None = None,
    resume: str | Path | TrainedRun | None = None,
    callbacks: Sequence[Callback | str | Mapping[str, Any]] = (),
    quiet: bool = False,
    **unknown: Never,
) -> TrainedRun: ...
@overload
def fit(*, folds: int, **sections: Any) -> list[TrainedRun]: ...
@overload
def fit(*, seeds: int, **sections: Any) -> list[TrainedRun]: ...
@quiet_lightning()
def fit(
    *,
    model: Section | None = None,
    data: Section | None = None,
    trainer: Section | None = None,
    optimizer: Section | None = None,
    lr_scheduler: Section | None = None,
    seed_everything: int | bool | None = None,
    monitor: str | None = None,
    early_stopping: int | None = None,
    logger: str | Sequence[str] | None = None,
    code: str | Path | Sequence[str | Path] | None = None,
    ckpt_path: str | Path | None = None,
    max_epochs: int | None = None,
    config: str | Path | None = None,
    time: str | float | None = None,
    folds: int | None = None,
    seeds: int | None = None,
    run: str | None = None,
    resume: str | Path | TrainedRun | None = None,
    callbacks: Sequence[Callback | str | Mapping[str, Any]] = (),
    quiet: bool = False,
    **unknown: Never,
) -> TrainedRun | list[TrainedRun]:
    """Train a new run, or resume one, as ``zoo fit`` does.

    Arguments down to ckpt_path are the sections of a config file; None leaves one as ``config`` or the default has it.

    Args:
        model: a registered name, or the section: ``{"architecture": {"name": "lenet5", "dropout": 0.2}, "freeze": 1}``.
        data: a registered name, or the section: ``{"dataset": "folder", "root": "photos", "batch_size": 16}``.
        trainer: arguments of ``lightning.Trainer``.
        optimizer: of ``torch.optim``, ``{"class_path": "SGD", "init_args": {"lr": 0.1}}``, or ``{"lr": 0.1}`` of Adam.
        lr_scheduler: likewise.
        seed_everything: 0 to 2**32 - 1, or True for a random seed.
        monitor: the validation figure that chooses best.ckpt: val/accuracy (the default), val/f1, val/loss ...
        early_stopping: end after so many epochs without a better value of that figure.
        logger: also write to tensorboard, wandb, mlflow or comet, or to several.
        code: a Python file whose builders, marked by ``zoo.register``, can be named like registered ones, or several.
        ckpt_path: start from this checkpoint.
        max_epochs: short for ``trainer={"max_epochs": ...}``.
        config: a YAML file; the other arguments win over it.
        time: train as many epochs as end within this time, the report included: "10m", "1h30m" or seconds.
        folds: train a run for each of so many folds, which is its test split, and test it; returns a list of them.
        seeds: train and test a run for each of so many seeds, from seed_everything upwards; returns a list of them.
        run: the run's folder inside trainer's default_root_dir; one that is there, configured alike, is resumed.
        resume: the run to go on with, where it stopped; takes trainer, early_stopping, logger and where the data is.
        callbacks: run beside zoo's own: objects, which the run does not record, or names that ``zoo list callbacks``
            shows, with options: ``{"name": "swa", "swa_lrs": 0.01}``.
        quiet: print nothing, errors apart.
        **unknown: raises a UserError that suggests the argument that is meant.

    Raises:
        UserError: a value, a file or a name is wrong; nothing was trained.
        DownloadError: the data or the weights are missing and cannot be downloaded.
        RunError: the training failed; its checkpoints are kept.
        KeyboardInterrupt: Ctrl-C, after the step was finished and a checkpoint saved.
    """
    configs, limit = fit_configs(locals()), time_limit(time)

    from zoo.config.fit import train  # loads torch and lightning
    from zoo.config.folds import train_several

    objects = [callback for callback in callbacks if not isinstance(callback, str | Mapping)]
    options: dict[str, Any] = {"resume": resume, "name": run, "limit": limit, "callbacks": objects, "quiet": quiet}
    with host_signals():
        if folds is None and seeds is None:
            return TrainedRun(train((), *configs, **options).path)
        return [TrainedRun(one.path) for one in train_several(folds, seeds, (), *configs, **options)]


def _matching(names: Iterable[str], pattern: str) -> list[str]:
    from fnmatch import fnmatchcase

    return [name for name in names if fnmatchcase(name, pattern)]
