"""The metric keeps zoo's contract."""

from __future__ import annotations

from zoo.testing import check_metric


def test_the_metric_keeps_the_contract():
    check_metric("lead")
