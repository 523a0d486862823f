"""import-linter holds the contracts of pyproject.toml, and fails where an import breaks one."""

from __future__ import annotations

import shutil
import subprocess
import sys
from pathlib import Path

import pytest
from support import REPOSITORY

LINT = Path(sys.executable).parent / "lint-imports"


@pytest.mark.parametrize(
    ("module", "statement", "named"),
    [
        ("core/spec.py", "import zoo.cli.app", "zoo.core.spec -> zoo.cli.app"),
        ("models/weights.py", "def late():\n    from zoo.data import split", "zoo.models.weights -> zoo.data.split"),
        ("core/download.py", "def late():\n    import torch", "zoo.core.download -> torch"),
        ("data/sources.py", "import lightning", "zoo.data.sources -> lightning"),
    ],
)
def test_the_linter_fails_on_an_import_that_a_contract_forbids(tmp_path, module, statement, named):
    shutil.copytree(REPOSITORY / "zoo", tmp_path / "zoo", ignore=shutil.ignore_patterns("__pycache__"))
    shutil.copy(REPOSITORY / "pyproject.toml", tmp_path)
    with (tmp_path / "zoo" / module).open("a") as file:
        file.write(f"\n\n{statement}\n")
    done = subprocess.run([LINT, "--no-cache", "--no-logo"], cwd=tmp_path, capture_output=True, text=True)
    assert done.returncode == 1, done.stdout + done.stderr
    assert named in done.stdout
