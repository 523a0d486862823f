"""The data of a run that is there: split and augmentation as it recorded them, or as its version chose them."""

from __future__ import annotations

import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from zoo.core.errors import UserError
from zoo.data.root import default_root
from zoo.runs.config_file import read_config
from zoo.runs.folder import Run

#: Options of ``data`` that say how splits are drawn.
SPLIT_OPTIONS = ("val_fraction", "test_fraction", "split_seed", "group", "split", "folds", "fold", "new_images")


def draws_by_count(run: Run) -> bool:
    """Tell whether the run is of a version that drew splits by count and did not record them."""
    return not run.split.is_file() and "split_seed" not in read_config(run.config).get("data", {})


def complete_data(data: Any, run: Run | None) -> None:
    """Make the paths of ``data`` absolute, and let a run of an old version draw its splits as that did.

    Args:
        data: options of ``data``, by item: a dict, or jsonargparse's Namespace.
        run: to resume or evaluate; None for a new one.
    """
    data["root"] = str((default_root() if data["root"] is None else Path(data["root"])).absolute())
    if data["split"] is not None:
        data["split"] = str(Path(data["split"]).absolute())
    for option, value in list(data["dataset"].items()):
        if isinstance(value, Path) and value.exists():  # others start at the root
            data["dataset"][option] = value.absolute()
    if run is not None and draws_by_count(run):
        data["split_seed"] = None


def recorded_split(run: Run, data: Mapping[str, Any]) -> dict[str, Any]:
    """Return the options by which a run gets the split that it recorded; none where it recorded none.

    Args:
        run: to resume or evaluate.
        data: the options as its config.yaml and the command line make them.

    Raises:
        UserError: the run has split.csv, and the command line says how to draw another split.
    """
    if not run.split.is_file():
        return {}
    recorded = read_config(run.config).get("data", {})
    for option in SPLIT_OPTIONS:
        if option in recorded and data[option] != recorded[option]:
            raise UserError(
                f"run {run.path} has its split in {run.split}, received data.{option} {data[option]!r}; leave it out, "
                "or train a new run"
            )
    return {
        "split": str(run.path),
        "group": None,
        "folds": None,
        "fold": None,
        "test_fraction": None,
        "new_images": None,
    }


def recorded_augmentation(data: Mapping[str, Any]) -> dict[str, Any]:
    """Return the augmentation of a run that recorded none: what its version chose for files; none where it did."""
    if data.get("augmentation") is None and data["dataset"]["name"] in ("folder", "table"):
        return {"augmentation": "crop_flip"}
    return {}


def old_run(split: str | os.PathLike[str] | None, weights: str | None) -> Run | None:
    """Return the run that both the split and the weights are of; None where there is no such run.

    Args:
        split: what data.split names.
        weights: what model.weights names: a run, or a checkpoint in one.
    """
    if split is None or weights is None:
        return None
    run, place = Run(Path(os.path.realpath(split))), os.path.realpath(weights)
    inside = place == str(run.path) or os.path.dirname(os.path.dirname(place)) == str(run.path)
    return run if inside and os.path.isfile(run.config) else None
