"""The installed distribution, in an environment that need not have torch or zoo."""

from __future__ import annotations

import base64
import io
import json
import subprocess
import sys
from importlib.metadata import files, requires

import numpy as np
import onnx
import pytest
import zoo_runtime
from onnx import TensorProto, helper
from PIL import Image
from zoo_runtime import Classifier, ModelError, verify

CLASSES = ["dark", "light"]


@pytest.fixture
def model(tmp_path):
    """A file that calls an image light by its mean level."""
    nodes = [
        helper.make_node("Cast", ["images"], ["levels"], to=TensorProto.FLOAT),
        helper.make_node("ReduceMean", ["levels", "axes"], ["mean"], keepdims=0),
        helper.make_node("Sub", ["half", "mean"], ["dark"]),
        helper.make_node("Sub", ["mean", "half"], ["light"]),
        helper.make_node("Concat", ["dark", "light"], ["logits"], axis=1),
        helper.make_node("Softmax", ["logits"], ["probabilities"]),
    ]
    inputs = [helper.make_tensor_value_info("images", TensorProto.UINT8, ["batch", "height", "width", 1])]
    outputs = [helper.make_tensor_value_info(name, TensorProto.FLOAT, ["batch", 2]) for name in OUTPUTS]
    constants = [
        helper.make_tensor("axes", TensorProto.INT64, [2], [1, 2]),
        helper.make_tensor("half", TensorProto.FLOAT, [1], [127.5]),
    ]
    graph = helper.make_graph(nodes, "mean", inputs, outputs, constants)
    made = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 18)], ir_version=10)
    sample = io.BytesIO()
    Image.new("L", (5, 4), 130).save(sample, "PNG")
    spec = {"classes": CLASSES, "channels": 1, "height": 4, "width": 5, "resize": {"crop": 1.0}}
    golden = {"image": base64.b64encode(sample.getvalue()).decode(), "logits": [-2.5, 2.5], "tolerance": 1e-3}
    told = {"classes": CLASSES, "input_spec": spec, "architecture": {"name": "mean"}, "dataset": "levels"}
    told |= {"versions": {"zoo": "0"}, "golden": golden}
    texts = {key: json.dumps(value) for key, value in told.items()}
    helper.set_model_props(made, texts | {"zoo_format": zoo_runtime.FORMAT["any"], "sha256": zoo_runtime.NO_DIGEST})
    content = made.SerializeToString()
    digits = zoo_runtime.digest(content).encode()
    (tmp_path / "model.onnx").write_bytes(zoo_runtime.DIGEST.sub(lambda found: found[0][:-64] + digits, content))
    return tmp_path / "model.onnx"


OUTPUTS = ("logits", "probabilities")


def test_it_needs_numpy_onnxruntime_and_readers_of_images_alone():
    needed = {name.split(">")[0] for name in requires("zoo-runtime") if "extra" not in name}
    assert needed == {"numpy", "onnxruntime", "pillow", "pi-heif"}
    assert [str(path) for path in files("zoo-runtime") if path.suffix == ".py"] == ["zoo_runtime.py"]


def test_it_loads_nothing_of_zoo_or_torch():
    code = "import zoo_runtime, sys; print(sorted({'torch', 'zoo', 'onnx'} & set(sys.modules)))"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"


def test_it_predicts(model):
    classifier = Classifier(model)
    assert classifier.predict(np.full((30, 20), 140, np.uint8), top_k=1)[0].name == "light"
    assert classifier.predict(Image.new("RGB", (9, 9), "black"), top_k=1) == [("dark", 1.0)]


def test_it_verifies(model, tmp_path):
    assert verify(model)["difference"] < 1e-5
    changed = model.read_bytes().replace(b"levels", b"labels")
    (tmp_path / "changed.onnx").write_bytes(changed)
    with pytest.raises(ModelError):
        verify(tmp_path / "changed.onnx")


def test_a_sample_that_gives_other_logits_is_found_out(model, tmp_path):
    other = onnx.load(model)
    next(tensor for tensor in other.graph.initializer if tensor.name == "half").float_data[0] = 100.0
    content = other.SerializeToString()
    digits = zoo_runtime.digest(content).encode()
    (tmp_path / "other.onnx").write_bytes(zoo_runtime.DIGEST.sub(lambda found: found[0][:-64] + digits, content))
    with pytest.raises(ModelError, match="does not do here what it did where it was exported"):
        verify(tmp_path / "other.onnx")


def test_the_command(model, tmp_path):
    Image.new("L", (3, 3), 255).save(tmp_path / "white.png")
    command = [sys.executable, "-m", "zoo_runtime"]
    done = subprocess.run([*command, "predict", model, tmp_path / "white.png"], capture_output=True, text=True)
    assert done.stdout.splitlines()[0] == f"{tmp_path / 'white.png'}\tlight\t1.0000"
    done = subprocess.run([*command, "verify", model], capture_output=True, text=True)
    assert "verified" in done.stdout
