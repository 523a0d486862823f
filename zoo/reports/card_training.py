"""The rows of a model card about how its network was trained; they name files, and no folder of the author's."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from zoo.core.version import __version__
from zoo.runs.folder import Run
from zoo.runs.metrics import History

#: Ends of the keys of BatchNorm's statistics, which a checkpoint holds beside the parameters.
STATISTICS = (".running_mean", ".running_var", ".num_batches_tracked")


def training_rows(
    config: Mapping[str, Any], checkpoint: Mapping[str, Any], path: Path, history: History, images: int
) -> list[tuple[str, str]]:
    """Return name and Markdown text of each row.

    Args:
        config: of the run.
        checkpoint: the one that the card is about.
        path: its file.
        history: of the run.
        images: that were trained on; 0 where it is not recorded.
    """
    model, weights = config["model"], config["model"].get("weights")
    rows = [("network", _network(checkpoint))]
    if weights:
        rows.append(("starts from", origin_text(str(weights))))
    if model.get("freeze"):
        rows.append(("frozen", f"`{model['freeze']}`"))
    if checkpoint["global_step"] == 0:
        rows.append(("training", _solved(model.get("head_start") == "solve", history.trained, images)))
    else:
        rows += _epochs(config, checkpoint, history)
    rows += [("seed", str(config["seed_everything"])), ("zoo", __version__)]
    return [*rows, ("SHA-256 of the checkpoint", f"`{sha256(path)}`")]


def origin_text(weights: str) -> str:
    """Return what ``model.weights`` names: a file by its name and SHA-256, a run by its title, else the name itself."""
    path = Path(weights)
    if path.is_file():
        return f"`{path.name}`, SHA-256 `{sha256(path)}`"
    if path.is_dir():
        return f"the run `{Run(path).title}`"
    return f"`{path.name if path.is_absolute() else weights}`"


def sha256(path: Path) -> str:
    """Return the SHA-256 of a file, hexadecimal."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def _network(checkpoint: Mapping[str, Any]) -> str:
    architecture, state = checkpoint["hyper_parameters"]["architecture"], checkpoint["state_dict"]
    statistics = sum(value.numel() for key, value in state.items() if key.endswith(STATISTICS))
    parameters = sum(value.numel() for value in state.values()) - statistics
    more = f", and {statistics:,} numbers of BatchNorm's statistics" if statistics else ""
    return f"`{architecture['name']}` of {architecture.get('from', 'a file')}, {parameters:,} parameters{more}"


def _solved(solved: bool, trained: int, images: int) -> str:
    """Return what happened where the checkpoint is from before any epoch."""
    on = f"the {images:,} training images" if images else "the training images"
    text = f"the last layer was solved by logistic regression on {on}" if solved else "none"
    if trained:
        return f"{text}; {trained} epoch{'s' * (trained > 1)} of training after it did not give a better validation"
    return f"{text}; no epoch was trained"


def _epochs(config: Mapping[str, Any], checkpoint: Mapping[str, Any], history: History) -> list[tuple[str, str]]:
    optimizer, schedule = _class_text(config.get("optimizer")), _class_text(config.get("lr_scheduler"))
    epochs = history.trained or config["trainer"]["max_epochs"]
    rows = [
        ("optimizer", f"{optimizer}, {schedule}" if schedule else optimizer),
        (
            "epochs",
            f"{epochs}; the checkpoint is of epoch {checkpoint['epoch'] + 1}, step {checkpoint['global_step']:,}",
        ),
        ("batch size", str(config["data"]["batch_size"])),
    ]
    augmentation = config["data"].get("augmentation")
    return [*rows, ("augmentation", f"`{_names(augmentation)}`")] if augmentation else rows


def _names(augmentation: Any) -> str:
    """Return the names in a list of augmentations, or what else was written."""
    parts = augmentation if isinstance(augmentation, list) else [augmentation]
    return ", ".join(part if isinstance(part, str) else json.dumps(part) for part in parts)


def _class_text(config: Mapping[str, Any] | None) -> str:
    """Return a class and its main argument: ``SGD, lr 0.1``; empty without one."""
    if not config:
        return ""
    arguments = config.get("init_args") or {}
    rate = next((f", {key} {arguments[key]:g}" for key in ("lr", "max_lr") if arguments.get(key)), "")
    return str(config["class_path"]).rpartition(".")[2] + rate
