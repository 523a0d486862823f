"""The programs of examples/server ask a running server, and the image of examples/docker has all that it installs."""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
import sys
import zipfile
from pathlib import Path

import pytest

EXAMPLES = Path(__file__).parents[3] / "examples"


@pytest.fixture
def ask(server, images):
    """Run a program on two images and a text, and return what it prints."""

    def run(*command):
        environment = os.environ | {"SERVER": server.url}
        words = [*map(str, command), str(images[0]), str(images[1]), __file__]
        done = subprocess.run(words, env=environment, capture_output=True, text=True, check=False, timeout=60)
        assert done.stderr == ""
        return done.stdout

    return run


def expected(classifier, path, count=3):
    return [f"{path}\t{name}\t{share:.6f}" for name, share in classifier.predict(path, count)]


def test_the_python_client_prints_the_runtimes_answers(ask, classifier, images):
    lines = ask(sys.executable, EXAMPLES / "server" / "client.py").splitlines()
    assert [line.rpartition("\t")[0] for line in lines[:6]] == [
        line.rpartition("\t")[0] for path in images[:2] for line in expected(classifier, path)
    ]
    assert lines[6].startswith(f"{__file__}\t422 not an image")


def test_the_javascript_client_prints_the_runtimes_answers(ask, classifier, images):
    if shutil.which("node") is None:
        pytest.skip("node is not on the path")
    lines = ask("node", EXAMPLES / "server" / "client.mjs").splitlines()
    assert [line.rpartition("\t")[0] for line in lines[:3]] == [
        line.rpartition("\t")[0] for line in expected(classifier, images[0])
    ]
    assert lines[6].startswith(f"{__file__}\t422 not an image")


def test_curl_prints_the_answers(ask, classifier, images):
    if shutil.which("curl") is None:
        pytest.skip("curl is not on the path")
    one, several = map(json.loads, ask("sh", EXAMPLES / "server" / "curl.sh").splitlines())
    assert one["predictions"][0]["class"] == classifier.predict(images[0])[0][0]
    assert [answer.get("status", 200) for answer in several["answers"]] == [200, 200, 422]


def test_the_image_is_built_of_what_it_copies(tmp_path):
    root, text = EXAMPLES.parent, (EXAMPLES / "docker" / "Dockerfile").read_text(encoding="utf-8")
    allowed = (root / ".dockerignore").read_text(encoding="utf-8").split()[1:]
    for source, target in re.findall(r"^COPY ([^-]\S*) (\S+)$", text, re.MULTILINE):
        assert f"!{source}" in allowed
        copy = shutil.copytree if (root / source).is_dir() else shutil.copy
        (tmp_path / target).parent.mkdir(parents=True, exist_ok=True)
        copy(root / source, tmp_path / target)
    [folders] = re.findall(r"RUN pip wheel .* --wheel-dir /wheels (.*)", text)
    pip = [sys.executable, "-m", "pip", "wheel", "--quiet", "--no-deps", "--wheel-dir", "wheels", *folders.split()]
    subprocess.run(pip, cwd=tmp_path, check=True, timeout=120)
    names = {name for wheel in (tmp_path / "wheels").iterdir() for name in zipfile.ZipFile(wheel).namelist()}
    assert {"zoo_runtime.py", "zoo_serve/app.py", "zoo_serve/page.html"} <= names
    [command] = re.findall(r"^ENTRYPOINT (\[.*\])$", text, re.MULTILINE)
    assert json.loads(command)[0] == "zoo-serve"
