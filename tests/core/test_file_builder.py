"""A network in one file: which builder it holds, and what is wrong with one that cannot be used."""

from __future__ import annotations

import pytest

from zoo.core import registry
from zoo.core.errors import UserError
from zoo.core.file_builder import locate

NETWORK = """
from __future__ import annotations
import dataclasses
from collections import OrderedDict
import torch
from torch import nn

print("loud")

@dataclasses.dataclass
class Settings:
    width: int = 4

class Block(nn.Module):
    def __init__(self, width):
        super().__init__()

class MyNet(nn.Module):
    '''A network.'''
    def __init__(self, spec, width: int = 4, dropout: float = 0.0):
        super().__init__()
        self.body = nn.Sequential(nn.Flatten(), nn.LazyLinear(width), nn.ReLU(), nn.Dropout(dropout))
        self.head = nn.Linear(width, len(spec.classes))
        self.body(torch.zeros(1, spec.channels, spec.height, spec.width))

    def forward(self, x):
        return self.head(self.body(x))
"""


@pytest.fixture
def write(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)

    def file(source, name="mynet.py"):
        (tmp_path / name).write_text(source)
        return name

    return file


@pytest.mark.parametrize("name", ["mynet.py", "mynet.py:MyNet", "./mynet.py", "sub/../mynet.py:MyNet"])
def test_the_builder_of_a_file_is_loaded_by_its_path(write, tmp_path, name, grey_spec, capsys):
    (tmp_path / "sub").mkdir()
    write(NETWORK)
    assert registry.load("architecture", name).__name__ == "MyNet"
    assert [option.name for option in registry.options("architecture", registry.load("architecture", name))] == [
        "width",
        "dropout",
    ]
    assert registry.call("architecture", name, (grey_spec,), {"width": 3}).head.in_features == 3
    assert capsys.readouterr().out == ""
    assert not (tmp_path / "__pycache__").exists()


def test_a_run_records_its_stem_and_its_digest(write):
    write("def build(spec):\n    return None\n")
    record = registry.recorded("architecture", "mynet.py")
    assert record["name"] == "mynet"
    assert record["from"].startswith("mynet.py:build sha256=")
    assert registry.recorded("architecture", "mynet.py:build") == record


def test_a_record_finds_the_copy_in_the_runs_folder(write, tmp_path):
    write("def build(spec):\n    return None\n")
    record = registry.recorded("architecture", "mynet.py")
    assert locate("mynet", record["from"], tmp_path) == f"{tmp_path}/mynet.py:build"
    assert locate("lenet5", "zoo-classifiers==0.1.0", tmp_path) == "lenet5"


def test_a_changed_file_is_not_executed(write, tmp_path):
    write("def build(spec):\n    return None\n")
    origin = registry.recorded("architecture", "mynet.py")["from"]
    write("raise SystemExit(3)\n")
    with pytest.raises(UserError, match=r"was changed: its SHA-256 is \w{64}, the run was trained with \w{64}"):
        registry.load("architecture", "mynet.py:build", origin)


def test_a_record_alone_executes_nothing(write):
    write("def build(spec):\n    return None\n")
    origin = registry.recorded("architecture", "mynet.py")["from"]
    with pytest.raises(UserError, match=r"'mynet' is of mynet\.py:build sha256=.*, a file in the run's folder"):
        registry.load("architecture", "mynet", origin)


@pytest.mark.parametrize(
    ("source", "name", "message"),
    [
        (None, "mynet.py", r"architecture file mynet\.py cannot be read: No such file"),
        ("x = 1 / 0", "mynet.py", r"mynet\.py cannot be imported: ZeroDivisionError: division by zero"),
        ("def f(:", "mynet.py", r"mynet\.py cannot be imported: SyntaxError: invalid syntax \(mynet\.py, line 1\)"),
        ("import gone", "mynet.py", "cannot be imported: ModuleNotFoundError: No module named 'gone'"),
        ("raise SystemExit('bye')", "mynet.py", "cannot be imported: SystemExit: bye"),
        ("\0", "mynet.py", "cannot be imported: "),
        ("x = 1", "mynet.py", r"mynet\.py defines no builder: a function or nn\.Module class whose first parameter is"),
        ("def build(width): ...", "mynet.py", "defines no builder"),
        ("from zoo.architectures.lenet import lenet5", "mynet.py", "defines no builder"),
        ("def a(spec): ...\ndef b(spec): ...", "mynet.py", r"2 builders; choose one: mynet\.py:a or mynet\.py:b"),
        ("def build(spec): ...", "mynet.py:biuld", r"mynet\.py defines no 'biuld'; did you mean 'build'"),
        ("def build(width): ...", "mynet.py:build", "the first parameter of builder 'build' must be spec"),
        ("build = 3", "mynet.py:build", "the first parameter of builder 'build' must be spec"),
    ],
)
def test_a_file_that_cannot_be_used_is_named_with_the_reason(write, source, name, message):
    if source is not None:
        write(source)
    with pytest.raises(UserError, match=message) as caught:
        registry.load("architecture", name)
    assert "\n" not in str(caught.value)


def test_a_builder_named_aloud_may_be_imported(write):
    write("from zoo.architectures.lenet import lenet5\n")
    assert registry.load("architecture", "mynet.py:lenet5").__name__ == "lenet5"


def test_a_name_in_a_family_is_suggested():
    with pytest.raises(UserError, match=r"unknown architecture 'resnet18'; did you mean .*'torchvision/resnet18'"):
        registry.load("architecture", "resnet18")
