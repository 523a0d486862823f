"""Which module may import which, and what stays out of a light import."""

from __future__ import annotations

import ast
import subprocess
import sys

import pytest
from support import REPOSITORY

#: A module may import those of its own floor and of the floors before it; the last may import all.
FLOORS = [
    ["errors", "runtime", "device", "overhead"],
    ["spec", "registry", "run", "config"],
    ["images", "download", "history", "state", "arguments"],
    ["datasets", "shapes", "runs"],
    ["freeze"],
    ["weights"],
    ["architectures"],
    ["preprocess", "augment", "prefix", "loss", "metrics", "mixing", "optimization"],
    ["memory_format"],
    ["graph"],
    ["photographs"],
    ["sources"],
    ["duplicates", "balance"],
    ["loader", "describe", "survey"],
    ["data", "classifier", "interactive", "findings", "markup", "gradcam", "environment", "assess"],
    ["checkpoint", "interrupt", "progress", "plots", "feature_store", "predictions", "averaging", "loggers", "steps"],
    ["features", "pretrained", "figures", "stopping"],
    ["messages", "help", "sections"],
    ["report", "compare"],
    ["commandline"],
    ["classify", "quantize", "plan", "terminal"],
    ["train", "evaluate", "predict", "listing", "doctor", "testing", "new", "schema", "completion", "web", "check"],
    ["speed"],
    ["export", "bench", "find"],
    ["peers"],
    ["cli", "__main__"],
]
FLOOR = {name: number for number, names in enumerate(FLOORS) for name in names}

#: zoo/__init__.py is the façade: its functions reach down, and modules use it for its functions and version.
FACADE = "__init__"


def modules():
    for path in sorted((REPOSITORY / "zoo").rglob("*.py")):
        relative = path.relative_to(REPOSITORY / "zoo")
        yield relative.parts[0].removesuffix(".py"), path


def imported(path):
    """Yield the parts of zoo that a file imports, inside functions too."""
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            names = [alias.name for alias in node.names]
        elif isinstance(node, ast.ImportFrom) and node.module == "zoo":
            names = [f"zoo.{alias.name}" for alias in node.names]
        elif isinstance(node, ast.ImportFrom):
            names = [node.module or ""]
        else:
            continue
        yield from (name.split(".")[1] for name in names if name.startswith("zoo."))


@pytest.mark.parametrize(("module", "path"), list(modules()), ids=lambda value: str(value))
def test_imports_point_one_way(module, path):
    if module == FACADE:
        return
    for name in imported(path):
        if name in FLOOR:  # else a function of the façade
            assert FLOOR[name] <= FLOOR[module], f"{module} imports {name}, which stands above it"


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
