"""Comet, offline."""

from __future__ import annotations

import json
import zipfile

import pytest

pytest.importorskip("comet_ml")

pytestmark = pytest.mark.slow


@pytest.mark.filterwarnings("ignore")  # what comet_ml does while it is imported
def test_comet_archives_rows_drawing_and_files_of_one_experiment(logged_run, monkeypatch):
    monkeypatch.setenv("COMET_START_ONLINE", "0")
    folder = logged_run("comet")
    archives = sorted((folder / "comet").glob("*.zip"))
    key = json.loads((folder / "trackers.json").read_text())["comet"]
    assert {path.name.partition("-")[0] for path in archives} == {key}
    messages = ""
    for path in archives:
        with zipfile.ZipFile(path) as archive:
            messages += archive.read("messages.json").decode()
    for text in ("val/accuracy", "best/accuracy", "confusion_matrix", "report.html"):
        assert text in messages
