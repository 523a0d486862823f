"""Imports of plugins in this process: what they raise names them, what they print or close harms nothing."""

from __future__ import annotations

import itertools
import os
import signal
import sys

import pytest

from zoo.core import foreign, registry
from zoo.core.errors import Stopped, UserError

#: Two tests must not use one module name.
NUMBERS = itertools.count()


def load(install, source):
    """Install an architecture whose module begins with a source, and load it."""
    module = f"odd_import_{next(NUMBERS)}"
    install("odd-import", f"[zoo.architectures]\nodd = {module}:net\n", f"{source}\ndef net(spec): ...\n", module)
    return registry.load("architecture", "odd")


@pytest.mark.parametrize(
    ("source", "text"),
    [
        ("raise KeyboardInterrupt", "KeyboardInterrupt"),
        ("raise SystemExit(3)", "SystemExit: 3"),
        ("raise GeneratorExit", "GeneratorExit"),
        ("class Odd(BaseException): pass\nraise Odd('odd')", "Odd: odd"),
        ("class Mute(Exception):\n    def __str__(self): raise KeyError\nraise Mute", "Mute"),
    ],
)
def test_whatever_an_import_raises_names_the_plugin(install, monkeypatch, source, text):
    monkeypatch.setattr(signal, "getsignal", lambda number: signal.SIG_IGN)  # as where the command line handles Ctrl-C
    with pytest.raises(UserError) as raised:
        load(install, source)
    assert str(raised.value) == (
        f"architecture 'odd' of odd-import 1.0 cannot be imported: {text}; reinstall or remove odd-import"
    )


def test_a_message_of_a_million_characters_is_cut(install):
    with pytest.raises(UserError) as raised:
        load(install, "raise ValueError('x' * 1_000_000)")
    assert len(str(raised.value)) < 1000


@pytest.mark.parametrize("kind", [KeyboardInterrupt, Stopped])
def test_the_users_own_interrupt_is_not_the_plugins(kind, monkeypatch):
    # As where Python handles Ctrl-C; a shell starts commands in the background with the signal ignored.
    monkeypatch.setattr(signal, "getsignal", lambda number: signal.default_int_handler)
    with pytest.raises(kind), foreign.importing("a plugin"):
        raise kind


def test_what_an_import_writes_to_standard_output_is_dropped(install, capfd):
    load(install, "import os\nprint('noise')\nos.write(1, b'noise')\n")
    print("mine", flush=True)
    assert capfd.readouterr().out == "mine\n"


def test_an_import_that_closes_standard_output_leaves_it_open(install, capfd):
    load(install, "import os, sys\nsys.stdout.close()\nos.close(1)\n")
    os.write(1, b"mine\n")
    assert not sys.stdout.closed
    assert capfd.readouterr().out == "mine\n"


def test_an_import_that_takes_long_is_named_meanwhile(install, monkeypatch, capsys):
    monkeypatch.setattr(foreign, "SLOW_SECONDS", 0.05)
    load(install, "import time\ntime.sleep(0.5)\n")
    assert "waiting for the import of architecture 'odd' of odd-import 1.0" in capsys.readouterr().err
