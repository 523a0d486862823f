"""A stopped run resumes, bit for bit, to what it would have been without the stop."""

from __future__ import annotations

import csv
import signal
import time

import pytest
import torch
from support import stop_at

#: Two epochs of 162 steps on digits; crops, dropout and the order of images are drawn at random.
RANDOM = (
    *("--data.batch_size", "8", "--data.augmentation", "crop", "--model.architecture.dropout", "0.3"),
    *("--trainer.max_epochs", "2", "--trainer.log_every_n_steps", "10"),
)
OPTIONS = {
    "random": RANDOM,
    "all-aids": (
        *(*RANDOM, "--data.balanced", "true", "--early_stopping", "9", "--model.ema", "0.99"),
        *("--model.mixup", "0.2", "--model.cutmix", "1", "--model.class_weights", "balanced"),
        *("--model.label_smoothing", "0.1", "--model.layer_decay", "0.75", "--trainer.gradient_clip_val", "1"),
        *("--lr_scheduler", "OneCycleLR", "--lr_scheduler.max_lr", "0.003"),
    ),
    "frozen": (*RANDOM, "--model.freeze", "2", "--data.augmentation", "none", "--model.ema", "0.9"),
    "streamed": (*RANDOM, "--data.memory_gib", "0", "--data.num_workers", "0"),
}


def rows(run):
    """Return the rows of metrics.csv without the one figure that is a time."""
    with (run / "metrics.csv").open(newline="") as file:
        return [{**row, "images_per_second": ""} for row in csv.DictReader(file)]


def same(first, second):
    """Compare values of a checkpoint, bit for bit."""
    if isinstance(first, torch.Tensor):
        return torch.equal(first, second)
    if isinstance(first, dict):
        return first.keys() == second.keys() and all(same(first[key], second[key]) for key in first)
    if isinstance(first, list | tuple):
        return len(first) == len(second) and all(map(same, first, second))
    return first == second


def assert_equal_runs(run, expected):
    assert rows(run) == rows(expected)
    last, last_expected, best, best_expected = (
        torch.load(folder / "checkpoints" / f"{name}.ckpt", weights_only=True)
        for name in ("last", "best")
        for folder in (run, expected)
    )
    states = {"state_dict", "current_model_state", "averaging_state", "optimizer_states", "lr_schedulers"}
    for key in states & last_expected.keys():
        assert same(last[key], last_expected[key]), key
    assert same(best["state_dict"], best_expected["state_dict"])


@pytest.mark.parametrize(
    ("setting", "step"),
    [
        ("random", 50),
        ("random", 162),  # the last step of the first epoch
        ("random", 200),
        ("all-aids", 50),
        ("all-aids", 162),
        ("all-aids", 200),
        ("frozen", 200),
        ("streamed", 200),
    ],
)
def test_a_stopped_run_resumes_to_an_equal_run(zoo, tmp_path, train_once, setting, step):
    expected = train_once(*OPTIONS[setting])
    handle = stop_at(step, signal.SIGINT)
    try:
        status, _, err = zoo("fit", *OPTIONS[setting])
    finally:
        handle.remove()
    run = tmp_path / "runs" / "digits-lenet5" / "version_0"
    assert status == 130, err
    assert err.splitlines()[-1].endswith("resume with: zoo fit runs/digits-lenet5/version_0")
    assert rows(run) != rows(expected)
    assert zoo("fit", run)[0] == 0
    assert_equal_runs(run, expected)


@pytest.mark.parametrize(("number", "step", "status"), [(signal.SIGTERM, 50, 143), (signal.SIGKILL, 170, -9)])
def test_a_stopped_process_resumes_to_an_equal_run(zoo, zoo_process, tmp_path, train_once, number, step, status):
    process = zoo_process("fit", *OPTIONS["all-aids"])
    run = tmp_path / "runs" / "digits-lenet5" / "version_0"
    deadline = time.monotonic() + 120
    while not (run / "metrics.csv").exists() or f",{step}," not in (run / "metrics.csv").read_text():
        assert time.monotonic() < deadline
        time.sleep(0.01)
    process.send_signal(number)
    process.communicate(timeout=60)
    assert process.returncode == status
    assert zoo("fit", run)[0] == 0
    assert_equal_runs(run, train_once(*OPTIONS["all-aids"]))


def test_a_finished_run_that_is_trained_on_equals_one_of_as_many_epochs(zoo, tmp_path, digits_run):
    assert zoo("fit", "--trainer.max_epochs", 2)[0] == 0
    run = tmp_path / "runs" / "digits-lenet5" / "version_0"
    assert zoo("fit", run, "--trainer.max_epochs", 3)[0] == 0
    assert_equal_runs(run, digits_run)
