"""Tasks by name: a training step of one's own trains, resumes to the bit, is tested and exported."""

from __future__ import annotations

import signal
import time

import pytest
import torch
import yaml
from support import assert_equal_weights, error_of, weights

import zoo as library

#: Learns whether an image was turned upside down, beside the labels, with a layer of its own.
TASK = """
import torch
import zoo
from torch.nn.functional import cross_entropy

class Upside(zoo.ImageClassifier):
    "Learn beside the labels which images were turned."

    def __init__(self, *args, weight: float = 0.5, **kwargs):
        super().__init__(*args, **kwargs)
        self.weight, self.turns = weight, torch.nn.Linear(len(self.spec.classes), 2)

    def training_step(self, batch, batch_idx):
        images, labels = batch
        turned = torch.rand(len(images)) < 0.5
        images = torch.where(turned[:, None, None, None], images.flip(1), images)
        logits = self(images)
        loss = cross_entropy(logits, labels) + self.weight * cross_entropy(self.turns(logits), turned.long())
        return {"loss": loss, "logits": logits.detach(), "labels": labels}
"""
ENTRY = "[zoo.tasks]\nupside = upside_task:Upside\n"
OPTIONS = ("--model.task", "upside", "--model.task.weight", 0.25, "--data.batch_size", 8, "--trainer.max_epochs", 2)


@pytest.fixture
def task(install):
    install("upside-down", ENTRY, TASK, "upside_task")


def test_a_task_trains_its_own_layers_is_tested_exported_and_loaded_without_them(zoo, task, tmp_path):
    status, _, err = zoo("fit", *OPTIONS, "--trainer.limit_train_batches", 20, "--run", "own")
    assert status == 0, err
    run = tmp_path / "runs" / "own"
    config = yaml.safe_load((run / "config.yaml").read_text())
    assert config["model"]["task"] == {"name": "upside", "from": "upside-down==1.0", "weight": 0.25}
    trained = weights(run)["turns.weight"]
    for args in (("test", run), ("export", run), ("fit", run, "--trainer.max_epochs", 3)):
        status, _, err = zoo(*args)
        assert status == 0, err
    assert not torch.equal(trained, weights(run)["turns.weight"])
    classifier = library.load(run)
    assert not any(name.startswith("turns") for name in classifier.state_dict())
    assert zoo("fit", "--model.weights", run, "--trainer.fast_dev_run", "true")[0] == 0


@pytest.mark.parametrize("step", [170])
def test_a_task_that_was_killed_resumes_to_an_equal_run(zoo, zoo_process, task, tmp_path, step):
    assert zoo("fit", *OPTIONS, "--run", "whole")[0] == 0
    process = zoo_process("fit", *map(str, OPTIONS), "--run", "killed", "--trainer.log_every_n_steps", "10")
    run, deadline = tmp_path / "runs" / "killed", time.monotonic() + 120
    while not (run / "metrics.csv").exists() or f",{step}," not in (run / "metrics.csv").read_text():
        assert time.monotonic() < deadline
        assert process.poll() is None
        time.sleep(0.01)
    process.send_signal(signal.SIGKILL)
    process.communicate(timeout=60)
    assert zoo("fit", run)[0] == 0
    assert_equal_weights(run, tmp_path / "runs" / "whole")


def test_an_option_that_the_task_does_not_have_is_named(zoo, task):
    assert "model.task.weigth" in error_of(zoo("fit", *OPTIONS, "--model.task.weigth", 1))


def test_info_shows_the_tasks_own_options_alone(zoo, task):
    status, out, _ = zoo("info", "upside")
    assert status == 0
    assert "--model.task.weight" in out
    assert "freeze" not in out


@pytest.mark.parametrize(
    ("step", "message"),
    [
        ("return self(batch[0])", "training_step must return the loss"),
        ("return 'loss'", "received str"),
        ("return {'logits': 1}", "received NoneType"),
        ("raise KeyError('weight')", "raises KeyError: 'weight'"),
    ],
)
def test_a_broken_step_names_task_distribution_and_clause_and_leaves_no_run(zoo, install, tmp_path, step, message):
    name = f"broken_task_{abs(hash(step))}"
    source = (
        "import zoo\nclass Broken(zoo.ImageClassifier):\n    def training_step(self, batch, batch_idx):\n        "
        + step
    )
    install("broken-tasks", f"[zoo.tasks]\nbroken = {name}:Broken\n", source, name)
    line = error_of(zoo("fit", "--model.task", "broken", "--run", "own", "--trainer.max_epochs", 1))
    assert "task 'broken' of broken-tasks 1.0" in line
    assert message in line
    assert not (tmp_path / "runs" / "own").exists()


def test_frozen_layers_run_in_every_epoch_of_a_task(zoo, task):
    status, _, err = zoo("fit", *OPTIONS, "--model.freeze", 2, "--trainer.limit_train_batches", 3)
    assert status == 0, err
    assert "the frozen layers run in every epoch: the task says itself" in err
