"""Every form of an exported file in every engine: ``tox -e engines``.

Environments of engines are in the folder that ZOO_ENGINES names (environments.py makes them), what npm has in
ZOO_NODE_MODULES. ZOO_ENGINES_TABLE names a file for the table of the documentation.
"""

from __future__ import annotations

import os
import shutil
import subprocess
from pathlib import Path

import numpy as np
import pytest
import torch
from browser import NODE_MODULES, ORT_FILES, ORT_WEB
from engines.engine import picture
from engines.environments import ENGINES
from PIL import Image

import zoo as zoo_library
from zoo.core.spec import InputSpec
from zoo.data.image_data import ImageData
from zoo.export.model_file import export
from zoo.export.quantize import CHANGED_SHARE
from zoo.models.classifier import Classifier
from zoo.runtime import Classifier as Runtime
from zoo.runtime import normalised

pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif("ZOO_ENGINES" not in os.environ, reason="ZOO_ENGINES names no folder with engines"),
    pytest.mark.filterwarnings("ignore::zoo.runtime.UnlikeTrainingImages"),
]

FOLDER = Path(os.environ.get("ZOO_ENGINES", ""))

#: Networks, with the side and the channels of what they see.
NETWORKS = {
    "lenet5": (28, 1),
    "cnn": (32, 4),
    "torchvision/resnet18": (64, 3),
    "torchvision/mobilenet_v3_small": (64, 3),
    "timm/tf_efficientnet_lite0": (64, 3),
    "torchvision/convnext_tiny": (64, 3),
    "torchvision/vit_b_16": (64, 3),
    "vgg16": (64, 3),
}

#: What each kind of engine reads of the float forms; the others are told in docs/deployment/formats.md.
FORMS = {
    "onnxruntime": ("any", "fixed", "float", "int8", "int8 fixed"),
    # Of the form any, OpenVINO answers wrong for the first picture of the network's own size.
    "openvino": ("fixed", "float", "int8 fixed"),
    "opencv": ("fixed", "float"),
    "ncnn": ("float",),
    "mnn": ("float",),
    "tract": ("fixed", "float"),
    "litert": ("float",),
    "web": ("any", "fixed", "float", "int8"),
    "node": ("any", "fixed", "float", "int8"),
}

#: Networks that a kind of engine's converter works on for many minutes.
TOO_SLOW = {("litert", "torchvision/vit_b_16"), ("litert", "vgg16")}

#: Largest difference of a probability.
FLOAT, INT8 = 1e-5, 0.05

#: Height and width of pictures: 20 sizes, the last of 48 megapixels.
SIZES = [
    *((1, 1), (1, 2), (2, 1), (3, 5), (7, 7), (16, 16), (31, 64), (63, 65), (64, 64), (65, 64), (64, 200), (1, 300)),
    *((128, 96), (200, 333), (480, 640), (600, 800), (1080, 1920), (2000, 1500), (3000, 4000), (6000, 8000)),
]

#: Pictures of these are resized in the graph; larger ones the runtime resizes with Pillow.
IN_GRAPH = SIZES[:16]

#: Networks that take so long that they get every fourth of these.
LARGE = ("torchvision/convnext_tiny", "torchvision/vit_b_16", "vgg16")


@pytest.fixture(scope="session")
def files(tmp_path_factory):
    """Return a function that exports a network, with random weights, in a form."""
    folder = tmp_path_factory.mktemp("engines")
    random = np.random.default_rng(0)
    written = {}

    def photos(channels):
        root = folder / f"photos{channels}"
        if not root.exists():
            for split, name, count in (("train", "a", 20), ("train", "b", 20), ("test", "a", 20), ("test", "b", 20)):
                (root / split / name).mkdir(parents=True)
                for number in range(count):
                    coarse = random.integers(0, 256, (5, 6, 4), np.uint8)
                    image = np.asarray(Image.fromarray(coarse).resize((70, 64), Image.Resampling.BICUBIC))
                    np.save(root / split / name / f"{number}.npy", image) if channels == 4 else Image.fromarray(
                        image[..., :3]
                    ).save(root / split / name / f"{number}.png")
        return root

    def make(name, form):
        if (name, form) not in written:
            side, channels = NETWORKS[name]
            # Of four channels also a letterbox, of one a stretched picture.
            resize = {1: {"fit": "stretch"}, 3: {"crop": 0.875}, 4: {"fit": "letterbox"}}[channels]
            spec = {"classes": ["a", "b"], "channels": channels, "height": side, "width": side, "white_level": 65535}
            spec |= {"mean": [0.45] * channels, "std": [0.25] * channels}
            spec["resize"] = {"crop": 1.0, "interpolation": "bilinear", "fit": "cover"} | resize
            torch.manual_seed(0)
            classifier = Classifier(InputSpec.from_dict(spec), name).eval()
            stored = {"channels": 4} if channels == 4 else {}
            data = ImageData("folder", photos(channels), **stored, spec=classifier.spec, num_workers=0)
            path = folder / f"{name.replace('/', '-')}.{form.replace(' ', '.')}.onnx"
            options = {"precision": "int8"} if form.startswith("int8") else {}
            export(classifier, data, path, **options, form=form.removeprefix("int8").strip() or "any")
            written[name, form] = path
        return written[name, form]

    return make


@pytest.fixture(scope="session")
def table():
    """Collect the networks that fail, by engine and form; write a table at the end."""
    failed = {}
    yield failed
    if (target := os.environ.get("ZOO_ENGINES_TABLE")) is None:
        return
    forms = ("any", "fixed", "float", "int8", "int8 fixed")
    lines = ["| engine | " + " | ".join(forms) + " |", "|---" * 6 + "|"]
    for engine in dict.fromkeys(engine for engine, _ in failed):
        cells = []
        for form in forms:
            networks = failed.get((engine, form))
            names = ", ".join(name.rpartition("/")[2] for name in networks or ())
            cells.append("-" if networks is None else f"not {names}" if names else "yes")
        lines.append(f"| {engine} | " + " | ".join(cells) + " |")
    Path(target).write_text("\n".join(lines) + "\n")


def inputs_of(form, model, sizes):
    """Return what an engine gets, an array for each run, and the runtime's probabilities of the same pictures."""
    classifier = Runtime(model)
    spec = classifier.input_spec
    own = (spec["height"], spec["width"])
    pictures = [picture(*own, spec["channels"], seed) for seed in range(5)]
    if classifier.form == "any":
        pictures += [picture(*size, spec["channels"], seed) for seed, size in enumerate(sizes)]
    expected = [classifier.probabilities(images) for images in pictures]
    return [normalised(images, spec) if form == "float" else images for images in pictures], expected


def answer(request, engine, model, inputs, folder):
    """Return the probabilities of an engine, an array for each input."""
    if engine == "web":
        return in_browser(request, model, inputs, folder)
    if engine == "node":
        return in_node(model, inputs, folder)
    python, kind = FOLDER / engine / "bin" / "python", engine.partition("-")[0]
    if not python.exists():
        pytest.skip(f"{FOLDER} has no environment {engine}")
    np.savez(folder / "inputs.npz", *inputs)
    script = Path(__file__).with_name("engine.py")
    command = [python, script, kind, model, folder / "inputs.npz", folder / "answers.npz"]
    done = subprocess.run([str(word) for word in command], capture_output=True, text=True, timeout=500)
    assert done.returncode == 0, done.stderr[-2000:]
    stored = np.load(folder / "answers.npz")
    return [stored[key] for key in stored.files]


def compare(form, actual, expected, sizes):
    """Require equal probabilities."""
    differences = [float(np.abs(one - other).max()) for one, other in zip(actual, expected, strict=True)]
    for place, difference in enumerate(differences):
        allowed = INT8 if form.startswith("int8") else FLOAT
        assert difference <= allowed, (place, sizes[place - 5] if place >= 5 else "own size", difference)


CASES = [(engine, form) for engine in [*ENGINES, "node", "web"] for form in FORMS[engine.partition("-")[0]]]


@pytest.mark.parametrize("network", NETWORKS)
@pytest.mark.parametrize(("engine", "form"), CASES)
def test_an_engine_gives_the_probabilities_of_the_runtime(request, files, table, tmp_path, network, engine, form):
    failed = table.setdefault((engine, form), [])
    failed.append(network)
    if (engine.partition("-")[0], network) in TOO_SLOW:
        pytest.skip("the converter works on it for many minutes")
    model, sizes = files(network, form), IN_GRAPH[::4] if network in LARGE else IN_GRAPH
    inputs, expected = inputs_of(form, model, sizes)
    compare(form, answer(request, engine, model, inputs, tmp_path), expected, sizes)
    failed.remove(network)


@pytest.mark.parametrize(("engine", "form"), [case for case in CASES if case[1] == "int8"])
def test_an_engine_gives_a_trained_network_in_int8_the_classes_of_the_runtime(
    request, zoo, digits_run, tmp_path, engine, form
):
    run = shutil.copytree(digits_run, tmp_path / "run", ignore=shutil.ignore_patterns("*.onnx"))
    status, _, err = zoo("export", run, "--quantize", form)
    assert status == 0, err
    data = zoo_library.create_dataset("digits", ".", "train")
    images = np.stack([np.asarray(data[number][0]).reshape(8, 8, 1) for number in range(len(data))])
    model = run / "model.int8.onnx"
    [actual], expected = answer(request, engine, model, [images], tmp_path), Runtime(model).probabilities(images)
    assert np.abs(actual - expected).max() <= INT8
    assert (actual.argmax(axis=1) != expected.argmax(axis=1)).sum() <= max(1, CHANGED_SHARE * len(images))


@pytest.mark.parametrize(
    ("network", "form"),
    [("lenet5", "any"), ("cnn", "any")]
    + [("torchvision/mobilenet_v3_small", form) for form in ("any", "fixed", "float", "int8")],
)
@pytest.mark.parametrize("engine", [name for name in ENGINES if name.startswith("onnxruntime")])
def test_the_runtime_verifies_and_answers_pictures_of_any_size(files, tmp_path, engine, network, form):
    python = FOLDER / engine / "bin" / "python"
    if not python.exists():
        pytest.skip(f"{FOLDER} has no environment {engine}")
    model, channels = files(network, form), NETWORKS[network][1]
    source = Path(__file__).parents[2] / "zoo" / "runtime.py"
    shutil.copy(source, tmp_path / "zoo_runtime.py")
    shutil.copy(Path(__file__).with_name("engine.py"), tmp_path)
    np.savez(tmp_path / "inputs.npz", *[np.array([*size, seed]) for seed, size in enumerate(SIZES)])
    command = [python, tmp_path / "engine.py", "runtime", model, tmp_path / "inputs.npz", tmp_path / "answers.npz"]
    done = subprocess.run([str(word) for word in command], capture_output=True, text=True, timeout=500)
    assert done.returncode == 0, done.stderr[-2000:]
    stored, classifier = np.load(tmp_path / "answers.npz"), Runtime(model)
    for seed, (key, size) in enumerate(zip(stored.files, SIZES, strict=True)):
        expected = classifier.probabilities(picture(*size, channels, seed))
        assert np.abs(stored[key] - expected).max() <= (INT8 if form == "int8" else FLOAT), size


NODE = """
import { readFileSync, writeFileSync } from "node:fs";
import ort from "onnxruntime-node";
const { model, inputs } = JSON.parse(readFileSync("inputs.json", "utf8"));
const session = await ort.InferenceSession.create(model);
const answers = [];
for (const { type, shape, data } of inputs) {
  const bytes = Buffer.from(data, "base64");
  const values = type === "uint8" ? new Uint8Array(bytes) : new Float32Array(new Uint8Array(bytes).buffer);
  const { probabilities } = await session.run({ images: new ort.Tensor(type, values, shape) });
  answers.push(Array.from(probabilities.data));
}
writeFileSync("answers.json", JSON.stringify(answers));
"""


def described(inputs):
    """Return arrays as JSON can hold them."""
    import base64

    return [
        {"type": str(array.dtype), "shape": array.shape, "data": base64.b64encode(array.tobytes()).decode()}
        for array in inputs
    ]


def in_node(model, inputs, folder):
    import json

    if shutil.which("node") is None or not (NODE_MODULES / "onnxruntime-node").is_dir():
        pytest.skip(f"node is not on the path, or onnxruntime-node not in {NODE_MODULES}")
    (folder / "node_modules").symlink_to(NODE_MODULES)
    (folder / "run.mjs").write_text(NODE)
    (folder / "inputs.json").write_text(json.dumps({"model": str(model), "inputs": described(inputs)}))
    done = subprocess.run(["node", "run.mjs"], cwd=folder, capture_output=True, text=True, timeout=300)
    assert done.returncode == 0, done.stderr[-2000:]
    rows = json.loads((folder / "answers.json").read_text())
    return [np.array(row).reshape(len(images), -1) for row, images in zip(rows, inputs, strict=True)]


BROWSER = """
const [inputs, done] = arguments;
(async () => {
  const ort = await import(new URL("ort.mjs", document.baseURI));
  ort.env.wasm.numThreads = 1;
  ort.env.wasm.wasmPaths = { wasm: new URL("ort.wasm", document.baseURI).href };
  const session = await ort.InferenceSession.create(new URL("model.onnx", document.baseURI).href);
  const answers = [];
  for (const { type, shape, data } of inputs) {
    const bytes = Uint8Array.from(atob(data), (letter) => letter.charCodeAt(0));
    const values = type === "uint8" ? bytes : new Float32Array(bytes.buffer);
    const { probabilities } = await session.run({ images: new ort.Tensor(type, values, shape) });
    answers.push(Array.from(probabilities.data));
  }
  return answers;
})().then(done, (error) => done(String(error)));
"""


def in_browser(request, model, inputs, folder):
    chromium, (root, address) = request.getfixturevalue("chromium"), request.getfixturevalue("server")
    (root / "index.html").write_text("<!doctype html><title>engine</title>")
    for name, source in {"ort.mjs": ORT_FILES[0], "ort.wasm": ORT_FILES[1]}.items():
        (root / name).symlink_to(ORT_WEB / source)
    (root / "model.onnx").symlink_to(model)
    chromium.get(address)
    rows = chromium.execute_async_script(BROWSER, described(inputs))
    assert not isinstance(rows, str), rows
    return [np.array(row).reshape(len(images), -1) for row, images in zip(rows, inputs, strict=True)]
