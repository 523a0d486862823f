"""zoo export: what a run becomes is compared with its checkpoint, or nothing is written."""

from __future__ import annotations

import json
import shutil
import signal
import time
import weakref

import numpy as np
import onnx
import pytest
import torch
from PIL import Image

import zoo as library
from zoo.data.sources import MemorySource
from zoo.export import model_file as exporting
from zoo.export.quantize import quantize
from zoo.runtime import Classifier


@pytest.fixture
def run(digits_run, tmp_path):
    """A run of its own for a test that writes into it."""
    return shutil.copytree(digits_run, tmp_path / "run", ignore=shutil.ignore_patterns("*.onnx", "results.json"))


@pytest.fixture
def photos(tmp_path):
    """Pictures of odd sizes."""
    rng = np.random.default_rng(0)
    (tmp_path / "photos").mkdir()
    for number, size in enumerate([(8, 8), (30, 21), (7, 90), (8, 9)]):
        picture = Image.fromarray(rng.integers(0, 256, (3, 3), np.uint8)).resize(size, Image.Resampling.BICUBIC)
        picture.save(tmp_path / "photos" / f"{number}.png")
    return tmp_path / "photos"


def test_run_file_and_bare_session_predict_alike(zoo, digits_run, digits_model, photos, tmp_path):
    for model in (digits_run, digits_model):
        status, _, err = zoo("predict", model, photos, "--output", tmp_path / f"{model.name}.json")
        assert status == 0, err
    by_run, by_file = (
        json.loads((tmp_path / f"{model.name}.json").read_text()) for model in (digits_run, digits_model)
    )
    for one, other in zip(by_run, by_file, strict=True):
        assert one["file"] == other["file"]
        a, b = ({each["class"]: each["probability"] for each in row["predictions"]} for row in (one, other))
        assert a == pytest.approx(b, abs=1e-5)
    session = Classifier(digits_model).session
    for row in by_file:
        pixels = np.asarray(Image.open(row["file"]))[None, ..., None]
        [probabilities] = session.run(["probabilities"], {"images": pixels})
        named = {each["class"]: each["probability"] for each in row["predictions"]}
        assert named == pytest.approx(dict(zip("0123456789", probabilities[0].tolist(), strict=True)), abs=1e-6)


def test_the_file_is_as_accurate_as_its_run(digits_run, digits_model):
    data = library.create_dataset("digits", ".", "test")
    classifier = Classifier(digits_model)
    named = classifier.predict_batch(data.images, top_k=1)
    right = [int(found[0].name) == label for found, label in zip(named, data.labels, strict=True)]
    results = json.loads((digits_run / "results.json").read_text())
    assert np.mean(right) == pytest.approx(results["test/accuracy"])
    assert classifier.metadata["test_accuracy"] == results["test/accuracy"]


def test_export_says_what_it_compared_and_the_file_last(zoo, run):
    status, out, err = zoo("export", run)
    assert (status, err) == (0, "")
    assert "the graph agrees with the checkpoint on real images: probabilities within" in out
    assert out.splitlines()[-1] == str(run / "model.onnx")
    assert Classifier(run / "model.onnx").metadata["test_accuracy"] is None  # never tested
    status, out, _ = zoo("verify", run / "model.onnx")
    assert status == 0
    assert "verified: unchanged since it was exported" in out


def test_no_weight_of_the_checkpoint_is_in_memory_when_onnxruntime_loads_the_file(zoo, run, monkeypatch):
    parameters, alive = [], []
    of_classifier, session = exporting.network_graph, exporting.GraphSession

    def graph(network, *arguments):
        parameters.extend(weakref.ref(parameter) for parameter in network.parameters())
        return of_classifier(network, *arguments)

    def load(*arguments, **options):
        alive.extend(parameter() is not None for parameter in parameters)
        return session(*arguments, **options)

    monkeypatch.setattr(exporting, "network_graph", graph)
    monkeypatch.setattr(exporting, "GraphSession", load)
    assert zoo("export", run)[0] == 0
    assert alive == [False] * 10


def test_frozen_layers_and_augmentation_change_nothing_of_the_file(zoo, tmp_path):
    options = ("--model.freeze", 2, "--data.augmentation", "none", "--trainer.max_epochs", 1)
    status, out, err = zoo("fit", *options)
    assert status == 0, err
    run = out.splitlines()[-1]
    status, out, err = zoo("export", run)
    assert status == 0, err


def test_nothing_is_written_where_the_graph_differs(zoo, run, monkeypatch, grey_spec):
    """The checkpoint against a graph of other weights: what a fault of an exporter would look like."""
    (run / "model.onnx").write_bytes(b"the file before")
    original = exporting.network_graph

    def other_weights(network, *arguments):
        return original(library.create_architecture("lenet5", grey_spec), *arguments)

    monkeypatch.setattr(exporting, "network_graph", other_weights)
    status, _, err = zoo("export", run)
    assert (status, err.count("\n")) == (1, 1)
    assert "the ONNX graph differs from the checkpoint by" in err
    assert "nothing was written" in err
    assert (run / "model.onnx").read_bytes() == b"the file before"
    assert [path.name for path in run.glob(".model*")] == []


def test_an_export_that_is_killed_leaves_the_file_before(zoo_process, run):
    (run / "model.onnx").write_bytes(b"the file before")
    process = zoo_process("export", run)
    while process.poll() is None and not list(run.glob(".model.onnx-*")):
        time.sleep(0.001)
    process.kill()
    process.communicate()
    assert process.returncode == -signal.SIGKILL
    assert (run / "model.onnx").read_bytes() == b"the file before"


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["export"], "the following arguments are required: RUN"),
        (["export", "gone"], "gone is not a run folder: it does not exist"),
        (["export", "{run}", "--quantize", "int4"], "invalid choice: 'int4'"),
        (["export", "{run}", "--model", "cnn"], "knows its model and data"),
        (["export", "{run}", "--ckpt_path", "gone.ckpt"], "gone.ckpt"),
        (["verify", "gone.onnx"], "gone.onnx: No such file"),
        (["predict", "gone.onnx", "{run}/x.png"], "gone.onnx: No such file"),
        (["predict", "{run}/config.onnx", "{run}/x.png"], "is not an ONNX file"),
    ],
)
def test_bad_input_is_one_line(zoo, run, words, message):
    Image.new("L", (8, 8)).save(run / "x.png")
    (run / "config.onnx").write_text("model: lenet5\n")
    status, _, err = zoo(*(word.format(run=run) for word in words))
    assert (status, err.count("\n")) == (2, 1)
    assert message in err


def test_a_run_without_a_checkpoint_is_not_exported(zoo, run):
    shutil.rmtree(run / "checkpoints")
    status, _, err = zoo("export", run)
    assert (status, err.count("\n")) == (2, 1)
    assert "has no checkpoint" in err


@pytest.mark.parametrize("precision", ["int8", "fp16"])
def test_lower_precision_is_measured_on_the_test_split(zoo, run, precision):
    status, out, err = zoo("export", run, "--quantize", precision)
    assert status == 0, err
    path = run / f"model.{precision}.onnx"
    assert f"{precision} on 359 test images: accuracy" in out
    found = Classifier(path).metadata["quantization"]
    assert found["images"] == 359
    assert abs(found["accuracy"] - found["accuracy_float32"]) < 0.02
    assert found["size_ratio"] > 1
    assert found["speed_ratio"] > 0
    assert zoo("verify", path)[0] == 0
    assert not (run / "model.onnx").exists()


def test_int8_keeps_its_weights_in_bytes_per_channel(grey_spec):
    network = library.create_architecture("lenet5", grey_spec)
    images = torch.randint(0, 256, (64, 8, 8, 1), dtype=torch.uint8)
    graph = exporting.network_graph(network, (1, 8, 8))
    source = MemorySource(images, torch.zeros(64, dtype=torch.int64))
    lower = quantize(graph, "int8", source, grey_spec).complete().graph
    held = {tensor.data_type for tensor in lower.initializer if np.prod(tensor.dims) > 200}
    assert onnx.TensorProto.INT8 in held
    assert onnx.TensorProto.FLOAT not in held
    scales = [tensor for tensor in lower.initializer if tensor.name.endswith("weight_scale")]
    assert any(list(tensor.dims) == [16] for tensor in scales)  # one for each of the second convolution's channels
