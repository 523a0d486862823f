"""The programs in examples/ name the classes that zoo's runtime names, with its probabilities."""

from __future__ import annotations

import re
import shutil
import subprocess
import sys

import pytest
from browser import NODE_MODULES, ORT_WEB, Page, pictures
from support import REPOSITORY

from zoo.runtime import Classifier

EXAMPLES = REPOSITORY / "examples"

EXACT = 1e-4

#: The pictures are of all kinds, and no network was trained on their like.
pytestmark = pytest.mark.filterwarnings("ignore::zoo.runtime.UnlikeTrainingImages")


def parsed(text):
    """Return a program's output as classes and probabilities."""
    return {name: float(share) for name, _, share in (line.rpartition("\t") for line in text.strip("\n").split("\n"))}


def answer(*command):
    """Run a program and return its classes and probabilities."""
    done = subprocess.run(command, capture_output=True, text=True, check=True, encoding="utf-8")
    return parsed(done.stdout)


@pytest.fixture(params=["digits_model", "colour_model", "letterbox_model"])
def model(request):
    return request.getfixturevalue(request.param)


def test_the_python_program_answers_as_the_runtime(model, tmp_path):
    classifier = Classifier(model)
    for file in pictures(tmp_path):
        if file.name != "transparent.png":  # its page says that zoo/runtime.py reads transparency
            shown = answer(sys.executable, EXAMPLES / "python" / "classify.py", model, file)
            assert shown == pytest.approx(dict(classifier.predict(file)), abs=EXACT), file.name


def test_the_node_program_answers_as_the_runtime(model, tmp_path):
    if shutil.which("node") is None:
        pytest.skip("node is not on the path")
    if not all((NODE_MODULES / name).is_dir() for name in ("onnxruntime-node", "sharp")):
        pytest.skip(f"onnxruntime-node and sharp are not in {NODE_MODULES}: npm install them, set ZOO_NODE_MODULES")
    for name in ("zoo.mjs", "classify.mjs"):
        shutil.copy(EXAMPLES / "javascript" / name, tmp_path)
    (tmp_path / "node_modules").symlink_to(NODE_MODULES)
    classifier = Classifier(model)
    for file in pictures(tmp_path):
        shown = answer("node", tmp_path / "classify.mjs", model, file)
        assert shown == pytest.approx(dict(classifier.predict(file)), abs=EXACT), file.name


def test_the_page_answers_as_the_runtime(chromium, server, digits_model, tmp_path):
    folder, address = server
    page, [file] = Page(chromium), [path for path in pictures(tmp_path) if path.name == "photo.jpg"]
    cdn = re.compile(r"https://cdn\.jsdelivr\.net/npm/onnxruntime-web@[\d.]+/dist")
    text = (EXAMPLES / "javascript" / "classify.html").read_text(encoding="utf-8")
    (folder / "index.html").write_text('<link rel="icon" href="data:,">' + cdn.sub("./ort", text), encoding="utf-8")
    for name, target in (
        ("zoo.mjs", EXAMPLES / "javascript" / "zoo.mjs"),
        ("model.onnx", digits_model),
        ("ort", ORT_WEB),
    ):
        (folder / name).symlink_to(target)
    chromium.get(address)
    page.until("the model", "return !document.querySelector('input').disabled")
    page.find("input").send_keys(str(file))
    shown = page.until("an answer", "return document.querySelector('pre').textContent")
    assert parsed(shown) == pytest.approx(dict(Classifier(digits_model).predict(file)), abs=EXACT)
    assert page.errors() == []


@pytest.fixture(scope="module")
def cpp_program(tmp_path_factory):
    """The C++ program, compiled; CPATH and LIBRARY_PATH may name where its libraries are."""
    if shutil.which("g++") is None:
        pytest.skip("g++ is not on the path")
    source = EXAMPLES / "cpp" / "classify.cpp"
    program = tmp_path_factory.mktemp("cpp") / "classify"
    compiler = ["g++", "-std=c++17", "-I/usr/include/onnxruntime"]
    headers = subprocess.run([*compiler, "-E", source], capture_output=True, text=True)
    if headers.returncode != 0:
        pytest.skip(
            f"g++ finds not all headers: {headers.stderr.splitlines()[0]}; the file's first line names the packages"
        )
    subprocess.run([*compiler, source, "-lonnxruntime", "-o", program], check=True)
    return program


def test_the_cpp_program_answers_as_the_runtime(cpp_program, model, tmp_path):
    classifier = Classifier(model)
    for file in pictures(tmp_path):
        if file.name in ("tall.webp", "turned.jpg"):  # its image reader has no WebP, and ignores EXIF orientation
            continue
        near = 1e-3 if file.suffix == ".jpg" else EXACT  # and has a JPEG decoder of its own
        shown = answer(cpp_program, model, file)
        assert shown == pytest.approx(dict(classifier.predict(file)), abs=near), file.name
