"""The loss keeps zoo's contract."""

from __future__ import annotations

import pytest
from zoo_example.losses import hinge

from zoo.testing import check_loss


def test_the_loss_keeps_the_contract():
    check_loss("hinge", margin=0.5)


def test_a_margin_that_cannot_work_is_an_error():
    with pytest.raises(ValueError, match="margin is 0"):
        hinge(None, margin=0)
