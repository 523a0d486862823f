"""Fixtures of the whole-pipeline tests."""

from __future__ import annotations

import pytest
from support import write_photos


@pytest.fixture
def photos(tmp_path):
    """A folder of 20 small pictures for each of three classes."""
    write_photos(tmp_path / "photos", ("ant", "bee", "wasp"), 100, 60)
    return tmp_path / "photos"
