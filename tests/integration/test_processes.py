"""Several processes train, resume and test what one would."""

from __future__ import annotations

import json
import os
import random
import signal
import subprocess
import time

import pytest
import torch
from processes import errors, rows, torchrun, wait_for
from support import error_of, stop_at, weights, write_photos

from zoo.runs.folder import Run

#: SGD, without dropout: what several processes train is what one trains. 130 steps an epoch, the last of 5 images.
PLAIN = (
    *("--optimizer", "SGD", "--optimizer.lr", 0.02, "--data.global_batch", 10, "--data.augmentation", "crop"),
    *("--trainer.max_epochs", 2, "--trainer.log_every_n_steps", 10),
)

#: As PLAIN, with a frozen layer, which three processes run three times in place of four epochs.
FROZEN = (*PLAIN, "--data.augmentation", "none", "--model.freeze", 1, "--trainer.max_epochs", 4)

#: As PLAIN, with dropout, whose random numbers must go on where they stopped.
RANDOM = (*PLAIN, "--model.architecture.dropout", 0.3)

#: Runs zoo, and sends itself SIGTERM after so many steps.
STOPPED = """
import os, signal, sys
from torch.optim.optimizer import register_optimizer_step_post_hook
from zoo.cli import main

steps = 0

def count(*_):
    global steps
    steps += 1
    if steps == int(sys.argv[1]):
        os.kill(os.getpid(), signal.SIGTERM)

if __name__ == "__main__":
    register_optimizer_step_post_hook(count)
    sys.exit(main(sys.argv[2:]))
"""


def assert_close(run, expected):
    """Compare weights and rows of two runs to 1e-5."""
    assert rows(run) == [pytest.approx(row, rel=1e-4, abs=1e-5) for row in rows(expected)]
    ours, theirs = weights(run), weights(expected)
    for key, value in theirs.items():
        torch.testing.assert_close(ours[key], value, rtol=0, atol=1e-5)


def step_of(run):
    return torch.load(run.last, weights_only=True)["global_step"]


def has_row(run, step):
    return lambda: run.metrics.is_file() and f",{step}," in run.metrics.read_text()


@pytest.fixture(scope="module")
def alone(train_once):
    """What one process trains."""
    return train_once(*PLAIN)


@pytest.fixture(scope="module")
def together(tmp_path_factory):
    """What three processes train, a frozen layer first, and what they print."""
    folder = tmp_path_factory.mktemp("together")
    process = torchrun(folder, 3, "fit", *FROZEN, "--run", "three")
    out, err = process.communicate(timeout=300)
    assert process.returncode == 0, err
    return folder / "runs" / "three", out, err


def test_three_processes_train_what_one_trains(train_once, together):
    alone = train_once(*FROZEN)
    assert len(rows(alone)) == 4 * 13 + 4
    assert_close(together[0], alone)


def test_frozen_layers_run_once_in_each_process(together):
    assert together[2].count("the frozen layers ran once") == 1


def test_the_first_process_alone_writes_and_reports(together):
    run, out, err = together
    assert [path.name for path in run.parent.iterdir()] == ["three"]
    assert (run / "report.html").is_file()
    assert (run / "calibration.json").is_file()
    assert out.splitlines()[-1] == "runs/three"
    assert err.count("report: ") == 1


def test_one_process_goes_on_where_two_were_stopped_and_two_where_one_was(zoo, alone, tmp_path):
    run, command = Run(tmp_path / "runs" / "first"), ("fit", *PLAIN, "--run", "first")
    (tmp_path / "stopped.py").write_text(STOPPED)
    process = torchrun(tmp_path, 2, "20", *command, program=("--", "stopped.py"))
    _, err = process.communicate(timeout=300)
    assert "resume with: zoo fit runs/first" in err
    assert 20 <= step_of(run) < 130
    handle = stop_at(150 - step_of(run), signal.SIGINT)
    try:
        assert zoo(*command)[0] == 130
    finally:
        handle.remove()
    assert 140 < step_of(run) <= 150  # the hook counts the trial of the optimizer too
    process = torchrun(tmp_path, 2, *command)
    _, err = process.communicate(timeout=300)
    assert process.returncode == 0, err
    assert_close(run.path, alone)


@pytest.mark.slow
@pytest.mark.parametrize("kills", [1, 8])
def test_killed_processes_are_started_again_and_end_with_equal_weights(tmp_path, kills):
    """torchrun starts both processes again; without --run they go on with the run that they have begun."""
    moments = random.Random(kills)
    folders = [tmp_path / name for name in ("killed", "whole")]
    for folder in folders:
        folder.mkdir()
    runs = [Run(folder / "runs" / "digits-lenet5" / "version_0") for folder in folders]
    words = ("fit", *RANDOM, "--trainer.max_epochs", 40)
    silent = dict.fromkeys(("stdout", "stderr"), subprocess.DEVNULL)
    process = torchrun(folders[0], 2, *words, options=("--max-restarts", kills), **silent)
    for kill in range(kills):
        wait_for(has_row(runs[0], 130 * 4 * kill + 10), process, 300)
        time.sleep(moments.uniform(0, 1))
        os.kill(moments.choice(workers(process)), signal.SIGKILL)
    assert process.wait(timeout=300) == 0
    process = torchrun(folders[1], 2, *words)
    _, err = process.communicate(timeout=300)
    assert process.returncode == 0, err
    assert [path.name for path in runs[0].path.parent.iterdir()] == ["version_0"]
    assert rows(runs[0].path) == rows(runs[1].path)
    ours, theirs = weights(runs[0].path), weights(runs[1].path)
    assert all(torch.equal(ours[key], theirs[key]) for key in theirs)


def workers(launcher):
    """Return the numbers of the processes that a launcher has started."""
    with open(f"/proc/{launcher.pid}/task/{launcher.pid}/children") as file:
        return [int(number) for number in file.read().split()]


def test_processes_that_lightning_starts_test_what_one_tests_and_report(zoo, zoo_process, alone, tmp_path):
    process = zoo_process("test", alone, "--trainer.devices", 2, "--data.batch_size", 7)
    _, err = process.communicate(timeout=300)
    assert process.returncode == 0, err
    files = [alone / name for name in ("results.json", "predictions.csv", "report.html")]
    by_two = [path.read_text() for path in files]
    assert zoo("test", alone)[0] == 0
    one, two = (json.loads(text) for text in (files[0].read_text(), by_two[0]))
    figures = [key for key in one if key.startswith("test/")]
    assert [two[key] for key in figures] == pytest.approx([one[key] for key in figures], rel=1e-6)
    assert two["images"] == one["images"] == 359
    lines = [text.splitlines() for text in (files[1].read_text(), by_two[1])]
    assert [line.split(",")[:3] for line in lines[1]] == [line.split(",")[:3] for line in lines[0]]


def test_a_process_that_cannot_go_on_ends_all_and_says_first_why(tmp_path):
    """The damaged image is in the share of one process."""
    write_photos(tmp_path / "photos", ("ant", "bee"), 100, 60)
    (tmp_path / "photos" / "ant" / "7.png").write_text("not an image")
    options = ("--data", "folder", "--data.root", "photos", "--data.image_size", 16, "--data.memory_gib", 0)
    begin = time.monotonic()
    process = torchrun(
        tmp_path, 2, "fit", *options, "--data.batch_size", 4, "--data.num_workers", 0, "--trainer.max_epochs", 1
    )
    _, err = process.communicate(timeout=300)
    assert process.returncode == 1
    assert time.monotonic() - begin < 90
    assert len(errors(err)) == 1, err
    assert "ant/7.png: not a readable image" in errors(err)[0]


def test_a_number_of_devices_that_is_not_the_launchers_is_refused(zoo, monkeypatch, tmp_path):
    world = {"RANK": 0, "WORLD_SIZE": 2, "LOCAL_RANK": 0, "LOCAL_WORLD_SIZE": 2, "TORCHELASTIC_RUN_ID": "none"}
    for name, value in world.items():
        monkeypatch.setenv(name, str(value))
    line = error_of(zoo("fit", "--trainer.devices", 4))
    assert "--trainer.devices is 4, but torchrun started 2 processes" in line
    assert not (tmp_path / "runs").exists()


def test_strategies_that_copy_the_process_are_refused_with_the_way_that_works(zoo, tmp_path):
    line = error_of(zoo("fit", "--trainer.devices", 2, "--trainer.strategy", "ddp_spawn", "--trainer.max_epochs", 1))
    assert "allowed is --trainer.strategy ddp" in line
    assert list((tmp_path / "runs").rglob("*.yaml")) == []


def test_one_device_is_used_unless_more_are_asked_for(zoo, tmp_path):
    status, _, err = zoo("fit", "--trainer.devices", "auto", "--trainer.fast_dev_run", "true")
    assert status == 0, err
    assert "--trainer.devices auto: 1 cpu device" in err.splitlines()


def test_a_checkpoint_of_slurm_in_the_shared_folder_is_left_alone(zoo, monkeypatch, tmp_path):
    (tmp_path / "runs").mkdir()
    (tmp_path / "runs" / "hpc_ckpt_1.ckpt").write_text("of another run")
    for name, value in (("NTASKS", "1"), ("PROCID", "0"), ("LOCALID", "0"), ("JOB_ID", "7"), ("NODEID", "0")):
        monkeypatch.setenv(f"SLURM_{name}", value)
    status, _, err = zoo("fit", "--trainer.max_epochs", 1, "--trainer.limit_train_batches", 2)
    assert status == 0, err
