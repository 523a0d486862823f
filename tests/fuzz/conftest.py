"""The folder in which cases run."""

from __future__ import annotations

from pathlib import Path

import pytest
from fuzz.harness import Sandbox
from fuzz.workshop import fill


@pytest.fixture(scope="session")
def workshop(make_once) -> Path:
    """The folder that a sandbox copies; its name is in no message of a command."""
    return make_once("workshop", fill)


@pytest.fixture(scope="session")
def sandbox(workshop, tmp_path_factory) -> Sandbox:
    return Sandbox(workshop, tmp_path_factory.mktemp("fuzz") / "place")


@pytest.fixture(autouse=True)
def no_data_root(monkeypatch):
    monkeypatch.delenv("ZOO_DATA_ROOT", raising=False)
