"""What no command may do, whatever it is given."""

from __future__ import annotations

import re

from fuzz.harness import CANARY, Case, Outcome

#: Words of Python's and of libraries' own errors: such a line says nothing to who typed the command.
PYTHON = re.compile(
    r"^error: [\w.]*(Error|Exception|Interrupt|Exit|Stopped|Failure)\b|--debug shows where|Traceback|"
    r"object has no attribute|not subscriptable|not iterable|unexpected keyword|positional argument|not callable|"
    r"must be str|unsupported operand|argument of type|index out of range|invalid literal|"
    r"NoneType(?!\)|')|cannot unpack|"
    r"<class |<zoo\.|<lightning|<torch|\b0x7f\w{6}|unhashable|requires a buffer|is not JSON serializable|"
    r"missing \d+ required|has no len|cannot be interpreted|not supported between|codec can't|embedded null|"
    r"must be real number|maximum recursion|bad operand|dict object|'list' object|'str' object|'int' object"
)

#: A warning that Python prints, with the line of the code: nobody asked for it.
LITTER = re.compile(r"^(\S+:\d+: )?\w*Warning: |^Exception (in|ignored)|\[[EWF]:onnxruntime", re.MULTILINE)

MOST_SECONDS = 10
#: A process that has loaded everything has 500 MB; so it stays below 1 GB.
MOST_GROWTH = 500 * 2**20
MOST_SIGNS = 1000


def problems(case: Case, outcome: Outcome) -> list[str]:
    """Return what was wrong with an outcome, a kind each; nothing where all is right."""
    if outcome.started:
        return []
    wrong = _of_status(outcome) + _of_text(outcome) + _of_files(case, outcome)
    if outcome.stopped:
        wrong.append("hangs")
    if outcome.seconds > MOST_SECONDS:
        wrong.append(f"slow: {outcome.seconds:.0f} s")
    if outcome.growth > MOST_GROWTH:
        wrong.append(f"memory: {outcome.growth / 2**20:.0f} MB")
    if outcome.imported and not any(CANARY in word for word in case.argv):  # whoever types a name means it
        wrong.append("imported what a file names")
    return wrong


def error_lines(outcome: Outcome) -> list[str]:
    """Return the lines that begin as an error does."""
    return [line for line in outcome.err.splitlines() if line.startswith("error:")]


def _of_status(outcome: Outcome) -> list[str]:
    if outcome.interrupted:
        return [] if outcome.status in (0, 1, 2, 130) else [f"status {outcome.status} after Ctrl-C"]
    if outcome.status not in (0, 1, 2):
        return [f"status {outcome.status}"]
    count, expected = len(error_lines(outcome)), int(outcome.status != 0)
    return [] if count == expected else [f"status {outcome.status} with {count} error lines"]


def _of_text(outcome: Outcome) -> list[str]:
    wrong = []
    for text in (outcome.out, outcome.err):
        if "Traceback" in text:
            wrong.append("traceback")
        if match := LITTER.search(text):
            wrong.append(f"litter: {match[0]}")
        if "\x1b[" in text or "\x00" in text:
            wrong.append("control characters")
    for line in error_lines(outcome):
        if match := PYTHON.search(line):
            wrong.append(f"generic: {match[0]}")
        if len(line) > MOST_SIGNS:
            wrong.append("long line")
        if len(line) < len("error: ab cd"):
            wrong.append("empty line")
    return wrong


def _of_files(case: Case, outcome: Outcome) -> list[str]:
    """Say which files were lost, changed or left where the command had no right to."""
    failed = outcome.status == 2 and not outcome.interrupted
    wrong = []
    for path in outcome.changed:
        if failed or not path.startswith(case.writes or "/"):
            wrong.append(f"changed: {_without_numbers(path)}")
    for path in outcome.left:
        if path == "runs":  # empty, where the run that failed was the first
            continue
        if failed or not path.startswith(("runs", *case.writes)):
            wrong.append(f"left: {_without_numbers(path)}")
    return wrong


def _without_numbers(path: str) -> str:
    return re.sub(r"\d+", "N", path)
