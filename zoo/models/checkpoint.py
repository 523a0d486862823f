"""Reads checkpoints, without running anything in them: they hold tensors and primitives only."""

from __future__ import annotations

import os
import zipfile
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any, TypeVar

import torch

from zoo.core import registry
from zoo.core.errors import CheckpointError, UserError, did_you_mean
from zoo.core.file_builder import is_file_name, is_file_origin, locate
from zoo.core.spec import InputSpec
from zoo.core.trust import restricted
from zoo.models.checkpoint_fields import require_fields
from zoo.models.classifier import Classifier
from zoo.models.initialisation import without_random_weights
from zoo.models.installed import WEIGHTS, described_checkpoint, installed_folder
from zoo.runs.folder import Run
from zoo.runs.trusted import trusted_names

#: The hyperparameters of a checkpoint that a plain classifier takes; the others are for training.
PLAIN = ("spec", "architecture", "freeze", "channels_last")

AnyClassifier = TypeVar("AnyClassifier", bound=Classifier)


def read_checkpoint(path: str | Path, *, mapped: bool = False) -> dict[str, Any]:
    """Read a checkpoint of zoo's onto the CPU.

    Args:
        path: its file.
        mapped: leave tensors in the file until they are used; an optimizer's state then takes no memory.

    Raises:
        CheckpointError: the file is missing, no regular file, damaged, holds more than tensors and primitives, has NaN
            weights or a field that is not as zoo writes it; it names the field.
    """
    path = Path(path)
    if not path.is_file():
        here = os.path.lexists(path)
        raise CheckpointError(f"checkpoint {path} " + ("is no regular file" if here else "does not exist"))
    with reading(path, "checkpoint"):
        if mapped:  # torch compares no checksums then
            with zipfile.ZipFile(path) as archive:
                if (name := archive.testzip()) is not None:
                    raise zipfile.BadZipFile(f"{name} is damaged")
        checkpoint = torch.load(path, map_location="cpu", weights_only=True, mmap=mapped)
    size = path.stat().st_size
    if not isinstance(checkpoint, dict) or not {"state_dict", "hyper_parameters"} <= set(checkpoint):
        raise CheckpointError(f"{path} is not a checkpoint of zoo ({size:,} bytes): it names no architecture")
    require_fields(checkpoint, path)
    return checkpoint


@contextmanager
def reading(path: Path, what: str) -> Iterator[None]:
    """Turn any error while a file is read into a CheckpointError: it is not a readable ``what``, and why."""
    try:
        yield
    except Exception as error:  # for damaged files, the unpickler and the zip reader may raise anything
        refused = "Unsupported global" in str(error) or "Unsupported operand" in str(error)
        reason = "it holds more than tensors and plain values" if refused else "it is damaged or something else"
        reason = str(error.strerror) if isinstance(error, PermissionError) else reason
        size = path.stat().st_size
        raise CheckpointError(f"{path} is not a readable {what} ({size:,} bytes): {reason}") from error


def load_classifier(run_or_checkpoint: str | Path) -> Classifier:
    """Return the trained classifier of a run, checkpoint file or installed model, on the CPU, in evaluation mode.

    Raises:
        UserError: there is no such run, or its architecture is not installed.
        CheckpointError: as ``read_checkpoint``, or the weights do not fit the architecture.
    """
    path, folder = Path(run_or_checkpoint), installed_folder(str(run_or_checkpoint))
    if folder is not None:
        path = folder / WEIGHTS
        content = described_checkpoint(path)
        with restricted(file.name for file in folder.glob("*.py")):  # which pip installed
            classifier = classifier_of(content, path, Classifier, folder)
        classifier.run, classifier.temperature = Run(folder), content["temperature"]
        return classifier
    if not path.exists() and (near := did_you_mean(str(path), registry.list_names("model"))):
        raise UserError(f"{path} is neither a run, a checkpoint nor an installed model{near}")
    if path.is_file():
        run = Run(path.parent.parent)  # where training saved the checkpoint
    else:
        run = Run.open(path)
        path = run.trained()
    checkpoint = read_checkpoint(path)
    classifier = classifier_of(checkpoint, path, Classifier, run.path)
    classifier.run = run if run.config.is_file() else None
    classifier.temperature = run.temperature(checkpoint.get("global_step", -1))
    return classifier


def classifier_of(
    checkpoint: dict[str, Any],
    path: Path,
    kind: Callable[..., AnyClassifier],
    folder: Path,
    *,
    share: bool = False,
    **configured: Any,
) -> AnyClassifier:
    """Return the classifier that a checkpoint describes, in evaluation mode.

    Args:
        checkpoint: as ``read_checkpoint`` returns it.
        path: its file, for errors.
        kind: class or builder; Classifier itself takes no hyperparameter of the training.
        folder: of the run, which holds the file of a network that is one; no other file is executed.
        share: take the checkpoint's tensors themselves, without a copy.
        **configured: hyperparameters by the run's configuration, which may name import paths.

    Raises:
        CheckpointError: its architecture is not installed or does not take its hyperparameters, or its weights do not
            fit.
    """
    try:
        hyperparameters = dict(checkpoint["hyper_parameters"])
        architecture = hyperparameters["architecture"]
        name = locate(architecture["name"], architecture.get("from", ""), folder)
        if is_file_name(name) and name == architecture["name"]:
            raise CheckpointError(f"{path} names the file {name} without its SHA-256, so it is not executed")
        hyperparameters["architecture"] = {**architecture, "name": name}
        hyperparameters |= configured
        arguments = hyperparameters.items()
        with restricted(trusted_names(folder)), without_random_weights():
            classifier = kind(**{key: value for key, value in arguments if kind is not Classifier or key in PLAIN})
    except CheckpointError:
        raise
    except UserError as error:
        raise CheckpointError(f"{path}: {error}") from error
    except (TypeError, KeyError, AttributeError) as error:
        raise CheckpointError(f"{path} is not a checkpoint of this zoo: {error}") from error
    if kind is Classifier:  # which has no place for the modules that a task adds to the network
        own = {name.partition(".")[0] for name in classifier.state_dict()}
        state = checkpoint["state_dict"]
        checkpoint = {
            **checkpoint,
            "state_dict": {name: state[name] for name in state if name.partition(".")[0] in own},
        }
    load_weights(classifier, checkpoint, path, share=share)
    return classifier.eval()


def load_weights(classifier: Classifier, checkpoint: dict[str, Any], path: Path, *, share: bool = False) -> None:
    """Load a checkpoint's weights into a classifier, or let it share them; CheckpointError if they do not fit."""
    try:
        classifier.load_state_dict(checkpoint["state_dict"], assign=share)
    except (RuntimeError, TypeError, AttributeError) as error:
        detail = " ".join(str(error).split())
        raise CheckpointError(f"{path}: its weights do not fit its architecture: {detail}") from error
    for name, value in classifier.named_parameters():  # a buffer may be infinite, such as a mask
        if value.numel() and not torch.stack([value.detach().min(), value.detach().max()]).isfinite().all():
            raise CheckpointError(f"{path}: state_dict.{name} holds infinite numbers; use an earlier checkpoint")


def last_epoch(checkpoint: Mapping[str, Any]) -> int:
    """Return the epoch, from 0, in which a checkpoint was saved; -1 for that of a solved last layer, before any."""
    return int(checkpoint["epoch"]) if checkpoint["global_step"] else -1


def spec_of(checkpoint: dict[str, Any], path: Path) -> InputSpec:
    """Return the spec that a checkpoint was trained for; CheckpointError if it has none."""
    try:
        return InputSpec.from_dict(checkpoint["hyper_parameters"]["spec"])
    except (KeyError, TypeError, ValueError, RuntimeError) as error:
        raise CheckpointError(f"{path} is not a checkpoint of this zoo: hyper_parameters.spec: {error}") from error


def require_same_architecture(
    checkpoint: dict[str, Any],
    path: Path,
    architecture: Mapping[str, Any],
    remedy: str = "make them equal, or train a new run",
) -> None:
    """Compare the architecture of a checkpoint with the one that a configuration asks for.

    Args:
        checkpoint: as ``read_checkpoint`` returns it.
        path: its file, for errors.
        architecture: the name and hyperparameters asked for.
        remedy: what to do where they differ.

    Raises:
        CheckpointError: they differ in name or hyperparameters; it names both.
    """
    own = checkpoint["hyper_parameters"]["architecture"]
    if any(own[key] != architecture[key] for key in own.keys() & architecture.keys() - {"from"}):
        raise CheckpointError(
            f"{path} is of architecture {_describe(own)}, the configuration asks for {_describe(architecture)}; "
            f"{remedy}"
        )


def architecture_options(checkpoint: Mapping[str, Any], architecture: Mapping[str, Any]) -> str:
    """Return the options of ``zoo fit`` that ask for a checkpoint's network in place of another one, as a text."""
    own = checkpoint["hyper_parameters"]["architecture"]
    if own["name"] != architecture["name"]:
        return (
            f"--model {own['name']}" if not is_file_origin(own.get("from", "")) else "--model with the network's file"
        )
    differing = [key for key in sorted(own.keys() & architecture.keys() - {"from"}) if own[key] != architecture[key]]
    return " ".join(f"--model.architecture.{key} {own[key]}" for key in differing)


def _describe(architecture: Mapping[str, Any]) -> str:
    arguments = ", ".join(f"{key}={value}" for key, value in architecture.items() if key not in ("name", "from"))
    return f"'{architecture['name']}'" + (f" ({arguments})" if arguments else "")
