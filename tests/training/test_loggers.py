"""Loggers by name; those whose packages are not here name them."""

from __future__ import annotations

import sys
from importlib.util import find_spec

import pytest

from zoo.training.loggers import LOGGERS

SHORT = ("--trainer.max_epochs", 1, "--trainer.limit_train_batches", 3, "--trainer.log_every_n_steps", 1)
MODULES = {"tensorboard": "tensorboard", "wandb": "wandb", "mlflow": "mlflow", "comet": "comet_ml"}


@pytest.mark.parametrize("name", LOGGERS)
def test_a_package_that_is_not_installed_is_named(zoo, tmp_path, name):
    if find_spec(MODULES[name]) or (name == "tensorboard" and find_spec("tensorboardX")):
        pytest.skip(f"{MODULES[name]} is installed")
    status, _, err = zoo("fit", "--logger", name)
    assert status == 2
    assert f"error: logger {name} needs a package that is not here: pip install {LOGGERS[name]}" in err
    assert not list((tmp_path / "runs" / "digits-lenet5").iterdir())


def test_an_unknown_logger_is_an_error_with_a_suggestion(zoo):
    status, _, err = zoo("fit", "--logger", "[tensorbord]")
    assert status == 2
    assert "logger is 'tensorbord'; allowed are tensorboard, wandb, mlflow, comet; did you mean 'tensorboard'?" in err


def test_a_training_without_a_tracker_imports_none(zoo, monkeypatch):
    asked = []

    class Recorder:
        def find_spec(self, name, path=None, target=None):
            if name.partition(".")[0] in MODULES.values():
                asked.append(name)

    for name in [name for name in sys.modules if name.partition(".")[0] in MODULES.values()]:
        monkeypatch.delitem(sys.modules, name)
    monkeypatch.setattr(sys, "meta_path", [Recorder(), *sys.meta_path])
    assert zoo("fit", *SHORT)[0] == 0
    assert asked == []


def test_a_tracker_that_refuses_the_results_leaves_the_run_complete(zoo, tmp_path, monkeypatch):
    pytest.importorskip("tensorboard")
    from zoo.loggers.tensorboard import EventFiles

    def refuse(self, files, step):
        raise OSError("disk full")

    monkeypatch.setattr(EventFiles, "log_files", refuse)
    status, _, err = zoo("fit", "--logger", "tensorboard", *SHORT)
    assert status == 0
    assert "EventFiles did not take the results: OSError: disk full" in err
