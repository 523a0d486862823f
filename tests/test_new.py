"""zoo new writes a package that works at once."""

from __future__ import annotations

import os
import subprocess
import sys
import tomllib

import pytest

from zoo import registry

KINDS = ["architecture", "dataset", "command"]


@pytest.fixture
def installed(zoo, tmp_path, monkeypatch):
    """Write a package and put it on the path, with the metadata that an installation would write."""

    def make(name, *kinds):
        status, _, err = zoo("new", name, *(word for kind in kinds for word in ("--kind", kind)))
        assert status == 0, err
        folder = tmp_path / name
        project = tomllib.loads((folder / "pyproject.toml").read_text())["project"]
        info = folder / f"{name.replace('-', '_')}-{project['version']}.dist-info"
        info.mkdir()
        (info / "METADATA").write_text(f"Metadata-Version: 2.1\nName: {name}\nVersion: {project['version']}\n")
        groups = project["entry-points"].items()
        lines = [[f"[{group}]", *(f"{key} = {value}" for key, value in points.items())] for group, points in groups]
        (info / "entry_points.txt").write_text("\n".join(line for group in lines for line in group))
        monkeypatch.syspath_prepend(str(folder))
        monkeypatch.setenv("PYTHONPATH", str(folder), prepend=os.pathsep)
        registry.refresh()
        return folder

    yield make
    registry.refresh()


def test_a_new_package_passes_its_tests_and_trains(zoo, installed):
    folder = installed("stars-and-stripes", *KINDS)
    tests = [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", str(folder / "tests")]
    done = subprocess.run(tests, capture_output=True, text=True)
    assert "4 passed" in done.stdout, done.stdout + done.stderr
    readme = (folder / "README.md").read_text()
    commands = [line.split()[1:] for line in readme.splitlines() if line.startswith("    zoo ") and "#" not in line]
    assert [words[0] for words in commands] == ["fit", "stars-and-stripes"]
    for words in commands:
        options = ("--data.num_workers", 0) if words[0] == "fit" else ()
        status, out, err = zoo(*words, *options)
        assert status == 0, err
    assert "lenet5" in out


@pytest.mark.parametrize("kind", KINDS)
def test_a_package_may_add_one_kind(installed, kind):
    folder = installed("single-kind", kind)
    assert sorted(path.name for path in (folder / "tests").iterdir()) == [f"test_{kind}.py"]
    assert registry.kinds({"dataset": "single_kind_data", "command": "single-kind"}.get(kind, "single_kind")) == [kind]


@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("My_Plugin", "cannot name a package; allowed are small letters"),
        ("class", "cannot name a package"),
        ("numpy", "there is a module 'numpy' already"),
        ("lenet5", "the name 'lenet5' is registered already"),
        ("there", "there is there already; choose another name"),
    ],
)
def test_a_name_that_cannot_be_is_an_error_and_nothing_is_written(zoo, tmp_path, name, message):
    (tmp_path / "there").mkdir()
    status, _, err = zoo("new", name)
    assert status == 2
    assert message in err
    assert [path.name for path in tmp_path.iterdir()] == ["there"]


def test_an_unknown_kind_is_an_error_that_names_the_three(zoo):
    status, _, err = zoo("new", "a-name", "--kind", "network")
    assert status == 2
    assert "invalid choice: 'network' (choose from" in err
