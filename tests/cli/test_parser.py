"""The table of built-in commands, and their parsers."""

from __future__ import annotations

import subprocess
import sys
from dataclasses import replace

import pytest
from support import error_of

from zoo.cli.parser import COMMANDS
from zoo.core import registry


def test_every_command_of_the_table_is_an_entry_point_and_the_other_way_round():
    own = [entry for entry in registry.entries("command") if entry.distribution == registry.OWN_DISTRIBUTION]
    assert {entry.name: entry.entry_point.value for entry in own} == {name: f"zoo.cli.{name}:main" for name in COMMANDS}


def test_the_parsers_of_all_commands_need_neither_torch_nor_lightning():
    code = (
        "import sys, importlib; from zoo.cli.parser import COMMANDS; "
        "print([importlib.import_module(f'zoo.cli.{name}').parser().prog for name in COMMANDS]); "
        "print(sorted({'torch', 'lightning', 'numpy', 'jsonargparse'} & set(sys.modules)))"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.splitlines() == [str([f"zoo {name}" for name in COMMANDS]), "[]"]


@pytest.mark.parametrize("command", [name for name in COMMANDS if name != "fit"])
def test_each_command_shows_its_own_help(zoo, command):
    status, out, err = zoo(command, "--help")
    assert (status, err) == (0, "")
    assert out.startswith(f"usage: zoo {command} ")
    assert COMMANDS[command] in " ".join(out.split())


@pytest.mark.parametrize(
    ("line", "message"),
    [
        ("runs --colour", "unknown option --colour of 'zoo runs'; see 'zoo runs --help'"),
        ("runs --filtre=x", "unknown option --filtre of 'zoo runs'; did you mean '--filter'?; see"),
        ("verify a.onnx b.onnx", "unexpected argument 'b.onnx' of 'zoo verify'"),
        ("--colour", "unrecognized arguments: --colour; 'zoo --help' shows all commands"),
    ],
)
def test_what_a_command_does_not_take_is_named(zoo, line, message):
    assert message in error_of(zoo(*line.split()))


def test_metadata_older_than_the_code_is_named(zoo, monkeypatch):
    facts = replace(registry.KINDS["command"], group="zoo.commands_of_nobody")
    monkeypatch.setitem(registry.KINDS, "command", facts)
    registry.refresh()
    assert "the installed metadata lacks command 'runs'; in a checkout run: pip install -e ." in error_of(zoo("runs"))
    registry.refresh()
