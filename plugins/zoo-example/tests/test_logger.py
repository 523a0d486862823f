"""The logger keeps zoo's contract."""

from __future__ import annotations

from zoo.testing import check_logger


def test_the_logger_keeps_the_contract(tmp_path):
    check_logger("lines", folder=tmp_path)
