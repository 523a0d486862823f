"""Weights trained on ImageNet name what is on photographs; fit starts from them."""

from __future__ import annotations

import json
import os
from pathlib import Path

import pytest

from zoo.cli import main


@pytest.fixture
def weights():
    path = Path(os.environ.get("ZOO_WEIGHTS", ""), "tf_efficientnet_lite0.safetensors")
    if not path.is_file():
        pytest.skip("ZOO_WEIGHTS does not name a folder with tf_efficientnet_lite0.safetensors")
    return ["--model", "timm/tf_efficientnet_lite0", "--model.weights", str(path)]


@pytest.fixture
def photographs():
    """The folder of ants and bees."""
    path = Path(os.environ.get("ZOO_DATA_ROOT", ""), "hymenoptera")
    if not path.is_dir():
        pytest.skip("ZOO_DATA_ROOT does not name a folder with hymenoptera, photographs of ants and bees")
    return path


def test_they_tell_ants_from_bees(weights, photographs, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    files = [str(path) for kind in ("ants", "bees") for path in sorted((photographs / "val" / kind).iterdir())[:8]]
    assert main(["predict", *weights, *files, "--top_k", "1", "--output", "classes.json"]) == 0
    classes = [row["predictions"][0]["class"] for row in json.loads(Path("classes.json").read_text())]
    assert classes[:8].count("ant, emmet, pismire") >= 5
    assert classes[8:].count("bee") >= 5


def test_fit_starts_from_them(weights, photographs, tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    data = ["--data", "folder", "--data.root", str(photographs), "--data.image_size", "64", "--data.batch_size", "8"]
    limits = ["--trainer.max_epochs", "1", "--trainer.limit_train_batches", "2", "--trainer.limit_val_batches", "2"]
    assert main(["fit", *weights, *data, *limits]) == 0
    captured = capsys.readouterr()
    assert "layer classifier of 1000 classes replaced by a fresh one of 2" in captured.err
    assert main(["validate", captured.out.splitlines()[-1], *limits[-2:]]) == 0
