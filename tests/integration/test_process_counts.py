"""Figures do not depend on the number of processes, and no process outlives one that is lost."""

from __future__ import annotations

import csv
import json
import os
import random
import signal
import time
from pathlib import Path

import pytest
import torch
from processes import errors, rows, torchrun, wait_for
from support import weights

from zoo.runs.folder import Run

pytestmark = pytest.mark.slow

#: SGD without dropout, 50 steps; an epoch has 130.
FIFTY = (
    *("--optimizer", "SGD", "--optimizer.lr", 0.02, "--data.global_batch", 10, "--data.augmentation", "crop"),
    *("--trainer.max_steps", 50, "--trainer.log_every_n_steps", 5),
)

#: A data set of as many test images as an option says.
MANY = """
import numpy as np
from zoo import ArrayDataset

def build(root, split: str, count: int = 17):
    size = count if split == "test" else 60
    random = np.random.default_rng(size)
    images = random.integers(0, 256, (size, 28, 28, 1), np.uint8)
    return ArrayDataset(images, random.integers(0, 3, size), ("a", "b", "c"))
"""

#: What a process says of another one that has gone.
ENDED = "error: another process of this training has ended; resume with: zoo fit runs/lost"


def processes_of(launcher):
    """Return the numbers of the processes that one has started, by their rank."""
    by_rank = {}
    for number in Path(f"/proc/{launcher.pid}/task/{launcher.pid}/children").read_text().split():
        variables = Path(f"/proc/{number}/environ").read_bytes().split(b"\0")
        ranks = [int(line.split(b"=")[1]) for line in variables if line.startswith(b"LOCAL_RANK=")]
        by_rank[ranks[0] if ranks else None] = int(number)
    return by_rank


def is_alive(number):
    try:
        return Path(f"/proc/{number}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except OSError:
        return False


@pytest.mark.parametrize("count", [2, 3])
def test_every_number_of_processes_trains_the_same_in_50_steps(train_once, tmp_path, count):
    process = torchrun(tmp_path, count, "fit", *FIFTY, "--run", "together")
    _, err = process.communicate(timeout=500)
    assert process.returncode == 0, err
    alone, together = train_once(*FIFTY), tmp_path / "runs" / "together"
    assert torch.load(Run(together).last, weights_only=True)["global_step"] == 50
    assert rows(together) == [pytest.approx(row, rel=1e-4, abs=1e-5) for row in rows(alone)]
    ours, theirs = weights(together), weights(alone)
    for key, value in theirs.items():
        torch.testing.assert_close(ours[key], value, rtol=0, atol=1e-5)


@pytest.mark.parametrize("images", [17, 10_000])
def test_every_number_of_processes_tests_the_same_figures(zoo, install, tmp_path, images):
    install("many-images", "[zoo.datasets]\nmany = many_images:build\n", MANY, "many_images")
    words = ("--data", "many", "--data.dataset.count", images, "--trainer.max_steps", 5, "--run", "it")
    status, _, err = zoo("fit", *words, "--data.augmentation", "none")
    assert status == 0, err
    run = Run(tmp_path / "runs" / "it")
    results, answers = {}, {}
    for count in (1, 2, 3):
        process = torchrun(tmp_path, count, "test", run.path, "--data.batch_size", 8)
        _, err = process.communicate(timeout=500)
        assert process.returncode == 0, err
        results[count] = json.loads(run.results.read_text())
        with (run.path / "predictions.csv").open(newline="") as file:
            answers[count] = [list(row.values())[:3] for row in csv.DictReader(file)]
    figures = {key: value for key, value in results[1].items() if key.startswith("test/")}
    assert len(figures) >= 2
    assert len(answers[1]) == images
    for count in (2, 3):
        assert {key: results[count][key] for key in figures} == pytest.approx(figures, rel=1e-6)
        assert results[count]["images"] == images
        assert answers[count] == answers[1]


@pytest.mark.parametrize("launcher", ["torchrun", "lightning"])
@pytest.mark.parametrize("count", [2, 3])
@pytest.mark.parametrize("victim", ["first", "last"])
def test_all_end_within_30_seconds_of_one_that_is_killed(zoo_process, tmp_path, launcher, count, victim):
    """The error says that another process has ended, or is absent: torchrun may end the others before they see it."""
    words = ("fit", *FIFTY[:-4], "--trainer.max_epochs", 500, "--run", "lost")
    if launcher == "torchrun":
        process = torchrun(tmp_path, count, *words)
    else:
        process = zoo_process(*words, "--trainer.devices", count)
    run = Run(tmp_path / "runs" / "lost")
    wait_for(lambda: run.metrics.is_file() and run.metrics.stat().st_size > 500, process)
    workers = {0: process.pid} | processes_of(process)
    assert sorted(workers) == list(range(count))
    time.sleep(random.random())
    os.kill(workers[0 if victim == "first" else count - 1], signal.SIGKILL)
    begin = time.monotonic()
    while any(map(is_alive, workers.values())):
        assert time.monotonic() - begin < 30
        time.sleep(0.05)
    print(f"{launcher} {count} {victim}: {time.monotonic() - begin:.2f} s")  # for whoever wants the figure: pytest -s
    _, err = process.communicate(timeout=60)
    assert time.monotonic() - begin < 30
    assert process.returncode != 0
    assert set(errors(err)) <= {ENDED}, err
    if launcher == "torchrun":
        assert f"Signal 9 (SIGKILL) received by PID {workers[0 if victim == 'first' else count - 1]}" in err
