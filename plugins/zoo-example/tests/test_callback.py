"""The callback keeps zoo's contract."""

from __future__ import annotations

from zoo.testing import check_callback


def test_the_callback_keeps_the_contract():
    check_callback("weight_norm", order=1)
