"""Nothing foreign runs: nothing that config files, run folders or checkpoints name is executed unasked."""

from __future__ import annotations

import shutil
import sys

import pytest
import torch
from PIL import Image
from support import error_of

import zoo as package
from zoo.core.errors import UserError

#: A module that leaves a file when it is imported, and things that a config file could name.
EVIL = """
open("executed", "w").close()
import torch
from lightning.pytorch.callbacks import Callback
class Watch(Callback): ...
class Lion(torch.optim.SGD): ...
def loss(spec): return lambda logits, shares: ((logits.softmax(1) - shares) ** 2).sum(1)
"""
NETWORK = """
open("executed", "w").close()
from torch import nn
def small(spec): return nn.Sequential(nn.Flatten(), nn.Linear(64, 10))
"""
SHORT = ("--trainer.max_epochs", 1, "--trainer.limit_train_batches", 2, "--trainer.limit_val_batches", 1)
LOAD = "{class_path: torch.load, init_args: {f: payload.pt, weights_only: false}}"


@pytest.fixture
def evil(tmp_path, monkeypatch):
    """A folder on the path with a stranger's package, and the way to write a config file there."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.syspath_prepend(str(tmp_path))
    (tmp_path / "evil.py").write_text(EVIL)
    (tmp_path / "net.py").write_text(NETWORK)
    monkeypatch.delitem(sys.modules, "evil", raising=False)

    def write(text):
        (tmp_path / "config.yaml").write_text(text)
        return "config.yaml"

    return write


@pytest.mark.parametrize(
    "text",
    [
        "trainer: {callbacks: [{class_path: evil.Watch}]}",
        "trainer: {callbacks: evil.Watch}",
        """trainer: {callbacks: '{"class_path": "evil.Watch"}'}""",
        "trainer: {callbacks: class.yaml}",
        "trainer: {logger: evil.Watch, max_epochs: 1}",
        "optimizer: evil.Lion",
        "lr_scheduler: {class_path: evil.Lion, init_args: {gamma: 0.1}}",
        "model: {loss: evil.loss}",
        "model: {metrics: [evil.loss]}",
        "data: {augmentation: [flip, {class_path: evil.Watch}]}",
        "model: net.py",
        "model: {architecture: {name: net.py}}",
        "code: net.py",
    ],
)
def test_a_config_file_imports_and_executes_nothing_of_others(zoo, evil, tmp_path, text):
    (tmp_path / "class.yaml").write_text("{class_path: evil.Watch}")
    assert "--trust" in error_of(zoo("fit", "--config", evil(text), *SHORT))
    assert not (tmp_path / "executed").exists()
    assert not (tmp_path / "runs").exists()


@pytest.mark.parametrize(
    ("text", "message"),
    [
        (f"[{{class_path: LambdaCallback, init_args: {{on_fit_start: {LOAD}}}}}]", "torch.load is a function"),
        ("[{class_path: LambdaCallback, init_args: {on_fit_start: torch.hub.load}}]", "torch.hub.load is a function"),
        ("[torch.utils.data.DataLoader]", "torch.utils.data.DataLoader is a class; files may name subclasses of"),
        ("[zoo.__main__.main]", "zoo.__main__.main is not imported"),
    ],
)
def test_of_allowed_packages_only_classes_that_options_take_are_named(zoo, evil, text, message):
    assert f"config.yaml: {message}" in error_of(zoo("fit", "--config", evil(f"trainer: {{callbacks: {text}}}")))


@pytest.mark.parametrize(
    "text",
    [
        "trainer: {callbacks: [{class_path: ModelCheckpoint, init_args: {dirpath: /tmp/elsewhere}}]}",
        "trainer: {callbacks: [{class_path: ModelCheckpoint, init_args: {filename: ../../../x}}]}",
        "trainer: {logger: {class_path: CSVLogger, init_args: {save_dir: logs}}}",
        "trainer: {profiler: {class_path: SimpleProfiler, init_args: {dirpath: ~/x, filename: p}}}",
        "logger: {name: mlflow, tracking_uri: 'http://127.0.0.1:9'}",
    ],
)
def test_what_a_config_file_names_writes_inside_the_run_alone(zoo, evil, text):
    assert "what a file names may write inside the run alone" in error_of(zoo("fit", "--config", evil(text), *SHORT))


@pytest.mark.parametrize(
    "options",
    [
        ("--trainer.callbacks", "evil.Watch"),
        ("--optimizer", "evil.Lion", "--optimizer.lr", 0.1),
        ("--model.loss", "evil.loss"),
        ("--trust", "evil", "--config", "config.yaml"),
        ("--config", "config.yaml", "--trainer.callbacks+=evil.Watch"),
        ("--trust=./logs,evil", "--config", "logs.yaml"),
    ],
)
def test_what_the_user_names_or_trusts_is_imported(zoo, evil, tmp_path, options):
    evil("optimizer: {class_path: evil.Lion, init_args: {lr: 0.1}}")
    callback = "{class_path: evil.Watch}, {class_path: ModelCheckpoint, init_args: {dirpath: logs}}"
    (tmp_path / "logs.yaml").write_text(f"trainer: {{callbacks: [{callback}]}}")
    status, _, err = zoo("fit", *options, *SHORT, "--print_config")
    assert status == 0, err


@pytest.fixture
def own_run(zoo, evil, tmp_path):
    """A run of the user's own network and package."""
    options = ("--model", "net.py", "--model.loss", "evil.loss", "--optimizer", "evil.Lion", "--optimizer.lr", 0.1)
    status, _, err = zoo("fit", *options, *SHORT, "--run", "own")
    assert status == 0, err
    (tmp_path / "executed").unlink()
    return tmp_path / "runs" / "own"


def test_a_run_goes_on_by_itself_here_and_asks_elsewhere(zoo, own_run, tmp_path, monkeypatch):
    moved = own_run.rename(tmp_path / "renamed")
    assert zoo("validate", moved)[0] == 0
    (tmp_path / "executed").unlink()
    monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path / "another_user"))
    for name in ("evil", "zoo_file_net"):
        for module in [module for module in sys.modules if module.startswith(name)]:
            monkeypatch.delitem(sys.modules, module)
    from zoo.core.file_builder import execute

    execute.cache_clear()
    Image.new("L", (8, 8)).save("x.png")
    for words in (("validate", moved), ("fit", moved), ("export", moved), ("predict", moved, "x.png")):
        assert "--trust" in error_of(zoo(*words)), words
    assert "--trust" in error_of(zoo("fit", "--config", moved / "config.yaml"))
    with pytest.raises(UserError, match=r"read it, and if you trust it, add --trust net\.py"):
        package.load(moved)
    assert not (tmp_path / "executed").exists()
    with package.trust("net.py"):
        assert package.load(moved).network[1].out_features == 10
    assert zoo("validate", moved, "--trust", "net.py,evil")[0] == 0


def test_a_checkpoint_imports_nothing(own_run, tmp_path, monkeypatch):
    path = shutil.copy(own_run / "checkpoints" / "last.ckpt", tmp_path / "last.ckpt")
    content = torch.load(path, weights_only=True)
    content["hyper_parameters"]["architecture"] = {"name": "lenet5"}
    content["hyper_parameters"]["loss"] = "stranger.loss"
    torch.save(content, path)
    (tmp_path / "stranger.py").write_text(EVIL)
    with pytest.raises(UserError, match=r"stranger\.loss is not imported"):
        package.ImageClassifier.load_from_checkpoint(path)
    assert not (tmp_path / "executed").exists()
