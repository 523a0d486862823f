"""Optimizers and schedulers by their registered names."""

from __future__ import annotations

import pytest
from support import error_of

from zoo.config.class_names import use_class_paths
from zoo.config.resolve import resolve
from zoo.core.errors import UserError

PARTS = """
import torch
class Signs(torch.optim.SGD):
    "Steps of one size."
class Halving(torch.optim.lr_scheduler.ExponentialLR):
    def __init__(self, optimizer, gamma: float = 0.5):
        super().__init__(optimizer, gamma)
def function(params): return None
"""


@pytest.fixture
def own_classes(install):
    points = "[zoo.optimizers]\nsigns = own_classes:Signs\nfunction = own_classes:function\n"
    install("own-classes", f"{points}[zoo.schedulers]\nhalving = own_classes:Halving\n", PARTS, "own_classes")


def test_names_become_class_paths_on_the_command_line_and_in_files(own_classes):
    config = {"optimizer": "signs", "lr_scheduler": {"class_path": "halving", "init_args": {"gamma": 0.1}}}
    sources = resolve(["--optimizer", "own-classes:signs"], ("file", config))
    use_class_paths(sources)
    assert sources.options == ["--optimizer=own_classes.Signs"]
    assert sources.configs[0]["optimizer"] == "own_classes.Signs"
    assert sources.configs[0]["lr_scheduler"] == {"class_path": "own_classes.Halving", "init_args": {"gamma": 0.1}}


def test_paths_and_null_stay(own_classes):
    options = ["--optimizer=torch.optim.SGD", "--lr_scheduler=null", "--optimizer.lr=0.1"]
    sources = resolve(options)
    use_class_paths(sources)
    assert sources.options == options


@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("sgd", "unknown optimizer 'sgd'; did you mean 'SGD'"),
        ("function", r"'function' of own-classes 1\.0 breaks the contract: it must be a subclass of torch\.optim"),
    ],
)
def test_a_name_of_no_optimizer_is_an_error(own_classes, name, message):
    with pytest.raises(UserError, match=message):
        use_class_paths(resolve(["--optimizer", name]))


def test_a_class_of_a_plugin_has_typed_options(own_classes, zoo):
    line = error_of(zoo("fit", "--lr_scheduler", "halving", "--lr_scheduler.gamma", "much"))
    assert "gamma: received 'much'; allowed is float" in line
