"""``--code my_parts.py``: parts of one file train, and the run goes on with its copy of the file."""

from __future__ import annotations

import hashlib

import pytest
import torch
import yaml
from support import error_of

import zoo as library

PARTS = """
import torch
import zoo

@zoo.register("loss")
def squared(spec, power: float = 2.0):
    "The power of the distance to the true class."
    return lambda logits, shares: ((logits.softmax(1) - shares).abs() ** power).sum(1)

@zoo.register("architecture", "tiny")
def build(spec, width: int = 4):
    pixels = spec.channels * spec.height * spec.width
    return torch.nn.Sequential(
        torch.nn.Flatten(), torch.nn.Linear(pixels, width), torch.nn.ReLU(), torch.nn.Linear(width, len(spec.classes))
    )
"""
OPTIMIZER = """
@zoo.register("optimizer")
class Plain(torch.optim.SGD):
    pass
"""
NAMES = ("--model", "tiny", "--model.architecture.width", 6, "--model.loss", "squared", "--model.loss.power", 1.5)
SHORT = ("--trainer.max_epochs", 1, "--trainer.limit_train_batches", 3, "--data.augmentation", "none")


@pytest.fixture
def parts(tmp_path):
    path = tmp_path / "my_parts.py"
    path.write_text(PARTS)
    return path


@pytest.fixture
def run(zoo, parts, tmp_path):
    assert zoo("fit", "--code", parts, *NAMES, *SHORT, "--run", "own")[0] == 0
    return tmp_path / "runs" / "own"


def test_the_run_holds_the_file_and_its_digest_and_goes_on_without_the_original(zoo, run, parts):
    digest = hashlib.sha256(PARTS.encode()).hexdigest()
    config = yaml.safe_load((run / "config.yaml").read_text())
    assert config["code"] == [f"my_parts.py sha256={digest}"]
    assert config["model"]["loss"] == {"name": "squared", "from": f"my_parts.py:squared sha256={digest}", "power": 1.5}
    assert config["model"]["architecture"]["name"] == "tiny"
    parts.unlink()
    for args in (("test", run), ("fit", run, "--trainer.max_epochs", 2), ("export", run)):
        status, _, err = zoo(*args)
        assert status == 0, err
    assert library.load(run).network[1].weight.shape == (6, 64)


def test_a_changed_copy_is_not_executed(zoo, run):
    (run / "my_parts.py").write_text("raise SystemExit(7)")
    line = error_of(zoo("test", run))
    assert "my_parts.py was changed: its SHA-256 is" in line
    assert "put the old file back, or train a new run" in line


def test_python_takes_the_file_too(parts, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    loss = {"name": "squared", "power": 1.0}
    trainer = {"limit_train_batches": 2, "max_epochs": 1}
    run = library.fit(code=parts, model={"architecture": "tiny", "loss": loss}, trainer=trainer, quiet=True)
    assert (run.path / "my_parts.py").read_text() == PARTS


def test_folds_take_the_file_too(zoo, parts, tmp_path):
    status, _, err = zoo("fit", "--code", parts, *NAMES, *SHORT, "--folds", 2, "--run", "group")
    assert status == 0, err
    assert (tmp_path / "runs" / "group" / "fold_2" / "my_parts.py").read_text() == PARTS
    assert zoo("fit", tmp_path / "runs" / "group")[0] == 0


def test_an_optimizer_of_the_file_trains_and_resumes(zoo, parts, tmp_path):
    parts.write_text(PARTS + OPTIMIZER)
    options = ("--code", parts, "--optimizer", "Plain", "--optimizer.lr", 0.01, *SHORT, "--run", "own")
    status, _, err = zoo("fit", *options)
    assert status == 0, err
    run = tmp_path / "runs" / "own"
    assert zoo("fit", run, "--trainer.max_epochs", 2)[0] == 0
    groups = torch.load(run / "checkpoints" / "last.ckpt", weights_only=True)["optimizer_states"][0]["param_groups"]
    assert groups[0]["lr"] == 0.01


@pytest.mark.parametrize(
    ("source", "message"),
    [
        ("x = 1", "my_parts.py names no part: write @zoo.register(KIND) above a builder"),
        ("1 / 0", "my_parts.py cannot be imported: ZeroDivisionError: division by zero"),
        ("import zoo\n@zoo.register('los')\ndef f(spec): pass", "kind is 'los'; allowed are"),
        ("import zoo\n@zoo.register('loss')\ndef mse(spec): pass", "the name is taken by zoo-classifiers"),
        (PARTS + "\n@zoo.register('loss', 'squared')\ndef other(spec): pass", "the name is taken by"),
    ],
)
def test_what_is_wrong_with_a_file_is_one_line_before_a_run_exists(zoo, parts, tmp_path, source, message):
    parts.write_text(source)
    assert message in error_of(zoo("fit", "--code", parts, *SHORT))
    assert not (tmp_path / "runs").exists()


def test_a_name_of_the_file_is_unknown_to_the_next_command(zoo, run):
    assert "unknown loss 'squared'" in error_of(zoo("fit", "--model.loss", "squared", *SHORT))


@pytest.mark.parametrize("name", ["parts.txt", "missing.py"])
def test_what_is_no_python_file_is_refused(zoo, name):
    assert name in error_of(zoo("fit", "--code", name, *SHORT))
