"""What is printed by the first process alone."""

from __future__ import annotations

import subprocess
import sys

import pytest
from lightning.fabric.utilities.rank_zero import rank_zero_only

from zoo.core.console import RANK_VARIABLES, print_stderr, printable

PRINT = "from zoo.core.console import print_stderr; print_stderr('hello')"
TRAIN_ON_TWO = """
import sys

import lightning
from lightning.pytorch.demos.boring_classes import BoringModel
from zoo.core.console import is_first_process

class Module(BoringModel):
    def on_fit_start(self):
        sys.stdout.write(f"rank {self.global_rank}: {is_first_process()}\\n")  # one write

if __name__ == "__main__":
    options = dict(logger=False, enable_checkpointing=False, enable_progress_bar=False, enable_model_summary=False)
    lightning.Trainer(accelerator="cpu", devices=2, strategy="ddp_spawn", fast_dev_run=1, **options).fit(Module())
"""


def run(code, monkeypatch, **variables):
    for name in RANK_VARIABLES:
        monkeypatch.delenv(name, raising=False)
    for name, value in variables.items():
        monkeypatch.setenv(name, value)
    return subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)


def test_a_process_alone_prints_to_stderr_without_lightning(monkeypatch):
    done = run(f"{PRINT}; import sys; print('lightning' in sys.modules)", monkeypatch)
    assert (done.stdout, done.stderr) == ("False\n", "hello\n")


@pytest.mark.parametrize("name", RANK_VARIABLES)
def test_a_launchers_variable_silences_all_processes_but_the_first(name, monkeypatch):
    assert run(PRINT, monkeypatch, **{name: "1"}).stderr == ""
    assert run(PRINT, monkeypatch, **{name: "0"}).stderr == "hello\n"


def test_the_rank_among_all_machines_counts_before_that_on_this_machine(monkeypatch):
    assert run(PRINT, monkeypatch, RANK="4", LOCAL_RANK="0").stderr == ""


def test_the_rank_that_lightning_sets_counts_before_variables(monkeypatch, capsys):
    monkeypatch.setenv("LOCAL_RANK", "0")
    monkeypatch.setattr(rank_zero_only, "rank", 1)
    print_stderr("hello")
    assert capsys.readouterr().err == ""


@pytest.mark.slow
def test_of_two_training_processes_one_is_the_first(tmp_path):
    program = tmp_path / "program.py"
    program.write_text(TRAIN_ON_TWO)
    done = subprocess.run([sys.executable, program], capture_output=True, text=True, cwd=tmp_path)
    assert {line for line in done.stdout.splitlines() if line.startswith("rank")} == {"rank 0: True", "rank 1: False"}


def test_control_characters_of_names_are_shown(capsys):
    print_stderr("a\x1b[31mred\nsecond\x07 line")
    assert capsys.readouterr().err == "a\\x1b[31mred\nsecond\\x07 line\n"
    assert printable("größe 7 \udcff\u202e") == "größe 7 \\udcff\\u202e"
