"""zoo doctor names what is wrong with each entry point, and never fails itself."""

from __future__ import annotations

import re

import pytest

from zoo.cli.doctor import IMPORTS, WORKS, diagnose
from zoo.core import registry

#: Its width is its user's to choose, so that it is imported and not built.
GOOD = "def net(spec, width: int): ...\n"

#: A network that keeps its contract.
NET = """
from torch import nn

def net(spec, width: int = 4):
    return nn.Sequential(nn.Flatten(), nn.Linear(spec.channels * spec.height * spec.width, len(spec.classes)))
"""


def diagnosed(*names, patience=60):
    entries = [entry for entry in registry.entries("architecture") if entry.name in names]
    assert len(entries) >= len(names)
    return {found.entry.distribution: found for found in diagnose(entries, patience)}


def test_what_is_built_in_works():
    entries = [entry for kind in registry.KINDS for entry in registry.entries(kind)]
    families = [entry for kind in registry.FAMILY_KINDS for entry in registry.entries(kind, family=True)]
    assert {found.entry.name: found.state for found in diagnose([*entries, *families]) if found.state != WORKS} == {}


def test_each_broken_plugin_is_named_with_its_fault_and_the_others_work(install):
    sources = {
        "good": GOOD,
        "exits": "raise SystemExit(7)",
        "raises": "raise ValueError('not on\\n a Tuesday')",
        "dies": "import os; os._exit(9)",
        "hangs": "import time; time.sleep(100)",
        "loud": "import os; print('noise'); os.write(1, b'more noise'); os.write(2, b'noise')\n" + GOOD,
        "closes": "import os, sys; sys.stdout.close(); os.closerange(0, 3)\n" + GOOD,
        "crashes": "import os; os.kill(os.getpid(), 11)",
        "interrupts": "raise KeyboardInterrupt",
        "odd": "class Odd(BaseException): pass\nraise Odd('odd')",
        "long": "raise ValueError('x' * 1_000_000)",
        "needy": "import no_such_package.part",
        "absent": "",
        "seven": "net = 7",
        "nothing": "def net(): ...",
        "last": GOOD,
    }
    for name, source in sources.items():
        install(f"plugin-{name}", f"[zoo.architectures]\n{name} = plugin_{name}:net\n", source, f"plugin_{name}")
    found = diagnosed(*sources, patience=15)
    assert {distribution.removeprefix("plugin-"): diagnosis.state for distribution, diagnosis in found.items()} == {
        "good": IMPORTS["architecture"],
        "closes": IMPORTS["architecture"],
        "crashes": "ends the process (signal 11, SIGSEGV)",
        "interrupts": "raises KeyboardInterrupt",
        "odd": "raises Odd: odd",
        "long": f"raises ValueError: {'x' * 600}...",
        "exits": "raises SystemExit: 7",
        "raises": "raises ValueError: not on a Tuesday",
        "dies": "ends the process (exit status 9)",
        "hangs": "hangs: no answer in 15 s",
        "loud": IMPORTS["architecture"],
        "needy": "needs the module no_such_package: pip install no_such_package",
        "absent": "raises AttributeError: module 'plugin_absent' has no attribute 'net'",
        "seven": "breaks the contract: architecture must be callable, received int",
        "nothing": "breaks the contract: it is called with (spec, ...)",
        "last": IMPORTS["architecture"],
    }
    assert "not on" in found["plugin-raises"].traceback


NETWORKS = (
    NET
    + """
def wide(spec): return nn.Sequential(nn.Flatten(), nn.Linear(spec.channels * spec.height * spec.width, 7))
def none(spec): ...
def fails(spec): raise KeyError("mine")
"""
)


def test_networks_of_plugins_are_run(install):
    names = ("net", "wide", "none", "fails")
    points = "".join(f"{name} = odd_nets:{name}\n" for name in names)
    install("odd-nets", f"[zoo.architectures]\n{points}", NETWORKS, "odd_nets")
    entries = [entry for entry in registry.entries("architecture") if entry.distribution == "odd-nets"]
    states = {diagnosis.entry.name: diagnosis.state for diagnosis in diagnose(entries, patience=120)}
    assert states == {
        "net": WORKS,
        "wide": "breaks the contract: it must return logits, a floating tensor (2, 10), received (2, 7)",
        "none": "breaks the contract: it must return an nn.Module, received NoneType",
        "fails": "raises KeyError: 'mine'",
    }


DATA = """
import socket
import numpy as np

class Data:
    classes = ("a", "b")
    def __len__(self): return 32
    def __getitem__(self, index): return np.zeros((8, 8, 1), np.uint8), index % 2

class Nameless(Data):
    classes = None

class Label(Data):
    def __getitem__(self, index): return np.zeros((8, 8, 1), np.uint8), index

def keeps(root, split): return Data()
def nameless(root, split): return Nameless()
def label(root, split): return Label()
def files(root, split): return open(root / "train.csv")
def remote(root, split): return socket.create_connection(("127.0.0.1", 9))
"""


def test_data_sets_of_plugins_are_tried_without_files_and_network(install):
    names = ("keeps", "nameless", "label", "files", "remote")
    points = "".join(f"{name} = odd_sets:{name}\n" for name in names)
    install("odd-sets", f"[zoo.datasets]\n{points}", DATA, "odd_sets")
    entries = [entry for entry in registry.entries("dataset") if entry.distribution == "odd-sets"]
    states = {diagnosis.entry.name: diagnosis.state for diagnosis in diagnose(entries, patience=120)}
    contract = "breaks the contract:"
    assert states == {
        "keeps": WORKS,
        "nameless": f"{contract} classes of its train split must be texts, received None",
        "label": f"{contract} the label of item 3 of its train split must be 0 to 1, an index of its classes, "
        "received 3",
        "files": IMPORTS["dataset"],
        "remote": IMPORTS["dataset"],
    }


def test_clashes_say_with_whom_and_how_to_select(install):
    install("plugin-one", "[zoo.architectures]\nsame = plugin_one:net\n", GOOD, "plugin_one")
    install("plugin-two", "[zoo.architectures]\nsame = plugin_two:net\nlenet5 = plugin_two:net\n", GOOD, "plugin_two")
    found = diagnosed("same")
    assert found["plugin-one"].state == "clashes with plugin-two; select it as plugin-one:same"
    assert found["plugin-two"].state == "clashes with plugin-one; select it as plugin-two:same"
    found = diagnosed("lenet5")
    assert found["plugin-two"].state == "the built-in lenet5 stays; select it as plugin-two:lenet5"
    assert found[registry.OWN_DISTRIBUTION].state == WORKS


def test_doctor_prints_versions_devices_and_states_and_ends_well(zoo, install):
    install("plugin-bad", "[zoo.datasets]\nbad = plugin_bad:net\n", "1 / 0", "plugin_bad")
    status, out, err = zoo("doctor")
    assert (status, err) == (0, "")
    assert "torch 2" in out
    assert "devices: cpu" in out
    assert "data root " in out
    assert "data set 'bad' of plugin-bad 1.0: raises ZeroDivisionError: division by zero" in out
    assert "Traceback" not in out
    assert "Traceback" in zoo("doctor", "--debug")[1]


COMMAND = '''
"""Greets."""
from zoo.core.errors import UserError

def greet(words):
    """Greet somebody.

    Args:
        words: whom.
    """
    if not words:
        raise UserError("greet whom?")
    print("hello", *words)
'''


def test_a_plugin_adds_a_command(zoo, install):
    install("plugin-greet", "[zoo.commands]\ngreet = plugin_greet:greet\n", COMMAND, "plugin_greet")
    assert zoo("greet", "the", "world", "--loud") == (0, "hello the world --loud\n", "")
    assert zoo("greet") == (2, "", "error: greet whom?\n")
    assert re.search("  greet +of plugin-greet 1.0", zoo("--help")[1])
    assert "Greet somebody." in zoo("info", "greet")[1]
    assert "did you mean 'greet'?" in zoo("gret")[2]


@pytest.mark.parametrize("name", ["fit", "list"])
def test_a_built_in_command_cannot_be_taken_over(zoo, install, name):
    install("plugin-greet", f"[zoo.commands]\n{name} = plugin_greet:greet\n", COMMAND, "plugin_greet")
    assert "hello" not in zoo(name, "--help")[1]


PARTS = """
import torch
def shape(spec): return lambda logits, shares: logits
def raises(spec): return lambda logits, shares: {}["key"]
def needs(spec, size: int): return None
def number(spec): return 6
class Plain:
    def __init__(self, params): ...
"""


def test_parts_of_training_that_break_their_contract_are_named_with_the_clause(install):
    losses = "".join(f"{name} = odd_parts:{name}\n" for name in ("shape", "raises", "needs"))
    others = "[zoo.metrics]\nnumber = odd_parts:number\n[zoo.optimizers]\nplain = odd_parts:Plain\n"
    install("odd-parts", f"[zoo.losses]\n{losses}{others}", PARTS, "odd_parts")
    kinds = ("loss", "metric", "optimizer")
    entries = [entry for kind in kinds for entry in registry.entries(kind) if entry.distribution == "odd-parts"]
    states = {diagnosis.entry.name: diagnosis.state for diagnosis in diagnose(entries, patience=120)}
    contract = "breaks the contract: it must"
    assert states == {
        "shape": f"{contract} return the loss of each image, a tensor (16,), received (16, 8)",
        "raises": "raises KeyError: 'key'",
        "needs": WORKS,  # only its user knows the size
        "number": f"{contract} return a torchmetrics.Metric, received int",
        "plain": f"{contract} be a subclass of torch.optim.optimizer.Optimizer, received Plain",
    }
