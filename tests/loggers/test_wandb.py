"""Weights & Biases, offline."""

from __future__ import annotations

import json

import pytest

from .conftest import SHORT

pytest.importorskip("wandb")

pytestmark = pytest.mark.slow


def test_wandb_gets_rows_report_and_drawing_and_each_run_of_a_process_its_own(zoo, logged_run, tmp_path, monkeypatch):
    monkeypatch.setenv("WANDB_MODE", "offline")
    monkeypatch.setenv("WANDB_SILENT", "true")
    folder = logged_run("wandb")
    assert zoo("fit", "--run", "other", "--logger", "wandb", *SHORT)[0] == 0
    logs = sorted((folder / "wandb").glob("offline-run-*"))
    assert len({path.name.rpartition("-")[2] for path in logs}) == 1  # the resumed run goes on with its own
    [log] = logs[-1].glob("*.wandb")
    assert b"val/accuracy" in log.read_bytes()
    assert [path.suffix for path in sorted((logs[-1] / "files" / "media").glob("*/*"))] == [".html", ".png"]
    ids = [json.loads((run / "trackers.json").read_text())["wandb"] for run in (folder, tmp_path / "runs" / "other")]
    assert ids[0] != ids[1]
