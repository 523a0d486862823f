"""zoo doctor: show versions, devices and data root, and load every entry point.

Entry points are loaded in another process, because they may hang, print or end it:

    entries ──► examine, one at a time ──► state, seconds, traceback
                   │ no answer in time, or no process: that is the entry's state, and a new process takes the others
"""

from __future__ import annotations

import inspect
import os
import platform
import re
import shutil
import subprocess
import sys
import time
import traceback
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from importlib.metadata import PackageNotFoundError, version
from typing import Any

from zoo.cli.app import DEBUG
from zoo.cli.parser import Parser
from zoo.core import registry
from zoo.core.child import Child, NoAnswerError
from zoo.core.console import printable
from zoo.core.distributions import all_broken
from zoo.core.entry_points import entry_of
from zoo.core.errors import UserError, brief
from zoo.core.registry import Entry

#: Seconds that one entry point may take; importing torch for the first of them counts in.
PATIENCE = 60

#: Characters of a state that a cell of the table holds.
LONGEST_CELL = 120

#: Characters of a traceback that are shown.
LONGEST_TRACEBACK = 20_000

WORKS = "works"

#: The state of what is imported and needs an option or files to be tried.
IMPORTS = {
    "dataset": "imports; zoo check reads its images",
    "architecture": "imports; zoo info builds it with your options",
}

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
    """The state of one entry point.

    Args:
        entry: the entry point.
        state: ``works``, or what is wrong and what to do.
        seconds: that its import took; None where it never ended.
        traceback: of what it raised; empty where it did not.
    """

    entry: Entry
    state: str
    seconds: float | None = None
    traceback: str = ""


def diagnose(entries: Sequence[Entry], patience: float = PATIENCE) -> Iterator[Diagnosis]:
    """Load entry points in another process, and yield the state of each, in order.

    Args:
        entries: as the registry lists them.
        patience: seconds that each may take.
    """
    child = Child("zoo.cli.doctor:examine")
    try:
        for entry in entries:
            try:
                diagnosis = Diagnosis(entry, **child.ask(entry.key, patience))
            except NoAnswerError as error:
                diagnosis = Diagnosis(entry, str(error))
            clash = _clash(entry)
            yield replace(diagnosis, state=clash) if clash else diagnosis
    finally:
        child.stop()


def examine(key: Sequence[Any]) -> dict[str, Any]:
    """Return what Diagnosis holds of the entry of a key, as the child process does."""
    entry, begin = entry_of(key), time.perf_counter()
    try:
        value = entry.entry_point.load()
    except BaseException as error:
        return {"state": _failure(error), "seconds": time.perf_counter() - begin, "traceback": _traceback(error)}
    seconds = time.perf_counter() - begin
    try:
        return {"state": _broken_clause(entry, value) or WORKS, "seconds": seconds}
    except BaseException as error:
        return {"state": _failure(error), "seconds": seconds, "traceback": _traceback(error)}


def _traceback(error: BaseException) -> str:
    """Return the last lines of an error's traceback: its message may have a million characters."""
    return "".join(traceback.format_exception(error))[-LONGEST_TRACEBACK:]


def _failure(error: BaseException) -> str:
    if isinstance(error, ModuleNotFoundError) and error.name:
        return f"needs the module {error.name}: pip install {error.name.partition('.')[0]}"
    return f"raises {brief(error)}"


def _broken_clause(entry: Entry, value: Any) -> str:
    """Return which clause of the contract a loaded value breaks, or an empty string."""
    if entry.family:
        if not (hasattr(value, "names") and hasattr(value, "builder")):
            return "breaks the contract: a family has names() and builder(name)"
        try:
            names = list(value.names())
        except BaseException as error:
            return f"breaks the contract: names() {_failure(error)}"
        return "" if all(isinstance(name, str) for name in names) else "breaks the contract: names() gives texts"
    if not callable(value):
        return (
            f"breaks the contract: {registry.KINDS[entry.kind].title} must be callable, received {type(value).__name__}"
        )
    if entry.kind == "model":
        return _broken_model(entry)
    passed = registry.KINDS[entry.kind].passed
    try:
        inspect.signature(value).bind_partial(*passed)
    except TypeError:
        return f"breaks the contract: it is called with ({', '.join(passed)}, ...)"
    except ValueError:  # a builtin without a signature
        return ""
    return _broken_part(entry)


def _broken_part(entry: Entry) -> str:
    """Return what a part of training does wrong when it is tried, or an empty string."""
    from zoo.config.part_trials import NotTriedError, try_part

    try:
        try_part(entry)
    except NotTriedError:
        return IMPORTS[entry.kind]
    except UserError as error:
        return re.sub(r"^(data )?\w+ '[^']*'( of \S+ \S+)?:? ", "", str(error))  # the row has the name
    return ""


def _broken_model(entry: Entry) -> str:
    """Return what is wrong with the files of an installed model, or an empty string."""
    from zoo import runtime  # loads numpy

    try:
        runtime.verify(f"{entry.distribution}:{entry.name}")
    except runtime.ModelError as error:
        return str(error)
    return ""


def _clash(entry: Entry) -> str:
    """Return which distributions share an entry's name and how to select it; empty for one alone or built in."""
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
        *(entry for kind in registry.KINDS for entry in registry.entries(kind)),
        *(entry for kind in registry.FAMILY_KINDS for entry in registry.entries(kind, family=True)),
    ]
    table = Table()
    for column in ("entry point", "distribution", "seconds", "state"):
        table.add_column(column, justify="right" if column == "seconds" else "left", overflow="fold")
    wrong = []
    for diagnosis in diagnose(everything):
        entry = diagnosis.entry
        seconds = "" if diagnosis.seconds is None else f"{diagnosis.seconds:.2f}"
        table.add_row(
            f"{entry.kind_name} {entry.name}",
            f"{entry.distribution} {entry.version}",
            seconds,
            printable(diagnosis.state),
        )
        if diagnosis.state not in (WORKS, *IMPORTS.values()):
            wrong.append(diagnosis)
    Console(highlight=False, emoji=False, markup=False).print(table)
    for diagnosis in wrong:
        console.print(printable(f"{diagnosis.entry.title}: {diagnosis.state}"))
        if debug and diagnosis.traceback:
            console.print("\n".join(map(printable, diagnosis.traceback.splitlines())))
    console.print(f"{len(everything) - len(wrong)} of {len(everything)} entry points work")
    for broken in all_broken():
        console.print(printable(str(broken)))


def _shortened(state: str) -> str:
    """Return a state for a cell; the line under the table has all of it."""
    return state if len(state) <= LONGEST_CELL else f"{state[:LONGEST_CELL]}..."


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
        "from zoo.core.distributions import hide_broken; hide_broken(); import torch, torchvision; "
        "print('devices: cpu,', torch.get_num_threads(), 'threads', "
        "*(f', {torch.cuda.get_device_name(i)}' for i in range(torch.cuda.device_count())))"
    )
    done = subprocess.run([sys.executable, "-W", "ignore", "-c", code], capture_output=True, text=True)
    if done.returncode == 0:
        return done.stdout.strip()
    last = (done.stderr.strip().splitlines() or ["it died"])[-1]
    return f"torch and torchvision do not work together: {last}; install them anew: pip install -U torch torchvision"
