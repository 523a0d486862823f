"""Every fault of faults.yaml has tests that are there and run; docs/reference/faults.md publishes the same table."""

from __future__ import annotations

import ast
import os
import subprocess
import sys

import pytest
import yaml
from support import REPOSITORY

PARTS = yaml.safe_load((REPOSITORY / "tests" / "faults" / "faults.yaml").read_text(encoding="utf-8"))
FAULTS = [fault for part in PARTS if part["part"] != "cannot" for fault in part["faults"]]
TESTS = sorted({test for fault in FAULTS for test in fault["tests"]})


def functions(file):
    """Return the tests of a file: functions at its top that pytest collects."""
    tree = ast.parse((REPOSITORY / "tests" / file).read_text(encoding="utf-8"))
    return {node.name for node in tree.body if isinstance(node, ast.FunctionDef) and node.name.startswith("test_")}


def test_each_fault_has_tests_that_are_there():
    names = {file: functions(file) for file in {test.partition("::")[0] for test in TESTS}}
    assert [test for test in TESTS if test.partition("::")[2] not in names[test.partition("::")[0]]] == []
    assert [fault["fault"] for fault in FAULTS if not fault["tests"]] == []


def test_no_fault_is_listed_twice():
    faults = [fault["fault"] for part in PARTS for fault in part["faults"]]
    assert len(faults) == len(set(faults))


@pytest.mark.slow
def test_pytest_collects_each_test_of_a_fault():
    words = [f"tests/{test}" for test in TESTS]
    command = [sys.executable, "-m", "pytest", "--collect-only", "-q", "-m", "slow or not slow", *words]
    done = subprocess.run(command, capture_output=True, text=True, cwd=REPOSITORY, env=os.environ, timeout=300)
    assert done.returncode == 0, done.stdout[-2000:]
    collected = {line.partition("[")[0].removeprefix("tests/") for line in done.stdout.splitlines() if "::" in line}
    assert set(TESTS) <= collected
