"""--model mynet.py: the run goes on with its own copy of the file, and with no other."""

from __future__ import annotations

import shutil

import pytest
import yaml
from support import error_of

import zoo as package
from zoo.core.errors import UserError

SOURCE = """
from torch import nn

def small(spec, width: int = 4):
    '''A small network.

    Args:
        width: of its only hidden layer.
    '''
    size = spec.channels * spec.height * spec.width
    return nn.Sequential(nn.Flatten(), nn.Linear(size, width), nn.ReLU(), nn.Linear(width, len(spec.classes)))
"""
SHORT = ("--trainer.limit_train_batches", "3", "--trainer.limit_val_batches", "2", "--trainer.max_epochs", "1")


@pytest.fixture(scope="module")
def trained(tmp_path_factory):
    """A folder with a run of a network in a file that is gone."""
    folder = tmp_path_factory.mktemp("file")
    file = folder / "mynet.py"
    file.write_text(SOURCE)
    limits = {"limit_train_batches": 3, "limit_val_batches": 2, "default_root_dir": folder}
    run = package.fit(model={"architecture": {"name": str(file), "width": 5}}, trainer=limits, max_epochs=1, quiet=True)
    file.unlink()
    return run.path


@pytest.fixture
def run(trained, tmp_path):
    """A copy of that run."""
    return shutil.copytree(trained, tmp_path / "version_0")


def test_its_typed_parameters_are_options(zoo, tmp_path):
    (tmp_path / "mynet.py").write_text(SOURCE)
    status, out, _ = zoo("fit", "--model", "mynet.py", "--help")
    assert status == 0
    assert "--model.architecture.width" in out
    assert "of its only hidden layer" in out
    message = error_of(zoo("fit", "--model", "mynet.py", "--model.architecture.width", "wide"))
    assert "model.architecture.width: received 'wide'; allowed is int" in message


def test_the_run_holds_the_file_its_digest_and_no_path(trained):
    assert trained.parent.name == "digits-mynet"
    assert (trained / "mynet.py").read_text() == SOURCE
    architecture = yaml.safe_load((trained / "config.yaml").read_text())["model"]["architecture"]
    assert architecture["name"] == "mynet"
    assert architecture["from"].startswith("mynet.py:small sha256=")
    assert architecture["width"] == 5


def test_a_run_resumes_tests_exports_and_loads_without_the_original(zoo, run):
    assert zoo("fit", run, "--trainer.max_epochs", "2")[0] == 0
    assert zoo("test", run)[0] == 0
    assert zoo("export", run)[0] == 0
    assert package.load(run).network[1].out_features == 5
    assert "mynet" in zoo("runs", run.parent)[1]
    assert str(run) not in (run / "model.onnx").read_bytes().decode("latin1")


def test_the_config_of_a_run_trains_another_one(zoo, run, tmp_path):
    assert zoo("fit", "--config", run / "config.yaml", "--trainer.default_root_dir", tmp_path / "again")[0] == 0
    assert (tmp_path / "again/digits-mynet/version_0/mynet.py").read_text() == SOURCE


def test_weights_of_a_run_start_another_run_of_the_same_file(zoo, run, tmp_path):
    (tmp_path / "mynet.py").write_text(SOURCE)
    words = ("--model", "mynet.py", "--model.architecture.width", "5", "--model.weights", run / "checkpoints/best.ckpt")
    status, _, err = zoo("fit", *words, *SHORT)
    assert status == 0, err


@pytest.mark.parametrize("command", ["fit", "test", "export"])
def test_a_changed_copy_is_refused_with_both_digests(zoo, run, command):
    (run / "mynet.py").write_text(SOURCE + "\nraise SystemExit('executed')\n")
    message = error_of(zoo(command, run))
    assert "was changed: its SHA-256 is" in message
    assert "the run was trained with" in message
    with pytest.raises(UserError, match="was changed"):
        package.load(run)


def test_a_checkpoint_without_its_file_beside_it_is_refused(run, tmp_path, monkeypatch):
    (tmp_path / "elsewhere").mkdir()
    monkeypatch.chdir(tmp_path)
    (tmp_path / "mynet.py").write_text(SOURCE)  # not the run's own
    checkpoint = shutil.copy(run / "checkpoints/best.ckpt", tmp_path / "elsewhere/best.ckpt")
    (tmp_path / "mynet.py").unlink()
    with pytest.raises(UserError, match=r"mynet\.py cannot be read: No such file"):
        package.load(checkpoint)


def test_a_checkpoint_that_names_a_file_without_a_digest_executes_nothing(run, tmp_path):
    import torch

    (tmp_path / "evil.py").write_text("open('executed', 'w')\ndef build(spec): ...\n")
    path = run / "checkpoints/best.ckpt"
    checkpoint = torch.load(path, weights_only=True)
    checkpoint["hyper_parameters"]["architecture"] = {"name": str(tmp_path / "evil.py"), "from": ""}
    torch.save(checkpoint, path)
    with pytest.raises(UserError, match="without its SHA-256, so it is not executed"):
        package.load(run)


def test_a_builder_that_returns_no_module_is_named(zoo, tmp_path):
    (tmp_path / "mynet.py").write_text("def build(spec):\n    return 3\n")
    message = error_of(zoo("fit", "--model", "mynet.py"))
    assert "architecture 'mynet' breaks the contract: it must return an nn.Module, received int" in message
    assert not (tmp_path / "runs").exists()


def test_a_file_that_is_not_there_ends_with_status_2(zoo, tmp_path):
    assert "architecture file gone.py cannot be read: No such file" in error_of(zoo("fit", "--model", "gone.py"))
