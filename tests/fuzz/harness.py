"""Runs one command of zoo on hostile input in this process, and records everything that it did."""

from __future__ import annotations

import contextlib
import importlib
import io
import os
import resource
import shutil
import signal
import socket
import stat
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path

import torch
from torch.optim.optimizer import register_optimizer_step_post_hook

from zoo.cli import main

#: A module on sys.path that only a case's own files name: importing it is running what a stranger wrote.
CANARY = "canary_of_the_fuzz"

#: After so many seconds of the processor a command is stopped, and has failed.
LIMIT_SECONDS = 15

#: The same of the clock, where it waits: others may share the processor.
LIMIT_WAITING = 200

#: What a command may map beside what the process has: a bomb ends in a MemoryError.
LIMIT_BYTES = 3 * 2**30

#: After so many steps a training gets Ctrl-C: ``--trainer.max_epochs 100000`` is right and long.
STEPS = 12


@dataclass(frozen=True)
class Case:
    """A command, and the files that it meets in the folder ``case``.

    Args:
        argv: the arguments after ``zoo``.
        files: content by path inside of ``case``.
        run: whether ``case/run`` is a copy of the trained run, whose files ``files`` may replace.
        writes: paths in which the command may write, beside a new run: ``case/run``, its ``--output``.
        encoding: of stdout and stderr.
    """

    argv: tuple[str, ...]
    files: Mapping[str, bytes] = field(default_factory=dict)
    run: bool = False
    writes: tuple[str, ...] = ()
    encoding: str = "utf-8"

    @property
    def damaged_images(self) -> bool:
        """Whether predict may fail because an image is damaged while the others are classified: status 1."""
        return bool(self.argv) and self.argv[0] == "predict"


@dataclass(frozen=True)
class Outcome:
    """What a command did.

    Args:
        status: its exit status; None where it let an exception through.
        out: what it printed to stdout, by whatever library.
        err: the same of stderr.
        seconds: of the processor.
        stopped: whether it took too long of either, and was stopped.
        growth: bytes of memory that it took at most beside what the process had.
        changed: files that were there before and are others now, or gone.
        left: new files and folders.
        imported: whether it imported the canary.
        started: whether it wanted to start a process, at which it was stopped.
        interrupted: whether it trained for so long that it got Ctrl-C.
    """

    status: int | None
    out: str
    err: str
    seconds: float
    stopped: bool
    growth: int
    changed: tuple[str, ...]
    left: tuple[str, ...]
    imported: bool
    started: bool
    interrupted: bool


class Stopped(BaseException):
    """A command took too long, or wanted to start a process."""


class Sandbox:
    """A folder in which cases run: images, a trained run, an exported file, and odd things; each is there anew.

    Args:
        pristine: the folder to copy, as ``workshop`` fills it.
        folder: where the copy goes; the working folder of commands.
    """

    def __init__(self, pristine: Path, folder: Path) -> None:
        self.pristine, self.folder = pristine, folder
        self.modules = folder.parent / f"{folder.name}-modules"
        self.modules.mkdir()
        (self.modules / f"{CANARY}.py").write_text("def build(spec):\n    raise SystemExit(99)\n\nThing = build\n")
        self.before: dict[str, tuple[int, ...]] = {}
        self._fill()

    def run(self, case: Case) -> Outcome:
        """Run a case, and put the folder back as it was."""
        self._prepare(case)
        before = _state(self.folder)
        with (
            contextlib.chdir(self.folder),
            _captured(case.encoding) as texts,
            _guards() as guard,
            self._canary() as imported,
        ):
            status, seconds, growth = _measured(case.argv)
        after = _state(self.folder)
        changed = tuple(path for path, state in before.items() if after.get(path) != state)
        left = tuple(path for path in after if path not in before)
        out, err = texts()
        self._put_back()
        return Outcome(
            status,
            out,
            err,
            seconds,
            guard["stopped"],
            growth,
            changed,
            left,
            imported(),
            guard["started"],
            guard["interrupted"],
        )

    def _fill(self) -> None:
        shutil.copytree(self.pristine, self.folder, symlinks=True, copy_function=_copy, dirs_exist_ok=True)
        self.before = _state(self.folder)

    def _prepare(self, case: Case) -> None:
        place = self.folder / "case"
        place.mkdir()
        if case.run:
            shutil.copytree(self.folder / "tiny", place / "run")
        for name, content in case.files.items():
            path = place / name
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_bytes(content)

    def _put_back(self) -> None:
        shutil.rmtree(self.folder / "case", ignore_errors=True)
        if _state(self.folder) != self.before:
            shutil.rmtree(self.folder)
            self._fill()

    @contextlib.contextmanager
    def _canary(self) -> Iterator[Callable[[], bool]]:
        sys.path.insert(0, str(self.modules))
        importlib.invalidate_caches()
        try:
            yield lambda: sys.modules.pop(CANARY, None) is not None
        finally:
            sys.path.remove(str(self.modules))


def _measured(argv: tuple[str, ...]) -> tuple[int | None, float, int]:
    """Run a command; return its status, the seconds and the bytes that it took."""
    base = _memory("VmRSS")
    with contextlib.suppress(OSError):
        Path("/proc/self/clear_refs").write_text("5")  # the peak starts from here
    begin = time.process_time()
    status: int | None
    try:
        status = main(list(argv))
    except Stopped:
        status = None
    except BaseException as error:
        print(f"Traceback: {type(error).__name__}: {error}", file=sys.stderr)
        status = None
    return status, time.process_time() - begin, _memory("VmHWM") - base


def _memory(key: str) -> int:
    lines = Path("/proc/self/status").read_text().splitlines()
    return next(int(line.split()[1]) * 1024 for line in lines if line.startswith(f"{key}:"))


def _copy(source: str, target: str) -> None:
    if os.path.isfile(source):
        shutil.copy2(source, target)
    else:
        os.mkfifo(target)


def _state(folder: Path) -> dict[str, tuple[int, ...]]:
    state: dict[str, tuple[int, ...]] = {}
    for path, folders, files in os.walk(folder):
        for name in folders:
            state[os.path.relpath(os.path.join(path, name), folder)] = ()
        for name in files:
            full = os.path.join(path, name)
            status = os.lstat(full)
            content = Path(full).read_bytes() if stat.S_ISREG(status.st_mode) else b""
            state[os.path.relpath(full, folder)] = status.st_mode, hash(content)
    return state


@contextlib.contextmanager
def _captured(encoding: str) -> Iterator[Callable[[], tuple[str, str]]]:
    """Let both streams go to files, below Python too; yield what returns their texts."""
    sys.stdout.flush()
    sys.stderr.flush()
    streams, kept, texts = (sys.stdout, sys.stderr), (os.dup(1), os.dup(2)), ["", ""]
    files = [os.memfd_create("out"), os.memfd_create("err")]
    for number, file in enumerate(files, 1):
        os.dup2(file, number)
    own = [io.TextIOWrapper(io.FileIO(n, "w", closefd=False), encoding=encoding, write_through=True) for n in (1, 2)]
    sys.stdout, sys.stderr = own
    try:
        yield lambda: (texts[0], texts[1])
    finally:
        sys.stdout, sys.stderr = streams
        for number, (file, before) in enumerate(zip(files, kept, strict=True)):
            os.dup2(before, number + 1)
            os.close(before)
            os.lseek(file, 0, os.SEEK_SET)
            with os.fdopen(file, "rb") as stream:
                texts[number] = stream.read().decode(encoding, errors="replace")


@contextlib.contextmanager
def _guards() -> Iterator[dict[str, bool]]:
    """Let a command neither take too long or too much memory, nor start processes, nor reach a network."""
    seen = {"started": False, "interrupted": False, "stopped": False}
    steps = 0

    def stop(*_: object) -> None:
        seen["stopped"] = True
        raise Stopped

    def refuse(*_: object, **__: object) -> None:
        seen["started"] = True
        raise Stopped

    def unreachable(*_: object, **__: object) -> None:
        raise OSError("the network is unreachable")

    def count(*_: object) -> None:
        nonlocal steps
        steps += 1
        if steps == STEPS:
            seen["interrupted"] = True
            os.kill(os.getpid(), signal.SIGINT)

    limit = resource.getrlimit(resource.RLIMIT_AS)
    handlers = {number: signal.signal(number, stop) for number in (signal.SIGALRM, signal.SIGPROF)}
    before = os.fork, subprocess.Popen.__init__, socket.getaddrinfo, socket.socket.connect
    os.fork, subprocess.Popen.__init__, socket.getaddrinfo = refuse, refuse, unreachable  # type: ignore[assignment]
    socket.socket.connect = unreachable  # type: ignore[assignment]
    hook = register_optimizer_step_post_hook(count)
    resource.setrlimit(resource.RLIMIT_AS, (_memory("VmSize") + LIMIT_BYTES, limit[1]))
    signal.setitimer(signal.ITIMER_PROF, LIMIT_SECONDS, 1)
    signal.setitimer(signal.ITIMER_REAL, LIMIT_WAITING, 1)
    threads, numbers = torch.get_num_threads(), torch.get_rng_state()
    try:
        yield seen
    finally:
        signal.setitimer(signal.ITIMER_PROF, 0)
        signal.setitimer(signal.ITIMER_REAL, 0)
        for number, handler in handlers.items():
            signal.signal(number, handler)
        resource.setrlimit(resource.RLIMIT_AS, limit)
        os.fork, subprocess.Popen.__init__, socket.getaddrinfo, socket.socket.connect = before  # type: ignore[assignment]
        hook.remove()
        torch.set_num_threads(threads)
        torch.set_flush_denormal(False)  # hypothesis draws such numbers
        torch.set_rng_state(numbers)
