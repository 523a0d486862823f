"""zoo fit starts nearly as soon as a script of a few lines, and imports before the first step only what that needs."""

from __future__ import annotations

import json
import subprocess
import sys

import pytest
from support import REPOSITORY

#: A callback that ends zoo after the first step, and prints which of some modules are imported by then.
END = """
import os, sys
from lightning.pytorch import Callback

class End(Callback):
    def on_train_batch_end(self, *_):
        unneeded = {"matplotlib", "sklearn.metrics", "scipy.signal", "pandas", "torchvision"}
        print(sorted(unneeded & set(sys.modules)), flush=True)
        os._exit(0)
"""


def test_before_the_first_step_nothing_is_imported_that_only_reports_need(zoo_process, tmp_path):
    (tmp_path / "end.py").write_text(END)
    process = zoo_process("fit", "--trainer.max_steps", 1, "--trainer.callbacks", "end.End")
    out, err = process.communicate(timeout=300)
    assert process.returncode == 0, err
    assert out.splitlines()[-1] == "[]"


@pytest.mark.slow
def test_a_training_of_one_step_takes_little_more_than_a_script():
    """In processor time; the first step took 1.27 times (1.10 to 1.32, n = 6) that of the script, the whole 0.98."""
    command = [sys.executable, REPOSITORY / "benchmarks" / "start.py", "--rounds", "3"]
    figures = json.loads(subprocess.run(command, capture_output=True, check=True).stdout)
    assert figures["first step"]["processor"]["median"] < 1.4
    assert figures["whole command"]["processor"]["median"] < 1.2
