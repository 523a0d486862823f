"""The scheduler keeps zoo's contract."""

from __future__ import annotations

from zoo.testing import check_scheduler


def test_the_scheduler_keeps_the_contract():
    check_scheduler("inverse_root", power=1.0)
