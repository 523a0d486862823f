"""Trained networks that ``pip install`` brings: written as safetensors, and read by their names.

zoo package ─► wheel ─► pip install ─► entry point (zoo.models) ─► folder ─► weights.safetensors ─► Classifier
"""

from __future__ import annotations

import json
import os
import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from zoo import runtime
from zoo.core.errors import CheckpointError
from zoo.images.files import as_user_errors

#: The file of weights in a package, and the key of its metadata that holds the network's description.
WEIGHTS, KEY = "weights.safetensors", "zoo"


def installed_folder(name: str) -> Path | None:
    """Return the folder of an installed model; None where no distribution has the name, or a file has.

    Raises:
        UserError: several distributions have the name, or its files are not those that were installed.
    """
    if os.path.exists(name):  # False too for a name that no file can have
        return None
    with as_user_errors():
        return runtime.installed_model(name)


def without_front_matter(card: str) -> str:
    """Return a model card without what the Hugging Face Hub reads before its text."""
    return re.sub(r"\A---\n.*?\n---\n", "", card.lstrip(), flags=re.DOTALL)


def write_description(
    checkpoint: Mapping[str, Any], keys: tuple[str, ...], path: Path, temperature: float = 1.0
) -> None:
    """Write a checkpoint's weights as safetensors, with what describes their network.

    Args:
        checkpoint: as ``zoo.models.checkpoint.read_checkpoint`` returns it.
        keys: hyperparameters of the checkpoint to keep.
        path: the file to write.
        temperature: by which logits are divided for probabilities.
    """
    from safetensors.torch import save_file  # loads torch, which finding a folder does not need

    described = {key: value for key, value in checkpoint["hyper_parameters"].items() if key in keys}
    # Tied weights share memory, which the format does not hold.
    tensors = {key: value.clone().contiguous() for key, value in checkpoint["state_dict"].items()}
    save_file(tensors, path, {KEY: json.dumps({"hyper_parameters": described, "temperature": temperature})})


def read_described(path: Path) -> dict[str, Any]:
    """Return the weights of a ``.safetensors`` file; of one that describes its network, what a checkpoint holds.

    Returns:
        Tensors by their keys; or ``{"state_dict": ..., "hyper_parameters": ..., "temperature": ...}``.
    """
    from safetensors import safe_open
    from safetensors.torch import load_file

    with safe_open(path, "pt") as file:
        description = (file.metadata() or {}).get(KEY)
    tensors: dict[str, Any] = load_file(path)
    return tensors if description is None else {"state_dict": tensors, **json.loads(description)}


def described_checkpoint(path: Path) -> dict[str, Any]:
    """Return what ``read_described`` does; CheckpointError where the file describes no network."""
    if not path.is_file():
        raise CheckpointError(f"{path} is missing; reinstall the package of the model")
    content = read_described(path)
    if "hyper_parameters" not in content:
        raise CheckpointError(f"{path} does not describe its network; 'zoo package RUN' writes files that do")
    return content
