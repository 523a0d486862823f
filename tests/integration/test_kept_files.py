"""Full disks, limits, read-only folders and two commands at once: files that were whole stay, and one line says why."""

from __future__ import annotations

import os
import re
import resource
import shutil
import subprocess
import sys
from contextlib import contextmanager

import pytest
import torch
from support import HOLD, error_of

from zoo.runs.folder import Run

SHORT = ("--trainer.max_epochs", 1, "--trainer.limit_train_batches", 2, "--trainer.limit_val_batches", 1, "--quiet")


@contextmanager
def largest_file(size):
    """Let files of this process have at most so many bytes."""
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (size, hard))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))


@contextmanager
def read_only(folder):
    """Make a folder read-only, for root by mounting it so; skip the test where root may not mount."""
    if os.geteuid() != 0:
        folder.chmod(0o555)
        yield
        folder.chmod(0o755)
        return
    if subprocess.run(["mount", "--bind", "-o", "ro", folder, folder], capture_output=True).returncode:
        pytest.skip("root may not mount a folder here, and writes in folders that are read-only")
    try:
        yield
    finally:
        subprocess.run(["umount", folder], check=True)


def contents(folder):
    """Return the bytes of all files."""
    return {path: path.read_bytes() for path in sorted(folder.rglob("*")) if path.is_file()}


@pytest.fixture
def run(zoo, tmp_path):
    """A run of one epoch."""
    assert zoo("fit", "--run", "a", *SHORT)[0] == 0
    return Run(tmp_path / "runs" / "a")


def test_a_checkpoint_beyond_the_limit_of_the_process_leaves_the_one_before_it(zoo, run):
    before = contents(run.last.parent)
    with largest_file(100_000):
        status, _, err = zoo("fit", run.path, "--trainer.max_epochs", 2)
    assert status == 1
    named = r"^error: \S+/checkpoints/(best|last)\.ckpt cannot be written: File too large: .* 100,000 bytes"
    assert re.search(named, err.splitlines()[-1])
    assert contents(run.last.parent) == before
    assert zoo("fit", run.path, "--trainer.max_epochs", 2)[0] == 0
    assert torch.load(run.last, weights_only=True)["global_step"] == 4


def test_a_run_that_is_read_only_is_refused_before_it_trains(zoo, run):
    before = contents(run.path)
    with read_only(run.last.parent):
        line = error_of(zoo("fit", run.path, "--trainer.max_epochs", 2))
    assert re.search(r"run folder \S+/checkpoints cannot be written: .*; make it writable", line)
    assert contents(run.path) == before


def test_what_a_killed_save_left_in_a_run_goes_when_the_run_is_resumed(zoo, run):
    for name in (".last.ckpt-abcdefgh.part", ".epoch=1.ckpt-abcdefgh.part"):
        (run.last.parent / name).write_text("half")
    (run.path / ".state.json-abcdefgh.part").write_text("half")
    assert zoo("fit", run.path, "--trainer.max_epochs", 2, "--quiet")[0] == 0
    assert not list(run.path.rglob(".*.part"))


def test_a_run_that_another_process_trains_is_left_as_it_is(zoo, run):
    with subprocess.Popen([sys.executable, "-c", HOLD, run.path], stdin=-1, stdout=-1) as other:
        other.stdout.readline()
        before = contents(run.path)
        for words in (("--run", "a", *SHORT), (run.path, "--trainer.max_epochs", 2)):
            assert f"process {other.pid} trains run" in error_of(zoo("fit", *words))
        assert contents(run.path) == before
        other.kill()
    assert zoo("fit", run.path, "--trainer.max_epochs", 2, "--quiet")[0] == 0


def test_a_named_run_whose_start_was_killed_starts_again(zoo, tmp_path):
    run = Run(tmp_path / "runs" / "a")
    run.last.parent.mkdir(parents=True)
    run.lock.touch()
    (run.path / ".config.yaml-abcdefgh.part").write_text("half")
    assert zoo("fit", "--run", "a", *SHORT)[0] == 0
    assert {path.name for path in run.last.parent.iterdir()} == {"best.ckpt", "last.ckpt"}


@pytest.mark.slow
def test_of_two_trainings_with_one_name_one_says_who_holds_the_run(zoo_process, tmp_path):
    both = [zoo_process("fit", "--run", "a", *SHORT, "--optimizer.lr", rate) for rate in (0.01, 0.02)]
    errors = [process.communicate(timeout=300)[1] for process in both]
    assert sorted(process.returncode for process in both) == [0, 2], errors
    winner, loser = sorted(range(2), key=lambda place: both[place].returncode)
    assert f"process {both[winner].pid} trains run runs/a" in errors[loser]
    config = (tmp_path / "runs" / "a" / "config.yaml").read_text()
    assert f"lr: {(0.01, 0.02)[winner]}" in config


@pytest.mark.slow
def test_two_trainings_in_one_place_have_a_folder_each(zoo_process, tmp_path):
    both = [zoo_process("fit", *SHORT, "--optimizer.lr", rate) for rate in (0.01, 0.02)]
    for process in both:
        assert process.communicate(timeout=300)[1] == ""
    runs = [Run(path) for path in sorted((tmp_path / "runs" / "digits-lenet5").iterdir())]
    assert len(runs) == 2
    rates = {re.search(r"lr: (\S+)", run.config.read_text())[1] for run in runs}
    assert rates == {"0.01", "0.02"}
    for run in runs:
        assert torch.load(run.last, weights_only=True)["global_step"] == 2
    shutil.rmtree(tmp_path / "runs")
