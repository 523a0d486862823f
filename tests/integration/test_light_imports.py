"""What a light import leaves out; import-linter holds the layers (pyproject.toml)."""

from __future__ import annotations

import subprocess
import sys

import pytest
from support import REPOSITORY


@pytest.mark.parametrize("heavy", ["lightning", "jsonargparse", "rich"])
def test_architectures_and_datasets_know_nothing_of_training(heavy):
    for folder in ("architectures", "datasets"):
        for path in (REPOSITORY / "zoo" / folder).glob("*.py"):
            assert f"import {heavy}" not in path.read_text()
            assert f"from {heavy}" not in path.read_text()


@pytest.mark.parametrize(
    "code",
    [
        "import zoo",
        "import zoo; zoo.list_architectures()",
        "from zoo.cli import main; main(['list'])",
        "from zoo.cli import main; main(['runs', 'RUNS'])",
        "from zoo.cli import main; main(['--help'])",
        "from zoo.cli import main; main(['test', '--help'])",
        "from zoo.cli import main; main(['predict', '--help'])",
        "from zoo.cli import main; main(['check', '--help'])",
        "from zoo.cli import main; main(['report', '--help'])",
    ],
)
def test_light_commands_load_neither_torch_nor_lightning(code, digits_run):
    code = code.replace("RUNS", str(digits_run.parent))
    check = "import sys; print(sorted({'torch', 'lightning', 'numpy', 'jsonargparse'} & set(sys.modules)))"
    done = subprocess.run([sys.executable, "-c", f"{code}; {check}"], capture_output=True, text=True, check=True)
    assert done.stdout.splitlines()[-1] == "[]"


def test_processes_that_read_images_load_no_lightning():
    """Where they begin with fresh interpreters, each of them would take its second."""
    code = "import sys, zoo.data.sources, zoo.images.fast_jpeg; print('lightning' in sys.modules)"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "False"
