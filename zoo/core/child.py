"""Asks questions about plugins in another process, which may print, hang, crash or end without harm to this one.

this process ──entry, as JSON──► child: imports, answers ──answer, as JSON──► this process
                                   │ no answer in time, or no child: that is the answer
"""

from __future__ import annotations

import contextlib
import json
import os
import queue
import signal
import subprocess
import sys
from collections.abc import Callable
from importlib import import_module
from threading import Thread
from typing import Any

from zoo.core.distributions import hide_broken


class NoAnswerError(Exception):
    """The child hangs, or has ended; the text says which, for a line that names the plugin."""


class Child:
    """Another process, which calls one function of zoo with each question. The first question starts it.

    Args:
        function: ``module:name`` of a function of zoo's, which takes and returns what JSON holds.
    """

    def __init__(self, function: str) -> None:
        self.function = function
        self._process: subprocess.Popen[bytes] | None = None
        self._answers: queue.Queue[bytes] = queue.Queue()

    def ask(self, question: Any, patience: float) -> Any:
        """Return the function's answer.

        Args:
            question: what the function is called with.
            patience: seconds until the child counts as hanging; those of its start count in.

        Raises:
            NoAnswerError: there is none; the next question starts a new child.
        """
        process = self._process or self._start()
        try:
            with contextlib.suppress(BrokenPipeError):  # it has ended, as the missing answer tells
                assert process.stdin is not None
                process.stdin.write(json.dumps(question).encode() + b"\n")
                process.stdin.flush()
            answer = self._answers.get(timeout=patience)
        except queue.Empty:
            self.stop()
            raise NoAnswerError(f"hangs: no answer in {patience:g} s") from None
        except BaseException:
            self.stop()
            raise
        if not answer:
            status = process.wait()
            self.stop()
            raise NoAnswerError(f"ends the process ({_described(status)})")
        return json.loads(answer)

    def stop(self) -> None:
        """End the child."""
        if self._process is not None:
            self._process.kill()
            self._process.wait()
            for stream in (self._process.stdin, self._process.stdout):
                with contextlib.suppress(OSError):  # what it was still to be sent
                    assert stream is not None
                    stream.close()
            self._process = None

    def _start(self) -> subprocess.Popen[bytes]:
        # -P: a file in the working folder must not stand for a module.
        command = [sys.executable, "-P", "-c", f"from {__name__} import serve; serve({self.function!r})"]
        environment = os.environ | {"PYTHONPATH": os.pathsep.join(filter(None, sys.path))}
        pipe = subprocess.PIPE
        process = subprocess.Popen(command, env=environment, stdin=pipe, stdout=pipe, stderr=subprocess.DEVNULL)
        self._process = process
        self._answers = queue.Queue()
        Thread(target=_read, args=(process.stdout, self._answers), daemon=True).start()
        return process


def _read(stream: Any, answers: queue.Queue[bytes]) -> None:
    """Put each line of a stream into a queue, and b"" at its end."""
    with contextlib.suppress(ValueError):  # the stream is closed
        for line in stream:
            answers.put(line)
    answers.put(b"")


def _described(status: int) -> str:
    if status >= 0:
        return f"exit status {status}"
    with contextlib.suppress(ValueError):
        return f"signal {-status}, {signal.Signals(-status).name}"
    return f"signal {-status}"


def serve(function: str) -> None:
    """Answer the questions of this process's standard input, until it ends; whatever is printed is dropped."""
    questions, answers = os.fdopen(os.dup(0), "rb"), os.fdopen(os.dup(1), "wb")
    null = os.open(os.devnull, os.O_RDWR)
    for descriptor in (0, 1, 2):
        os.dup2(null, descriptor)
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # the process that asks decides what Ctrl-C does
    hide_broken()
    module, _, name = function.partition(":")
    call: Callable[[Any], Any] = getattr(import_module(module), name)
    for line in questions:
        answers.write(json.dumps(call(json.loads(line))).encode() + b"\n")
        answers.flush()
    os._exit(0)  # without what plugins have registered for the end of a process
