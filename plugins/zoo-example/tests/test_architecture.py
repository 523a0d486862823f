"""The network keeps zoo's contract, and says what is wrong with an option."""

from __future__ import annotations

import pytest

from zoo.cli import main
from zoo.testing import check_architecture


@pytest.mark.parametrize("depth", [1, 3])
def test_the_network_keeps_the_contract(depth):
    check_architecture("mlp", hidden=8, depth=depth)


def test_a_wrong_hyperparameter_is_one_line(capsys):
    assert main(["fit", "--model", "mlp", "--model.architecture.hidden", "0"]) == 2
    assert "hidden is 0 and depth 1; allowed is 1 or more" in capsys.readouterr().err
