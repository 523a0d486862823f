"""Callbacks by name train with zoo's own, and the run records them."""

from __future__ import annotations

import csv

import pytest
import torch
import yaml
from support import error_of

import zoo as library

SHORT = ("--trainer.max_epochs", 1, "--trainer.limit_train_batches", 3, "--run", "own")

#: Counts the batches that it has seen, in checkpoints too.
COUNTER = """
from lightning.pytorch.callbacks import Callback

class Counter(Callback):
    def __init__(self, start: int = 0):
        self.count = start

    def on_train_batch_end(self, trainer, pl_module, outputs, batch, batch_idx):
        self.count += 1

    def state_dict(self):
        return {"count": self.count}

    def load_state_dict(self, state):
        self.count = state["count"]
"""


@pytest.fixture
def counter(install):
    install("batch-counter", "[zoo.callbacks]\ncounter = batch_counter:Counter\n", COUNTER, "batch_counter")


def count(run):
    callbacks = torch.load(run / "checkpoints" / "last.ckpt", weights_only=True)["callbacks"]
    return next(state["count"] for name, state in callbacks.items() if "Counter" in name)


def test_a_callback_of_a_package_takes_options_and_goes_on_when_the_run_is_resumed(zoo, counter, tmp_path):
    status, _, err = zoo("fit", "--callbacks", "{name: counter, start: 10}", *SHORT)
    assert status == 0, err
    run = tmp_path / "runs" / "own"
    assert yaml.safe_load((run / "config.yaml").read_text())["callbacks"] == {"name": "counter", "start": 10}
    assert count(run) == 13
    assert zoo("fit", run, "--trainer.max_epochs", 2)[0] == 0
    assert count(run) == 16


def test_a_built_in_callback_writes_its_columns(zoo, tmp_path):
    status, _, err = zoo("fit", "--callbacks", "[learning_rate]", "--trainer.log_every_n_steps", 1, *SHORT)
    assert status == 0, err
    with (tmp_path / "runs" / "own" / "metrics.csv").open(newline="") as file:
        assert {row["lr-Adam"] for row in csv.DictReader(file)} >= {"0.001"}


def test_python_takes_names_and_objects(counter, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    from batch_counter import Counter

    own, trainer = Counter(), {"max_epochs": 1, "limit_train_batches": 2}
    named = {"name": "swa", "swa_lrs": 0.01}
    run = library.fit(model="lenet5", callbacks=[own, named], trainer=trainer, quiet=True)
    assert own.count == 2
    assert yaml.safe_load((run.path / "config.yaml").read_text())["callbacks"] == [named]


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        ("(Callback)", "", "must return a lightning Callback, received Counter"),
        ("self.count = start", "raise KeyError('x')", "raises KeyError: 'x'"),
        ("self.count = start", "import not_there", "raises ModuleNotFoundError: No module named 'not_there'"),
        ("import Callback", "import Callback; import not_there", "No module named 'not_there'"),
    ],
)
def test_a_callback_that_cannot_be_built_is_named_and_leaves_no_run(zoo, install, tmp_path, old, new, message):
    module = f"broken_counter_{len(new)}"
    install("broken-counter", f"[zoo.callbacks]\ncounter = {module}:Counter\n", COUNTER.replace(old, new), module)
    line = error_of(zoo("fit", "--callbacks", "counter", *SHORT))
    assert "callback 'counter' of broken-counter 1.0" in line
    assert message in line
    assert not (tmp_path / "runs" / "own").exists()


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        (
            "self.count += 1",
            "1 / 0",
            "raises ZeroDivisionError: division by zero; mend it or leave it out; resume with",
        ),
        ("outputs, batch, batch_idx", "outputs", "raises TypeError"),
    ],
)
def test_a_callback_that_raises_while_it_trains_is_named_with_the_remedy(zoo, install, old, new, message):
    module = f"raising_counter_{len(new)}"
    install("raising-counter", f"[zoo.callbacks]\ncounter = {module}:Counter\n", COUNTER.replace(old, new), module)
    status, _, err = zoo("fit", "--callbacks", "counter", *SHORT)
    assert status == 1
    assert "error: callback 'counter' of raising-counter 1.0 " + message in err


@pytest.mark.parametrize(
    ("value", "message"),
    [
        ("conter", "unknown callback 'conter'; did you mean 'counter'?"),
        ("[counter,counter]", "--callbacks lists 'counter' twice"),
        ("{start: 1}", "--callbacks has {'start': 1}; allowed is a name, {name: ..., option: ...}, or a list of these"),
        ("{name: counter, begin: 1}", "its options are start"),
    ],
)
def test_a_wrong_list_of_callbacks_is_one_line(zoo, counter, value, message):
    assert message in error_of(zoo("fit", "--callbacks", value, *SHORT))
