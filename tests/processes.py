"""Runs zoo on several processes, for tests."""

from __future__ import annotations

import csv
import os
import random
import socket
import subprocess
import sys
import time
from contextlib import closing, suppress


def free_port():
    """Return a port below those that the system gives to connections: nobody takes it before it is used."""
    while True:
        port = random.SystemRandom().randrange(20000, 30000)
        with closing(socket.socket()) as listener, suppress(OSError):
            listener.bind(("127.0.0.1", port))
            return port


def torchrun(folder, count, *words, options=(), program=("-m", "--", "zoo"), **settings):
    """Start a command of zoo in so many processes by torchrun; return torchrun's process."""
    launcher = [sys.executable, "-m", "torch.distributed.run", "--nproc-per-node", count]
    launcher += ["--master-port", free_port(), *options, *program, *words]
    environ = os.environ | {"OMP_NUM_THREADS": "1"} | settings.pop("environ", {})
    pipes = {"stdout": subprocess.PIPE, "stderr": subprocess.PIPE, "text": True} | settings
    return subprocess.Popen([str(word) for word in launcher], cwd=folder, env=environ, **pipes)


def rows(run):
    """Return the rows of metrics.csv as numbers, without the one figure that is a time."""
    with (run / "metrics.csv").open(newline="") as file:
        return [
            {key: float(value) for key, value in row.items() if value and key != "images_per_second"}
            for row in csv.DictReader(file)
        ]


def errors(text):
    """Return the lines in which zoo says why it ends."""
    return [line for line in text.splitlines() if line.startswith("error: ")]


def wait_for(condition, process, seconds=300):
    """Wait until something is so, while a process runs."""
    deadline = time.monotonic() + seconds
    while not condition():
        assert process.poll() is None, process.communicate()
        assert time.monotonic() < deadline
        time.sleep(0.02)
