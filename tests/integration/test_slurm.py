"""The script for SLURM, with programs in place of srun and scontrol."""

from __future__ import annotations

import os
import signal
import subprocess
import sys

import pytest
import torch
from processes import errors, rows, wait_for
from support import REPOSITORY

from zoo.runs.folder import Run
from zoo.training.slurm import requeue

#: Starts two tasks, and passes SIGUSR1 on to both, as SLURM does at the end of a job's time.
SRUN = """#!{python}
import os, signal, subprocess, sys
words = [word for word in sys.argv[1:] if not word.startswith("--kill")]
tasks = []
signal.signal(signal.SIGUSR1, lambda *_: [task.send_signal(signal.SIGUSR1) for task in tasks])
step = {{"SLURM_STEP_NUM_TASKS": "2", "SLURM_STEP_NUM_NODES": "1", "SLURM_STEP_NODELIST": "localhost"}}
for rank in ("0", "1"):
    tasks.append(subprocess.Popen(words, env=os.environ | step | {{"SLURM_PROCID": rank, "SLURM_LOCALID": rank}}))
sys.exit(max(task.wait() for task in tasks))
"""

CONFIG = """
model: lenet5
data: {dataset: digits, global_batch: 80}
trainer: {max_epochs: 3, log_every_n_steps: 5}
"""


def program(folder, name, text):
    path = folder / name
    path.write_text(text)
    path.chmod(0o755)


@pytest.fixture
def job(tmp_path):
    """Start the script as SLURM does; return the process."""
    tools = tmp_path / "bin"
    tools.mkdir()
    program(tools, "srun", SRUN.format(python=sys.executable))
    program(tools, "scontrol", f'#!/bin/sh\necho "$@" >> {tmp_path}/scontrol.log\n')
    program(tools, "zoo", f'#!/bin/sh\nexec {sys.executable} -m zoo "$@"\n')
    (tmp_path / "flowers.yaml").write_text(CONFIG)
    port = 20000 + os.getpid() % 9999
    environ = {"PATH": f"{tools}:{os.environ['PATH']}", "SLURM_JOB_ID": "4711", "SLURM_JOB_NAME": "flowers"}
    environ = os.environ | environ | {"SLURM_NTASKS": "2", "OMP_NUM_THREADS": "1", "MASTER_PORT": str(port)}
    script = ["bash", REPOSITORY / "examples" / "slurm" / "train.sbatch"]

    def start():
        pipes = {"stdout": subprocess.PIPE, "stderr": subprocess.PIPE, "text": True}
        return subprocess.Popen(script, cwd=tmp_path, env=environ, **pipes), environ

    return start


def test_a_job_whose_time_is_over_is_put_back_into_the_queue_and_goes_on(job, tmp_path):
    run = Run(tmp_path / "runs" / "flowers")
    process, environ = job()
    wait_for(lambda: run.metrics.is_file() and ",5," in run.metrics.read_text(), process)
    _signal_step(process)
    _, err = process.communicate(timeout=300)
    assert process.returncode == 128 + signal.SIGUSR1, err
    assert (tmp_path / "scontrol.log").read_text() == f"requeue {environ['SLURM_JOB_ID']}\n"
    assert torch.load(run.last, weights_only=True)["global_step"] < 51
    assert not list((tmp_path / "runs").glob("hpc_ckpt*"))
    process, _ = job()
    _, err = process.communicate(timeout=300)
    assert process.returncode == 0, err
    assert rows(run.path)[-1]["step"] == 51
    assert errors(err) == []


def _signal_step(process):
    """Send SIGUSR1 to srun, the script's last process."""
    with open(f"/proc/{process.pid}/task/{process.pid}/children") as file:
        os.kill(int(file.read().split()[-1]), signal.SIGUSR1)


def test_a_job_without_a_name_for_its_run_is_not_put_back(capsys):
    requeue({"SLURM_JOB_ID": "7"}, "resume with: zoo fit runs/first", by_name=False)
    assert "add --run NAME. Now: resume with: zoo fit runs/first" in capsys.readouterr().err


def test_a_task_of_an_array_is_put_back_by_its_number(monkeypatch, tmp_path):
    program(tmp_path, "scontrol", f'#!/bin/sh\necho "$@" > {tmp_path}/log\n')
    monkeypatch.setenv("PATH", str(tmp_path), prepend=os.pathsep)
    requeue({"SLURM_JOB_ID": "9", "SLURM_ARRAY_JOB_ID": "7", "SLURM_ARRAY_TASK_ID": "3"}, "", by_name=True)
    assert (tmp_path / "log").read_text() == "requeue 7_3\n"


def test_a_queue_that_refuses_the_job_is_named(monkeypatch, tmp_path, capsys):
    program(tmp_path, "scontrol", "#!/bin/sh\necho no permission >&2\nexit 1\n")
    monkeypatch.setenv("PATH", str(tmp_path), prepend=os.pathsep)
    requeue({"SLURM_JOB_ID": "7"}, "resume with: zoo fit runs/first", by_name=True)
    err = capsys.readouterr().err
    assert err == (
        "job 7 could not be put back into the queue: scontrol: no permission; resume with: zoo fit runs/first\n"
    )
