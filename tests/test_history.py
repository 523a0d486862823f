"""What a run's small files say of its training."""

from __future__ import annotations

import json
import subprocess
import sys

import pytest

from zoo.errors import UserError
from zoo.history import best_epoch, epochs, require_free, state, training
from zoo.run import Run

HOLD = """
import sys, zoo.history, zoo.run
with zoo.history.training(zoo.run.Run.open(sys.argv[1])):
    print(flush=True)
    sys.stdin.read()
"""


@pytest.fixture
def run(tmp_path):
    run = Run.create(tmp_path, "digits", "lenet5")
    run.config.write_text("model: {architecture: lenet5}\n")
    return run


@pytest.fixture
def trained_elsewhere(run):
    """A process that holds the run as a training does, until it is killed."""
    words = [sys.executable, "-c", HOLD, str(run.path)]
    process = subprocess.Popen(words, stdin=subprocess.PIPE, stdout=subprocess.PIPE)
    process.stdout.readline()
    yield process
    process.kill()
    process.communicate()


def test_a_training_that_ends_is_finished_and_one_that_fails_is_not(run):
    with training(run):
        assert json.loads(run.state.read_text())["state"] == "training"
    assert state(run)[0] == "finished"
    with pytest.raises(RuntimeError), training(run):
        raise RuntimeError
    assert state(run)[0] == "interrupted"


def test_a_run_is_running_until_its_process_dies(run, trained_elsewhere):
    assert state(run)[0] == "running"
    trained_elsewhere.kill()
    trained_elsewhere.wait()
    assert state(run)[0] == "interrupted"


def test_two_processes_cannot_train_one_run(run, trained_elsewhere):
    with pytest.raises(UserError, match="another process trains run"):
        require_free(run)
    with pytest.raises(UserError, match="another process trains run"), training(run):
        pass


def test_of_a_run_without_state_nobody_knows(run):
    assert state(run) == ("", "")


@pytest.mark.parametrize("text", ["", "[]", '{"state": "finished"}', "{"])
def test_a_damaged_state_is_a_value_error(run, text):
    run.state.write_text(text)
    with pytest.raises(ValueError, match=r"."):
        state(run)


def test_epochs_leave_out_steps_and_half_rows(tmp_path):
    path = tmp_path / "metrics.csv"
    path.write_text("epoch,step,train/loss,val/accuracy,val/loss\n0,50,,,\n0,60,1.5,0.5,1.4\n1,120,1.2\n")
    assert epochs(path) == [{"epoch": 0, "step": 60, "train/loss": 1.5, "val/accuracy": 0.5, "val/loss": 1.4}]
    assert epochs(tmp_path / "gone.csv") == []


def test_of_equal_accuracies_the_lower_loss_is_best_and_of_equal_losses_the_first():
    rows = [
        {"epoch": float(number), "val/accuracy": accuracy, "val/loss": loss}
        for number, (accuracy, loss) in enumerate([(0.5, 1.0), (0.9, 0.4), (0.9, 0.3), (0.9, 0.3), (0.8, 0.1)])
    ]
    assert best_epoch([{"epoch": 0.0}, *rows])["epoch"] == 2
    assert best_epoch([{"epoch": 0.0}]) is None
