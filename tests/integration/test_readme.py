"""The README's commands are accepted, and its two extensions install and train."""

from __future__ import annotations

import re
import shlex
import shutil
import sys
from typing import Any

import pytest
from PIL import Image
from support import REPOSITORY

from zoo import runtime
from zoo.core import registry

README = (REPOSITORY / "README.md").read_text(encoding="utf-8")
COMMANDS = re.findall(r"^    (zoo [^#\n]*)", README, re.MULTILINE)
#: A line inside the linear network's docstring.
DOCSTRING = re.compile(r"    (Args:|    (spec|hidden): )")
BLOCKS = re.findall(r"```(?:python|toml)\n(.*?)```", README, re.DOTALL)


def test_the_readme_has_commands():
    assert len(COMMANDS) >= 6


@pytest.mark.parametrize("command", COMMANDS)
def test_a_command_of_the_readme_is_accepted(zoo, digits_run, command):
    words = [word.replace("configs/", f"{REPOSITORY}/configs/") for word in shlex.split(command)[1:]]
    words = [str(digits_run) if word.startswith("runs/") else word for word in words]
    if words[0] == "fit":
        words.append("--print_config")
    status, _, err = zoo(*words)
    assert status == 0, err


def test_the_readmes_extensions_install_and_train(zoo, tmp_path, monkeypatch):
    code = {block.splitlines()[0]: block for block in BLOCKS if block.startswith("# my_package/")}
    package = tmp_path / "site" / "my_package"
    package.mkdir(parents=True)
    for first, block in code.items():
        (tmp_path / "site" / first.removeprefix("# ")).write_text(block)
        lines = [line for line in block.splitlines()[1:] if line.strip() and '"""' not in line]
        assert len([line for line in lines if not DOCSTRING.match(line)]) < 10, "promised: under ten lines of code"
    assert sorted(path.name for path in package.iterdir()) == ["commands.py", "data.py", "networks.py"]
    info = tmp_path / "site" / "my_package-1.0.dist-info"
    info.mkdir()
    (info / "METADATA").write_text("Metadata-Version: 2.1\nName: my-package\nVersion: 1.0\n")
    metadata = "".join(block for block in BLOCKS if "[project.entry-points" in block)
    lines = metadata.replace("project.entry-points.", "").replace('"', "").splitlines()
    (info / "entry_points.txt").write_text("\n".join(line for line in lines if not line.startswith("#")))
    monkeypatch.syspath_prepend(str(tmp_path / "site"))
    registry.refresh()
    try:
        assert " stripes " in zoo("list")[1]
        assert zoo("hello", "world")[1] == "hello world\n"
        options = ("--model.architecture.hidden", 8, "--data.dataset.count", 100, "--trainer.max_epochs", 5)
        status, out, err = zoo("fit", "--model", "linear", "--data", "stripes", *options)
        assert status == 0, err
        assert "val accuracy 100.0%" in out
        run = out.splitlines()[-1]
        assert zoo("test", run)[0] == 0
        assert zoo("export", run)[0] == 0
        namespace: dict[str, Any] = {}
        [contract] = [block for block in BLOCKS if "zoo.testing" in block]
        exec(contract, namespace)
        namespace["test_my_network"]()
        namespace["test_my_data"](tmp_path)
    finally:
        registry.refresh()


def test_the_readmes_runtime_names_classes(digits_model, tmp_path, monkeypatch, capsys):
    [block] = [block for block in BLOCKS if "zoo_runtime" in block]
    Image.new("L", (8, 8)).save(tmp_path / "photo.jpg")
    shutil.copy(digits_model, tmp_path / "model.onnx")
    monkeypatch.chdir(tmp_path)
    monkeypatch.setitem(sys.modules, "zoo_runtime", runtime)
    exec(block, {})
    assert re.fullmatch(r"(\d: \d+\.\d%\n){3}", capsys.readouterr().out)
