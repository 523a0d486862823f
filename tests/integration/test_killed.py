"""A run that is killed at any moment, with a checkpoint after each step, resumes to an equal one."""

from __future__ import annotations

import csv
import os
import shutil
import subprocess
import sys
from itertools import chain
from pathlib import Path

import pytest
import torch
from lightning.pytorch.callbacks import Checkpoint

from zoo.config import fit as training
from zoo.config.host_process import quiet_lightning
from zoo.runs.folder import Run

#: Epochs of five steps. Validations come after steps 2 and 4 of an epoch, at its end, or at the end of each second one.
STEPS = (
    *("--data.batch_size", "8", "--data.augmentation", "crop", "--trainer.log_every_n_steps", "2"),
    *("--trainer.limit_train_batches", "5", "--trainer.limit_val_batches", "2"),
)
PLATEAU = (
    *(*STEPS, "--model.architecture.dropout", "0.3"),
    *("--lr_scheduler", "ReduceLROnPlateau", "--lr_scheduler.patience", "0", "--optimizer.lr", "0.03"),
)
NORMS = (*STEPS, "--model", "resnet20", "--model.ema", "0.9", "--trainer.max_epochs", "2", "--data.memory_gib", "0")
SETTINGS = {
    "inside": (*PLATEAU, "--trainer.max_epochs", "3", "--trainer.val_check_interval", "0.4", "--early_stopping", "2"),
    "max-steps": (*PLATEAU, "--trainer.max_steps", "13", "--trainer.max_epochs", "-1", "--model.ema", "0.9"),
    "second": (*PLATEAU, "--trainer.max_epochs", "4", "--trainer.check_val_every_n_epoch", "2"),
    "norms": (*NORMS, "--data.num_workers", "0"),
    "workers": (*NORMS, "--data.num_workers", "2", "--model.mixup", "0.2"),
}


def train(words=(), **settings):
    """Train as zoo fit does, in this process; return the run."""
    with quiet_lightning():
        return training.train([str(word) for word in words], quiet=True, **settings)


#: Ends of keys whose values are each run's own: times, and paths that Lightning's ModelCheckpoint keeps.
OWN = (".seconds", ".dirpath", ".best_model_path")

#: Trains 200 steps with a checkpoint after each, in processes that are killed at random moments and started again.
KILLED_OFTEN = """
import os, random, signal, sys, time
from pathlib import Path
from zoo.cli import main
from zoo.config import fit  # a process that is started again has what it imports from this one

kills, words, random = int(sys.argv[1]), sys.argv[2:], random.Random(0)

def start(name):
    if (child := os.fork()) == 0:
        os._exit(main(["fit", "--run", name, *words]))
    return child

def saved(path):
    return (path.stat().st_ino, path.stat().st_mtime_ns) if path.exists() else None

assert os.waitpid(start("whole"), 0)[1] == 0
last, done = Path("runs/killed/checkpoints/last.ckpt"), 0
while done < kills:
    child, before, saves, wanted = start("killed"), saved(last), 0, random.randint(0, 3)
    while saves < wanted and os.waitid(os.P_PID, child, os.WEXITED | os.WNOHANG | os.WNOWAIT) is None:
        time.sleep(0.0005)
        if (now := saved(last)) != before:
            before, saves = now, saves + 1
    time.sleep(random.uniform(0, 0.03) if wanted else random.uniform(0, 1))
    os.kill(child, signal.SIGKILL)
    assert os.waitpid(child, 0)[1] == signal.SIGKILL  # it had not come to its end
    done += 1
assert os.waitpid(start("killed"), 0)[1] == 0
"""


class Kills(Checkpoint):
    """Saves a checkpoint after each step, and copies the run's folder as a process that is killed there leaves it."""

    def __init__(self, run, copies):
        self.run, self.copies = run, copies

    def on_train_batch_end(self, trainer, *_):
        trainer.save_checkpoint(self.run.last)

    def on_train_batch_start(self, trainer, *_):
        self._copy(trainer, "step")

    def on_validation_start(self, trainer, *_):
        self._copy(trainer, "validation")

    def on_train_epoch_end(self, trainer, *_):
        self._copy(trainer, "end")

    def _copy(self, trainer, moment):
        if trainer.global_step:
            shutil.copytree(self.run.path, self.copies / f"{moment}-{trainer.global_step}")


@pytest.fixture(scope="module")
def killed(tmp_path_factory):
    """Train with one of the settings, once; return the run, and the folder of its copies."""
    made = {}

    def fit(setting):
        if setting not in made:
            folder = tmp_path_factory.mktemp(setting)
            run = Run(folder / "run")
            words = [*SETTINGS[setting], "--trainer.default_root_dir", folder]
            train(words, name="run", callbacks=[Kills(run, folder / "copies")])
            made[setting] = run, folder / "copies"
        return made[setting]

    return fit


def differences(first, second, path=""):
    """Return where values of two checkpoints differ, bit for bit; times and paths do not count."""
    if isinstance(first, torch.Tensor):
        return [] if torch.equal(first, second) else [path]
    if isinstance(first, list | tuple):
        first, second = (dict(enumerate(value)) for value in (first, second))
    if isinstance(first, dict):
        inside = (differences(first[key], second[key], f"{path}.{key}") for key in first.keys() & second.keys())
        return [*(f"{path}.{key}" for key in first.keys() ^ second.keys()), *chain.from_iterable(inside)]
    return [] if first == second or path.endswith(OWN) else [f"{path}: {first} != {second}"]


def rows(run):
    """Return the rows of metrics.csv without the one figure that is a time."""
    with run.metrics.open(newline="") as file:
        return [{**row, "images_per_second": ""} for row in csv.DictReader(file)]


def assert_resumes(copy: Path, expected: Run):
    """Resume a copy of a killed run, and compare what it becomes with the run that was not killed."""
    assert_equal(train(resume=copy), expected)


def assert_equal(run: Run, expected: Run):
    """Compare what two trainings left, but for times."""
    assert rows(run) == rows(expected)
    for name in ("last", "best"):
        saved, wanted = (
            torch.load(each.path / "checkpoints" / f"{name}.ckpt", weights_only=True) for each in (run, expected)
        )
        assert differences(saved, wanted, name) == []


@pytest.mark.parametrize("moment", ["validation-2", "step-7", "step-8", "end-10", "step-10"])
def test_a_run_killed_around_a_validation_resumes_to_an_equal_run(killed, moment):
    run, copies = killed("inside")
    assert_resumes(copies / moment, run)


def test_a_run_that_max_steps_ends_resumes_at_the_end_of_an_epoch(killed):
    run, copies = killed("max-steps")
    assert_resumes(copies / "step-10", run)


@pytest.mark.slow
@pytest.mark.parametrize("setting", SETTINGS)
def test_a_run_killed_at_any_moment_resumes_to_an_equal_run(killed, setting):
    run, copies = killed(setting)
    moments = sorted(copies.iterdir())
    assert len(moments) > 10
    for copy in moments:
        assert_resumes(copy, run)


def test_a_run_that_max_steps_ended_inside_an_epoch_goes_on_in_it(killed, tmp_path):
    run, _ = killed("max-steps")
    longer = shutil.copytree(run.path, tmp_path / "longer")
    whole = [*SETTINGS["max-steps"], "--trainer.default_root_dir", tmp_path, "--trainer.max_steps", "15"]
    train(resume=train(["--trainer.max_steps", "15"], resume=longer).path)
    expected = train(whole, name="whole")
    saved, wanted = (torch.load(each.last, weights_only=True) for each in (Run(longer), expected))
    assert differences(saved["state_dict"], wanted["state_dict"]) == []


@pytest.mark.slow
def test_200_steps_that_are_killed_50_times_end_with_equal_weights(tmp_path):
    words = [*SETTINGS["inside"], "--trainer.max_epochs", "10", "--trainer.limit_train_batches", "20", "--quiet"]
    words += ["--early_stopping", "10", "--model.ema", "0.9", "--trainer.callbacks+=ModelCheckpoint"]
    words += ["--trainer.callbacks.every_n_train_steps", "1", "--trainer.callbacks.filename", "last"]
    words += ["--trainer.callbacks.enable_version_counter", "false"]
    command = [sys.executable, "-W", "ignore", "-c", KILLED_OFTEN, "50", *words]
    settings = {"capture_output": True, "text": True, "cwd": tmp_path, "env": os.environ | {"OMP_NUM_THREADS": "1"}}
    done = subprocess.run(command, **settings, timeout=1200)
    assert done.returncode == 0, done.stderr
    whole, killed = (Run(tmp_path / "runs" / name) for name in ("whole", "killed"))
    assert torch.load(killed.last, weights_only=True)["global_step"] == 200
    assert_equal(killed, whole)
