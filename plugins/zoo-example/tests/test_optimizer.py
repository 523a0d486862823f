"""The optimizer keeps zoo's contract."""

from __future__ import annotations

from zoo.testing import check_optimizer


def test_the_optimizer_keeps_the_contract():
    check_optimizer("sign_sgd", lr=0.01)
