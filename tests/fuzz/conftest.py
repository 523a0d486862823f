"""The folder in which cases run."""

from __future__ import annotations

import os
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
    root = os.environ.pop("ZOO_DATA_ROOT", None)
    yield Sandbox(workshop, tmp_path_factory.mktemp("fuzz") / "place")
    if root is not None:
        os.environ["ZOO_DATA_ROOT"] = root
