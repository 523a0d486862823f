"""The README's commands are accepted, and its two extensions install and train."""

from __future__ import annotations

import re
import shlex
from typing import Any

import pytest
from conftest import REPOSITORY

from zoo import registry

README = (REPOSITORY / "README.md").read_text(encoding="utf-8")
COMMANDS = re.findall(r"^    (zoo [^#\n]*)", README, re.MULTILINE)
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
    networks, networks_toml, data, data_toml, contract = BLOCKS
    package = tmp_path / "site" / "my_package"
    package.mkdir(parents=True)
    (package / "networks.py").write_text(networks)
    (package / "data.py").write_text(data)
    info = tmp_path / "site" / "my_package-1.0.dist-info"
    info.mkdir()
    (info / "METADATA").write_text("Metadata-Version: 2.1\nName: my-package\nVersion: 1.0\n")
    metadata = (networks_toml + data_toml).replace("project.entry-points.", "").replace('"', "")
    lines = metadata.splitlines()
    (info / "entry_points.txt").write_text("\n".join(line for line in lines if not line.startswith("#")))
    monkeypatch.syspath_prepend(str(tmp_path / "site"))
    registry.refresh()
    try:
        assert " stripes " in zoo("list")[1]
        options = ("--model.architecture.hidden", 8, "--data.dataset.count", 100, "--trainer.max_epochs", 5)
        status, out, err = zoo("fit", "--model", "linear", "--data", "stripes", "--data.num_workers", 0, *options)
        assert status == 0, err
        assert "val accuracy 100.0%" in out
        assert zoo("test", out.splitlines()[-1])[0] == 0
        namespace: dict[str, Any] = {}
        exec(contract, namespace)
        namespace["test_my_network"]()
        namespace["test_my_data"](tmp_path)
    finally:
        registry.refresh()
