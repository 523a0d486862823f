"""The tables of reference/faults.md, out of tests/faults/faults.yaml."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from functools import cache
from pathlib import Path
from typing import Any

import yaml

TESTS = Path(__file__).parent.parent / "tests"


def tables() -> str:
    """Return how many faults zoo withstands, and a table of each part; the part ``cannot`` comes last."""
    parts = yaml.safe_load((TESTS / "faults" / "faults.yaml").read_text(encoding="utf-8"))
    [cannot], parts = ([part for part in parts if (part["part"] == "cannot") == last] for last in (True, False))
    count = sum(len(part["faults"]) for part in parts)
    return "\n".join([f"**{count} faults hold, {len(cannot['faults'])} do not.**", "", *_lines(parts, cannot)])


def _lines(parts: list[dict[str, Any]], cannot: dict[str, Any]) -> Iterator[str]:
    for part in parts:
        yield from (f"## {part['part']}", "", "| fault | what happens | shown by |", "|---|---|---|")
        for fault in part["faults"]:
            yield f"| {fault['fault']} | {fault['result']} | {'; '.join(map(_sentence, fault['tests']))} |"
        yield ""
    yield from ("## What zoo cannot withstand", "", "| fault | why |", "|---|---|")
    yield from (f"| {fault['fault']} | {fault['result']} |" for fault in cannot["faults"])


def _sentence(test: str) -> str:
    """Return the name of a test as the sentence that it is."""
    file, _, name = test.partition("::")
    return name.removeprefix("test_").replace("_", " ") + (" (*nightly*)" if name in _slow(file) else "")


@cache
def _slow(file: str) -> set[str]:
    """Return the tests of a file that run nightly."""
    tree = ast.parse((TESTS / file).read_text(encoding="utf-8"))
    functions = [node for node in tree.body if isinstance(node, ast.FunctionDef)]
    return {node.name for node in functions if any("mark.slow" in ast.unparse(mark) for mark in node.decorator_list)}
