"""What a light import leaves out; import-linter holds the layers (pyproject.toml)."""

from __future__ import annotations

import subprocess
import sys

import pytest

from zoo.core import registry


@pytest.fixture(scope="module")
def names_cache(tmp_path_factory):
    """A cache folder with the names of installed families, which import what they list where they list it first."""
    folder = tmp_path_factory.mktemp("cache")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("XDG_CACHE_HOME", str(folder))
        for kind in registry.KINDS:
            registry.list_names(kind)
    return folder


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
def test_light_commands_load_neither_torch_nor_lightning(code, digits_run, names_cache, monkeypatch):
    monkeypatch.setenv("XDG_CACHE_HOME", str(names_cache))
    code = code.replace("RUNS", str(digits_run.parent))
    check = "import sys; print(sorted({'torch', 'lightning', 'numpy', 'jsonargparse'} & set(sys.modules)))"
    done = subprocess.run([sys.executable, "-c", f"{code}; {check}"], capture_output=True, text=True, check=True)
    assert done.stdout.splitlines()[-1] == "[]"
