"""The task keeps zoo's contract."""

from __future__ import annotations

from zoo.testing import check_task


def test_the_task_keeps_the_contract():
    check_task("fgsm", epsilon=4)
