"""The command prints numbers of parameters, or says what it needs."""

from __future__ import annotations

from zoo.cli import main


def test_the_command_counts_parameters(capsys):
    assert main(["parameters", "lenet5"]) == 0
    assert capsys.readouterr().out == "lenet5: 136,886\n"


def test_the_command_says_what_it_needs(capsys):
    assert main(["parameters"]) == 2
    assert "the following arguments are required: architecture" in capsys.readouterr().err


def test_a_wrong_size_is_one_line(capsys):
    assert main(["parameters", "lenet5", "--size", "0"]) == 2
    assert capsys.readouterr().err == "error: --size is 0; allowed is 1 or more\n"
