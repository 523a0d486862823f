"""The plugin keeps zoo's contract, and works from the command line."""

from __future__ import annotations

import pytest

from zoo.cli import main
from zoo.testing import check_architecture, check_dataset


@pytest.mark.parametrize("depth", [1, 3])
def test_mlp_keeps_the_contract(depth):
    check_architecture("mlp", hidden=8, depth=depth)


def test_stripes_keeps_the_contract(tmp_path):
    check_dataset("stripes", root=tmp_path, count=60)


def test_they_train_to_a_good_accuracy(tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    words = ["fit", "--model", "mlp", "--data", "stripes", "--trainer.max_epochs", "5", "--data.num_workers", "0"]
    assert main(words) == 0
    run = capsys.readouterr().out.splitlines()[-1]
    assert main(["test", run]) == 0
    assert "test/accuracy" in capsys.readouterr().out


@pytest.mark.parametrize("words", [["--model.architecture.hidden", "0"], ["--data.dataset.width", "3"]])
def test_a_wrong_value_is_one_line(tmp_path, monkeypatch, capsys, words):
    monkeypatch.chdir(tmp_path)
    assert main(["fit", "--model", "mlp", "--data", "stripes", *words]) == 2
    assert "; allowed is " in capsys.readouterr().err


def test_the_command_counts_parameters(capsys):
    assert main(["parameters", "mlp"]) == 0
    assert capsys.readouterr().out == "mlp: 197,322\n"
    assert main(["parameters"]) == 2
    assert capsys.readouterr().err.startswith("error: zoo parameters ARCHITECTURE")
