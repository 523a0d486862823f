"""Whether a run is being trained, came to its end or was stopped."""

from __future__ import annotations

import json
import subprocess
import sys

import pytest
from support import HOLD

from zoo.core.errors import UserError
from zoo.runs.folder import Run
from zoo.runs.status import held, require_free, state, training


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
        raise RuntimeError("no memory")
    assert state(run)[0] == "failed"
    assert json.loads(run.state.read_text())["error"] == "RuntimeError: no memory"


@pytest.mark.parametrize("stop", [KeyboardInterrupt, SystemExit])
def test_a_training_that_is_stopped_is_interrupted(run, stop):
    with pytest.raises(stop), training(run):
        raise stop
    assert state(run)[0] == "interrupted"


def test_a_run_that_refuses_to_train_on_has_its_state_from_before(run):
    with training(run):
        pass
    before = state(run)
    with pytest.raises(UserError), training(run):
        raise UserError("its schedule has ended")
    assert state(run) == before


def test_an_error_is_raised_though_its_run_is_gone(run):
    def train():
        with training(run):
            run.discard()
            raise RuntimeError

    with pytest.raises(RuntimeError):
        train()


def test_a_run_is_running_until_its_process_dies(run, trained_elsewhere):
    assert state(run)[0] == "running"
    trained_elsewhere.kill()
    trained_elsewhere.wait()
    assert state(run)[0] == "interrupted"


def test_two_processes_cannot_train_one_run(run, trained_elsewhere):
    busy = rf"^process {trained_elsewhere.pid} trains run"
    with pytest.raises(UserError, match=busy):
        require_free(run)
    with pytest.raises(UserError, match=busy), held(run):
        pass


def test_of_a_run_without_state_nobody_knows(run):
    assert state(run) == ("", "")


@pytest.mark.parametrize("text", ["", "[]", '{"state": "finished"}', "{"])
def test_a_damaged_state_is_a_value_error(run, text):
    run.state.write_text(text)
    with pytest.raises(ValueError, match=r"."):
        state(run)
