"""zoo fit starts nearly as soon as a script of a few lines, and imports before the first step only what that needs."""

from __future__ import annotations

import os
import resource
import statistics
import subprocess
import sys

import pytest

#: A network, and one step of Adam.
SCRIPT = """
import torch
network = torch.nn.Sequential(torch.nn.Flatten(), torch.nn.Linear(64, 10))
optimizer = torch.optim.Adam(network.parameters())
images, labels = torch.rand(32, 1, 8, 8), torch.zeros(32, dtype=torch.int64)
torch.nn.functional.cross_entropy(network(images), labels).backward()
optimizer.step()
"""

#: Runs zoo up to the first step of the training, and prints which of some modules are imported by then.
FIRST_STEP = """
import os, sys
from torch.optim.optimizer import register_optimizer_step_post_hook
steps = 0

def end(*_):
    global steps
    steps += 1
    if steps == 2:  # the first is the trial of the optimizer
        print(sorted({"matplotlib", "sklearn.metrics", "scipy.signal", "pandas", "torchvision"} & set(sys.modules)))
        sys.stdout.flush()
        os._exit(0)

from zoo.cli import main
register_optimizer_step_post_hook(end)
sys.exit(main(sys.argv[1:]))
"""

FIT = ("fit", "--model", "lenet5", "--data", "digits", "--trainer.max_steps", "1")


def test_before_the_first_step_nothing_is_imported_that_only_reports_need(tmp_path):
    command = [sys.executable, "-c", FIRST_STEP, *FIT]
    done = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    assert done.stdout.splitlines()[-1] == "[]"


def seconds(folder, *words):
    """Return the processor time that a command takes; wall time on a shared machine says little."""
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    environ = os.environ | {"OMP_NUM_THREADS": "1"}
    subprocess.run([sys.executable, *words], cwd=folder, env=environ, capture_output=True, check=True)
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    return after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime


@pytest.mark.slow
def test_a_training_of_one_step_takes_little_more_than_a_script(tmp_path):
    """The first step within 1.25 times the script, the whole command, its report included, within 1.4."""
    measured = []
    for _ in range(8):
        script = seconds(tmp_path, "-c", SCRIPT)
        first, whole = seconds(tmp_path, "-c", FIRST_STEP, *FIT), seconds(tmp_path, "-m", "zoo", *FIT)
        measured.append((script, first / script, whole / script))
    measured = measured[1:]  # the first reads files from the disk
    print(measured)
    assert statistics.median(first for _, first, _ in measured) < 1.25
    assert statistics.median(whole for *_, whole in measured) < 1.4
