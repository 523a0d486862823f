"""Loggers by name; those whose packages are not here name them."""

from __future__ import annotations

import sys
from importlib.util import find_spec

import pytest

SHORT = ("--trainer.max_epochs", 1, "--trainer.limit_train_batches", 3, "--trainer.log_every_n_steps", 1)
#: Modules and packages of the loggers.
MODULES = {"tensorboard": "tensorboard", "wandb": "wandb", "mlflow": "mlflow", "comet": "comet_ml"}
PACKAGES = {name: name for name in MODULES} | {"comet": "comet-ml"}

#: A logger that remembers what it gets.
NOTES = """
import json
from lightning.pytorch.loggers.logger import Logger

class Notes(Logger):
    name = "notes"

    def __init__(self, run, title):
        super().__init__()
        self.run, self.title = run, title

    @property
    def version(self):
        return self.run.tracker_id or "first"

    def note(self, *words):
        with (self.run.path / "notes.txt").open("a") as file:
            print(*words, file=file)

    def log_hyperparams(self, params):
        self.note("config", params["model.architecture.name"], self.title)

    def log_metrics(self, metrics, step):
        self.note("row", step, *sorted(metrics))

    def log_files(self, files, step):
        self.note("files", step, *sorted(path.name for path in files if path.is_file()))

    def close(self):
        self.note("closed", self.run.done_steps, self.version)

def notes(run, title: str = "none"):
    return Notes(run, title)
"""


@pytest.mark.parametrize("name", MODULES)
def test_a_package_that_is_not_installed_is_named(zoo, tmp_path, name):
    if find_spec(MODULES[name]) or (name == "tensorboard" and find_spec("tensorboardX")):
        pytest.skip(f"{MODULES[name]} is installed")
    status, _, err = zoo("fit", "--logger", name)
    assert status == 2
    assert f"error: logger {name}: it needs a package that is not here: pip install {PACKAGES[name]}" in err
    assert not (tmp_path / "runs" / "digits-lenet5").exists()


def test_an_unknown_logger_is_an_error_with_a_suggestion(zoo):
    status, _, err = zoo("fit", "--logger", "[tensorbord]")
    assert status == 2
    assert "unknown logger 'tensorbord'; did you mean 'tensorboard'? ('zoo list loggers' shows all)" in err


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


def test_a_logger_of_a_package_gets_options_configuration_rows_and_files_and_its_id_back(zoo, install, tmp_path):
    install("note-keeper", "[zoo.loggers]\nnotes = note_keeper:notes\n", NOTES, "note_keeper")
    assert zoo("fit", "--logger", "{name: notes, title: mine}", "--run", "own", *SHORT)[0] == 0
    assert zoo("fit", "runs/own", "--trainer.max_epochs", 2)[0] == 0
    lines = (tmp_path / "runs" / "own" / "notes.txt").read_text().splitlines()
    files = "config.yaml confusion_matrix.csv confusion_matrix.png report.html"
    assert lines[0] == "config lenet5 mine"
    assert [line for line in lines if line.startswith(("config", "files", "closed"))] == [
        "config lenet5 mine", f"files 3 {files}", "closed 0 first", f"files 3 {files}", "closed 3 first"
    ]  # fmt: skip
    assert any(line.startswith("row 3 ") and "val/accuracy" in line for line in lines)


@pytest.mark.parametrize(
    ("old", "new", "status", "message"),
    [
        ("return Notes(run, title)", "return title", 2, "must return a lightning Logger, received str"),
        ("return Notes(run, title)", "raise KeyError('url')", 2, "raises KeyError: 'url'"),
        ("return Notes(run, title)", "import not_there", 2, "raises ModuleNotFoundError: No module named 'not_there'"),
        ("def log_metrics(self, metrics, step)", "def log_metrics(self)", 1, "raises TypeError: Notes.log_metrics()"),
        ('self.note("row"', '1 / 0; self.note("row"', 1, "raises ZeroDivisionError: division by zero; mend it"),
        ('self.note("files"', '1 / 0; self.note("files"', 0, "did not take the results: ZeroDivisionError"),
    ],
)
def test_a_broken_logger_is_named_with_its_distribution_and_clause(zoo, install, tmp_path, old, new, status, message):
    module = f"broken_notes_{len(new)}_{len(old)}"
    install("broken-notes", f"[zoo.loggers]\nnotes = {module}:notes\n", NOTES.replace(old, new), module)
    result = zoo("fit", "--logger", "notes", "--run", "own", *SHORT)
    assert result[0] == status
    [line] = [line for line in result[2].splitlines() if "logger 'notes' of broken-notes 1.0" in line]
    assert message in line
    assert (tmp_path / "runs" / "own").exists() == (status != 2)
