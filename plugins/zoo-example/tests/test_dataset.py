"""The data set keeps zoo's contract, and says what is wrong with an option."""

from __future__ import annotations

from zoo.cli import main
from zoo.testing import check_dataset


def test_the_data_set_keeps_the_contract(tmp_path):
    check_dataset("stripes", root=tmp_path, count=60)


def test_a_wrong_option_is_one_line(capsys):
    assert main(["fit", "--data", "stripes", "--data.dataset.width", "3"]) == 2
    assert "width is 3; allowed is 4 or more" in capsys.readouterr().err
