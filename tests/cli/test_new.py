"""zoo new writes a package that works at once."""

from __future__ import annotations

import io
import json
import os
import re
import socket
import subprocess
import sys
import time
import tomllib
from pathlib import Path
from urllib.error import HTTPError, URLError
from urllib.request import urlopen

import pytest
from PIL import Image
from support import REPOSITORY, error_of

import zoo as library
from zoo.cli.new import PARTS, PLACES
from zoo.core import registry

KINDS = ["architecture", "dataset", "command"]


@pytest.fixture
def write(zoo, tmp_path):
    """Run zoo new, and return the folder."""

    def run(name, *kinds):
        status, _, err = zoo("new", name, *(word for kind in kinds for word in ("--kind", kind)))
        assert status == 0, err
        return tmp_path / name

    return run


@pytest.fixture
def install_by_pip(tmp_path, monkeypatch):
    """Build a package, for which pip fetches hatchling, and install it beside zoo, in a folder of its own."""

    def install(folder):
        site = tmp_path / "site"
        command = [sys.executable, "-m", "pip", "install", "--no-deps", "--target", str(site), str(folder)]
        done = subprocess.run(command, capture_output=True, text=True)
        if "No matching distribution found for hatchling" in done.stderr:
            pytest.skip("no network: pip cannot fetch hatchling, which builds the package")
        assert done.returncode == 0, done.stderr
        monkeypatch.syspath_prepend(str(site))
        monkeypatch.setenv("PYTHONPATH", str(site), prepend=os.pathsep)
        registry.refresh()
        return site

    yield install
    registry.refresh()


def test_a_new_package_installs_passes_its_tests_and_trains(zoo, write, install_by_pip):
    folder = write("stars-and-stripes", *KINDS)
    site = install_by_pip(folder)
    tests = [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", str(folder / "tests")]
    done = subprocess.run(tests, capture_output=True, text=True)
    assert "9 passed" in done.stdout, done.stdout + done.stderr
    readme = (folder / "README.md").read_text()
    commands = [line.partition("#")[0].split()[1:] for line in readme.splitlines() if line.startswith("    zoo ")]
    assert [words[0] for words in commands] == ["doctor", "fit", "fit", "stars-and-stripes"]
    outputs = {}
    for words in commands:
        options = ("--data.num_workers", 0, "--trainer.max_epochs", 1) if words[0] == "fit" else ()
        status, outputs[words[0]], err = zoo(*words, *options)
        assert status == 0, err
    assert re.search(r"(\d+) of \1 entry points work", outputs["doctor"])
    assert "lenet5" in outputs["stars-and-stripes"]
    assert Path(sys.modules["stars_and_stripes"].__file__).is_relative_to(site)


@pytest.mark.parametrize("kind", PARTS)
def test_a_package_may_add_one_kind(write, kind):
    folder = write("single-kind", kind)
    points = tomllib.loads((folder / "pyproject.toml").read_text())["project"]["entry-points"]
    own = {"architecture": "single_kind", "dataset": "single_kind_data", "command": "single-kind"}
    name = own.get(kind, f"single_kind_{kind}")
    assert {group: list(names) for group, names in points.items()} == {registry.KINDS[kind].group: [name]}
    assert sorted(path.name for path in (folder / "tests").iterdir()) == [f"test_{kind}.py"]
    readme = (folder / "README.md").read_text()
    assert [other for other, part in PARTS.items() if f"`single_kind/{part.module}`" in readme] == [kind]


def test_nothing_of_the_copied_plugin_is_left_but_its_functions(write):
    folder = write("sun-and-moon", *KINDS)
    for path in folder.rglob("*.*"):
        text = path.read_text()
        assert not re.search(r"zoo.example|license|--model mlp|--data stripes|zoo parameters", text), path
    assert "def mlp(spec" in (folder / "sun_and_moon" / "networks.py").read_text()


def test_a_wheel_holds_the_plugin_where_zoo_new_looks_for_it():
    build = tomllib.loads((REPOSITORY / "pyproject.toml").read_text())["tool"]["hatch"]["build"]["targets"]["wheel"]
    [(source, place)] = build["force-include"].items()
    site = Path(library.__file__).parents[1]  # the checkout, or where the wheel is installed
    assert [path.relative_to(site).as_posix() for path in PLACES] == [place, source]
    assert (PLACES[site == REPOSITORY] / "pyproject.toml").is_file()


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


def test_a_web_page_for_a_model_classifies_without_torch(zoo, tmp_path, digits_model):
    status, out, err = zoo("new", "my-app", "--app", digits_model)
    assert status == 0, err
    assert "python app.py" in out
    (tmp_path / "without").mkdir()
    (tmp_path / "without" / "torch.py").write_text("raise ImportError('torch')")
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    paths = os.pathsep.join([str(tmp_path / "without"), os.environ.get("PYTHONPATH", "")])
    command = [sys.executable, "app.py", str(port)]
    with subprocess.Popen(command, cwd=tmp_path / "my-app", env=os.environ | {"PYTHONPATH": paths}) as server:
        try:
            assert "<h1>model.onnx</h1>" in answer(port, None)[1]
            picture = io.BytesIO()
            Image.new("L", (8, 8)).save(picture, "PNG")
            status, text = answer(port, picture.getvalue())
            assert (status, len(json.loads(text))) == (200, 5)
            status, text = answer(port, b"no picture")
            assert status == 400
            assert "not a readable image" in json.loads(text)["error"]
        finally:
            server.terminate()


def answer(port, body):
    """Return status and text of the page, or of the answer to a picture; the server may still be starting."""
    for _ in range(100):
        try:
            with urlopen(f"http://127.0.0.1:{port}/classify", body, timeout=30) as response:
                return response.status, response.read().decode()
        except HTTPError as error:
            return error.code, error.read().decode()
        except URLError:
            time.sleep(0.2)
    raise AssertionError("no answer in 20 s")


def test_a_web_page_for_no_model_is_refused(zoo):
    assert "--app is 'nothing', which is neither an installed model" in error_of(
        zoo("new", "my-app", "--app", "nothing")
    )
    assert "leave one of them out" in error_of(zoo("new", "my-app", "--app", "x", "--kind", "command"))


def test_new_parts_of_training_train_at_once(write, zoo, monkeypatch):
    folder = write("own-parts-too", "loss", "metric", "optimizer", "scheduler")
    points = tomllib.loads((folder / "pyproject.toml").read_text())["project"]["entry-points"]
    info = folder / "own_parts_too-1.0.dist-info"
    info.mkdir()
    (info / "METADATA").write_text("Metadata-Version: 2.1\nName: own-parts-too\nVersion: 1.0\n")
    lines = [
        f"[{group}]\n" + "\n".join(f"{name} = {value}" for name, value in own.items()) for group, own in points.items()
    ]
    (info / "entry_points.txt").write_text("\n".join(lines))
    monkeypatch.syspath_prepend(str(folder))
    registry.refresh()
    names = {group.partition(".")[2]: next(iter(own)) for group, own in points.items()}
    options = ["--data.num_workers", 0, "--trainer.max_epochs", 1, "--trainer.limit_train_batches", 2]
    options += ["--model.loss", names["losses"], "--model.metrics", names["metrics"]]
    options += ["--optimizer", names["optimizers"], "--lr_scheduler", names["schedulers"]]
    status, out, err = zoo("fit", *options)
    registry.refresh()
    assert status == 0, err
    assert "val/own_parts_too_metric" in Path(out.splitlines()[-1], "metrics.csv").read_text()
