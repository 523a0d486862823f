"""zoo doctor: what is installed, whether each entry point works, and what is wrong with the rest.

Every entry point is loaded in another process, which may hang, print or die; this one reads its answers:

    entries ──► python -m zoo.cli.doctor ──► one JSON line each: state, seconds, traceback
                     │ no answer in time, or dead: that entry is said so, and a new process takes the rest
"""

from __future__ import annotations

import inspect
import json
import os
import platform
import queue
import shutil
import subprocess
import sys
import threading
import time
import traceback
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from importlib.metadata import PackageNotFoundError, version
from typing import IO, Any

from zoo.cli.app import DEBUG
from zoo.cli.parser import Parser
from zoo.core import registry
from zoo.core.registry import Entry

#: Seconds that one entry point may take; importing torch for the first of them counts in.
PATIENCE = 60

WORKS = "works"

PACKAGES = ("torch", "torchvision", "lightning", "torchmetrics", "jsonargparse", "numpy", "pillow")


def parser() -> Parser:
    """Return the command's parser."""
    return Parser("doctor", epilog="--debug shows the traceback of each entry point that raises.")


def main(argv: Sequence[str]) -> None:
    """Show versions, devices and data root, and load every entry point."""
    parser().parse_args(argv)
    show_state(DEBUG.get())


@dataclass(frozen=True)
class Diagnosis:
    """What is known of one entry point.

    Args:
        entry: the entry point.
        state: ``works``, or what is wrong and what to do.
        seconds: that its import took; None where it never ended.
        traceback: of what it raised; empty where it did not.
    """

    entry: Entry
    state: str
    seconds: float | None
    traceback: str = ""


def diagnose(entries: Sequence[Entry], patience: float = PATIENCE) -> Iterator[Diagnosis]:
    """Load entry points, each in another process, and yield what became of them, in order.

    Args:
        entries: as the registry lists them.
        patience: seconds that each may take.
    """
    rest = list(entries)
    while rest:
        answered = 0
        for answer in _answers(rest, patience):
            entry = rest[answered]
            answered += 1
            yield Diagnosis(entry, _clash(entry) or answer["state"], answer["seconds"], answer["traceback"])
        rest = rest[answered:]


def _answers(entries: Sequence[Entry], patience: float) -> Iterator[dict[str, Any]]:
    """Yield answers until all are there, or one process hangs or dies; that is the last answer then."""
    command = [sys.executable, "-m", "zoo.cli.doctor"]
    pipes: dict[str, Any] = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE, "text": True, "encoding": "utf-8"}
    lines: queue.Queue[str] = queue.Queue()
    with subprocess.Popen(command, **pipes) as process:
        reader = threading.Thread(target=_read_lines, args=(process.stdout, lines))
        reader.start()
        try:
            process.stdin.write(json.dumps([_address(entry) for entry in entries]))  # type: ignore[union-attr]  # a pipe
            process.stdin.close()  # type: ignore[union-attr]
            for _ in entries:
                try:
                    line = lines.get(timeout=patience)
                except queue.Empty:
                    yield _answer(f"hangs: no answer in {patience:g} s")
                    return
                if not line:
                    yield _answer(f"ends the process (exit status {process.wait()})")
                    return
                yield json.loads(line)
        finally:
            process.kill()
            reader.join()


def _read_lines(stream: IO[str], lines: queue.Queue[str]) -> None:
    """Put a stream's lines into a queue, an empty one at its end: a queue can be waited for with a time limit."""
    for line in stream:
        lines.put(line)
    lines.put("")


def _address(entry: Entry) -> dict[str, Any]:
    return {"kind": entry.kind, "name": entry.name, "distribution": entry.distribution, "family": entry.family}


def _probe() -> None:
    """Answer for the entries whose addresses come as JSON on stdin; what plugins print goes nowhere."""
    answers = os.fdopen(os.dup(1), "w", encoding="utf-8")
    nowhere = os.open(os.devnull, os.O_WRONLY)
    os.dup2(nowhere, 1)
    os.dup2(nowhere, 2)
    for address in json.load(sys.stdin):
        found = registry.entries(address["kind"], family=address["family"])
        [entry] = [entry for entry in found if _address(entry) == address]
        print(json.dumps(_examine(entry)), file=answers, flush=True)


def _examine(entry: Entry) -> dict[str, Any]:
    """Import one entry point in this process and look at what it is."""
    begin = time.perf_counter()
    try:
        value = entry.entry_point.load()
    except BaseException as error:
        return _answer(_failure(error), time.perf_counter() - begin, traceback.format_exc())
    return _answer(_broken_clause(entry, value) or WORKS, time.perf_counter() - begin)


def _answer(state: str, seconds: float | None = None, trace: str = "") -> dict[str, Any]:
    return {"state": state, "seconds": seconds, "traceback": trace}


def _failure(error: BaseException) -> str:
    if isinstance(error, ModuleNotFoundError) and error.name:
        return f"needs the module {error.name}: pip install {error.name.partition('.')[0]}"
    return f"raises {type(error).__name__}: {' '.join(str(error).split())}"


def _broken_clause(entry: Entry, value: Any) -> str:
    """Return which clause of the contract a loaded value breaks; empty where it keeps them."""
    if entry.family:
        if not (hasattr(value, "names") and hasattr(value, "builder")):
            return "breaks the contract: a family has names() and builder(name)"
        try:
            names = list(value.names())
        except Exception as error:
            return f"breaks the contract: names() {_failure(error)}"
        return "" if all(isinstance(name, str) for name in names) else "breaks the contract: names() gives texts"
    if not callable(value):
        return (
            f"breaks the contract: {registry.KIND_NAMES[entry.kind]} must be callable, received {type(value).__name__}"
        )
    given = registry.PASSED_BY_ZOO[entry.kind]
    try:
        inspect.signature(value).bind_partial(*given)
    except TypeError:
        return f"breaks the contract: it is called with ({', '.join(given)}, ...)"
    except ValueError:  # a builtin without a signature
        return ""
    return ""


def _clash(entry: Entry) -> str:
    """Return with whom an entry shares its name, and how to select it; empty where it is alone or the built-in one."""
    same = [other for other in registry.entries(entry.kind, family=entry.family) if other.name == entry.name]
    others = [other for other in same if other is not entry and other.distribution != entry.distribution]
    if not others or entry.distribution == registry.OWN_DISTRIBUTION:
        return ""
    selected = f"select it as {entry.distribution}:{entry.name}"
    if any(other.distribution == registry.OWN_DISTRIBUTION for other in others):
        return f"the built-in {entry.name} stays; {selected}"
    return f"clashes with {', '.join(other.distribution for other in others)}; {selected}"


def show_state(debug: bool = False) -> None:
    """Print versions, devices, the data root and every entry point with its state.

    Args:
        debug: print the tracebacks of entry points that raise.
    """
    from rich.console import Console
    from rich.table import Table

    console = Console(highlight=False, emoji=False, markup=False, soft_wrap=True)
    for line in _environment():
        console.print(line)
    everything = [
        *(entry for kind in registry.GROUPS for entry in registry.entries(kind)),
        *(entry for kind in registry.FAMILY_GROUPS for entry in registry.entries(kind, family=True)),
    ]
    table = Table()
    for column in ("entry point", "distribution", "seconds", "state"):
        table.add_column(column, justify="right" if column == "seconds" else "left", overflow="fold")
    wrong = []
    for found in diagnose(everything):
        entry = found.entry
        seconds = "" if found.seconds is None else f"{found.seconds:.2f}"
        table.add_row(f"{entry.kind_name} {entry.name}", f"{entry.distribution} {entry.version}", seconds, found.state)
        if found.state != WORKS:
            wrong.append(found)
    Console(highlight=False, emoji=False, markup=False).print(table)
    for found in wrong:
        console.print(f"{found.entry.title}: {found.state}")
        if debug and found.traceback:
            console.print(found.traceback)
    console.print(f"{len(everything) - len(wrong)} of {len(everything)} entry points work")


def _environment() -> Iterator[str]:
    """Yield lines about this machine and its packages, with what is wrong."""
    from zoo.data.root import default_root

    yield f"python {platform.python_version()} on {platform.platform()}, {os.cpu_count()} cores"
    yield ", ".join(f"{name} {_version(name)}" for name in (registry.OWN_DISTRIBUTION, *PACKAGES))
    yield _devices()
    root = default_root()
    place = next(path for path in (root, *root.parents) if path.exists())
    state = "" if root.exists() else ", not there yet"
    if not os.access(place, os.W_OK):
        state += f", {place} cannot be written: downloads will fail; set ZOO_DATA_ROOT to another folder"
    yield f"data root {root} ({shutil.disk_usage(place).free / 2**30:,.1f} GiB free{state})"


def _version(name: str) -> str:
    try:
        return version(name)
    except PackageNotFoundError:
        return "is not installed"


def _devices() -> str:
    """Return what torch computes on, asked in another process: importing torch beside a wrong torchvision can fail."""
    code = (
        "import torch, torchvision; "
        "print('devices: cpu,', torch.get_num_threads(), 'threads', "
        "*(f', {torch.cuda.get_device_name(i)}' for i in range(torch.cuda.device_count())))"
    )
    done = subprocess.run([sys.executable, "-W", "ignore", "-c", code], capture_output=True, text=True)
    if done.returncode == 0:
        return done.stdout.strip()
    last = (done.stderr.strip().splitlines() or ["it died"])[-1]
    return f"torch and torchvision do not work together: {last}; install them anew: pip install -U torch torchvision"


if __name__ == "__main__":
    _probe()
