"""zoo new writes a package that works at once."""

from __future__ import annotations

import io
import json
import os
import re
import socket
import subprocess
import sys
import tomllib
from pathlib import Path
from urllib.error import HTTPError
from urllib.request import Request, urlopen

import pytest
from PIL import Image
from support import REPOSITORY, error_of

import zoo as library
from zoo.cli.new import PARTS, PLACES
from zoo.core import registry
from zoo.export.app_wheels import PLACES as RUNTIME_PLACES

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


def test_a_wheel_holds_the_plugins_where_zoo_looks_for_them():
    build = tomllib.loads((REPOSITORY / "pyproject.toml").read_text())["tool"]["hatch"]["build"]["targets"]["wheel"]
    included = {place: source for source, place in build["force-include"].items()}
    site = Path(library.__file__).parents[1]  # the checkout, or where the wheel is installed
    for places, file in ((PLACES, ""), (RUNTIME_PLACES, "pyproject.toml"), (RUNTIME_PLACES, "README.md")):
        place, source = (path.joinpath(file).relative_to(site).as_posix() for path in places)
        assert included.pop(place) == source
        assert (places[site == REPOSITORY] / "pyproject.toml").is_file()
    assert not included


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


@pytest.fixture
def app(zoo, tmp_path, digits_model):
    """The folder of a web page for a model, and how its program is started: without torch, with its wheels alone."""
    status, out, err = zoo("new", "my-app", "--app", digits_model)
    assert status == 0, err
    assert "cd my-app && pip install -r requirements.txt && python app.py" in out
    folder = tmp_path / "my-app"
    wheels = [line for line in (folder / "requirements.txt").read_text().splitlines() if (folder / line).is_file()]
    assert [Path(wheel).name.partition("-")[0] for wheel in wheels] == ["zoo_runtime"]
    (tmp_path / "without").mkdir()
    (tmp_path / "without" / "torch.py").write_text("raise ImportError('torch')")
    paths = [tmp_path / "without", *(folder / wheel for wheel in wheels), os.environ.get("PYTHONPATH", "")]
    started = {"cwd": folder, "env": os.environ | {"PYTHONPATH": os.pathsep.join(map(str, paths))}, "text": True}
    return folder, started | {"stderr": subprocess.PIPE, "stdout": subprocess.PIPE}


@pytest.fixture
def address(app):
    """The address of a running web page."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    with subprocess.Popen([sys.executable, "app.py", str(port)], **app[1]) as server:
        try:
            assert f"http://127.0.0.1:{port}" in server.stdout.readline()
            yield f"http://127.0.0.1:{port}"
        finally:
            server.terminate()
            assert "Traceback" not in server.stderr.read()


def picture(mode="L"):
    """Return the bytes of a PNG file."""
    content = io.BytesIO()
    Image.effect_noise((8, 8), 90).convert(mode).save(content, "PNG")
    return content.getvalue()


def test_a_web_page_for_a_model_classifies_without_torch(address):
    assert "<h1>model.onnx</h1>" in answer(address + "/", None)[1]
    status, text = answer(address + "/classify", picture())
    assert (status, len(json.loads(text)["classes"])) == (200, 5)
    assert "notes" in json.loads(text)
    status, text = answer(address + "/classify", b"no picture")
    assert status == 400
    assert "not a readable image" in json.loads(text)["error"]


def test_a_web_page_takes_a_picture_of_a_form(address):
    file = picture()
    part = b'--xyz\r\nContent-Disposition: form-data; name="image"; filename="a.png"\r\nContent-Type: image/png\r\n\r\n'
    kind = {"Content-Type": "multipart/form-data; boundary=xyz"}
    form = answer(address + "/classify", part + file + b"\r\n--xyz--\r\n", kind)
    assert form == answer(address + "/classify", file)


def test_a_web_page_refuses_other_addresses_and_lengths(address):
    assert answer(address + "/secret", None)[0] == 404
    for length in ("abc", "-1", "99999999999"):
        status, text = answer(address + "/classify", b"", {"Content-Length": length})
        assert status == 400
        assert "allowed is /classify with at most 20,000,000 bytes" in json.loads(text)["error"]


def test_a_web_page_that_cannot_start_says_why_in_one_line(app):
    folder, started = app
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        command = [sys.executable, "app.py", str(taken.getsockname()[1])]
        error = subprocess.run(command, **started).stderr
        assert "cannot be used" in error
        assert error.count("\n") == 1
    (folder / "model.onnx").unlink()
    error = subprocess.run([sys.executable, "app.py"], **started).stderr
    assert "pip install -r requirements.txt" in error
    assert error.count("\n") == 1


def answer(address, body, headers=None):
    """Return status and text of the answer to a request."""
    try:
        with urlopen(Request(address, body, headers or {}), timeout=30) as response:
            return response.status, response.read().decode()
    except HTTPError as error:
        return error.code, error.read().decode()


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
