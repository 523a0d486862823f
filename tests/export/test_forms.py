"""Three forms of one file: the same answers to the same pictures, by the runtime, and in what the metadata describe."""

from __future__ import annotations

import json
import subprocess
import sys

import numpy as np
import onnx
import pytest
from PIL import Image

from zoo.cli import main
from zoo.export.forms import to_onnx, with_input
from zoo.export.graph import network_graph
from zoo.export.preparation import EXAMPLE, describe_input
from zoo.export.streaming import graph_bytes
from zoo.runtime import Classifier, ModelError, normalised, verify

pytestmark = pytest.mark.filterwarnings("ignore::zoo.runtime.UnlikeTrainingImages")


@pytest.fixture(scope="module")
def forms(digits_model):
    """The files of a run, by their form."""
    run = digits_model.parent
    for form in ("fixed", "float"):
        assert main(["export", str(run), "--input", form, "--batch", "3"]) == 0
    return {"any": digits_model, **{form: run / f"model.{form}.onnx" for form in ("fixed", "float")}}


def pixels(*shape):
    return np.random.default_rng(sum(shape)).integers(0, 256, shape, np.uint8)


@pytest.mark.parametrize("form", ["fixed", "float"])
def test_the_runtime_answers_alike_whatever_the_form(forms, form):
    expected, classifier = Classifier(forms["any"]), Classifier(forms[form])
    assert (classifier.form, expected.form) == (form, "any")
    for shape in [(1, 8, 8, 1), (3, 8, 8, 1), (7, 8, 8, 1), (2, 20, 31, 1), (1, 3, 5, 1)]:
        images = pixels(*shape)
        np.testing.assert_allclose(classifier.probabilities(images), expected.probabilities(images), atol=1e-6)
        np.testing.assert_allclose(classifier.logits(images), expected.logits(images), atol=1e-5)
    assert [each.name for each in classifier.predict(pixels(30, 40, 1))] == [
        each.name for each in expected.predict(pixels(30, 40, 1))
    ]


@pytest.mark.parametrize("form", ["fixed", "float"])
def test_a_file_of_another_form_proves_itself_and_says_its_form(forms, form):
    report = verify(forms[form])
    assert report["input"] == form
    assert report["difference"] <= report["tolerance"]


def test_the_graphs_have_no_dynamic_shape_and_the_types_of_their_form(forms):
    def described(form):
        [images] = Classifier(forms[form]).session.get_inputs()
        return images.type, images.shape

    assert described("any") == ("tensor(uint8)", ["batch", "height", "width", 1])
    assert described("fixed") == ("tensor(uint8)", [3, 8, 8, 1])
    assert described("float") == ("tensor(float)", [3, 1, 8, 8])


def test_old_runtimes_refuse_the_other_forms_by_their_number(forms):
    numbers = {form: _metadata(onnx.load(path))["zoo_format"] for form, path in forms.items()}
    assert numbers == {"any": "2", "fixed": "3", "float": "3"}


def test_the_metadata_prepare_a_picture_as_the_runtime_does(forms):
    for form in ("fixed", "float"):
        classifier = Classifier(forms[form])
        described, golden = classifier.metadata["input"], classifier.metadata["golden"]
        assert described["shape"] == ([3, 8, 8, 1] if form == "fixed" else [3, 1, 8, 8])
        picture = Image.fromarray(pixels(*EXAMPLE)).resize(described["example"]["scaled"][::-1])
        top, left = described["example"]["first_pixel"]
        cut = np.asarray(picture.crop((left, top, left + 8, top + 8)))[..., None]
        assert np.abs(cut.astype(int) - classifier.see(pixels(*EXAMPLE))).max() <= 1
        assert golden["image"]
        assert len(described["example"]["sample"]) == 6
    assert "mean" in described["steps"][-1]


def test_the_example_is_what_becomes_of_the_sample(colour_spec):
    sample = pixels(32, 32, 3)
    values = describe_input(colour_spec, "float", 1, sample)["example"]["sample"]
    assert values == normalised(sample[None], colour_spec.to_dict()).ravel()[:6].tolist()


def test_a_graph_that_contradicts_its_form_is_refused(forms, tmp_path):
    model = onnx.load(forms["any"])
    described = json.loads(_metadata(model)["input"]) | {"form": "fixed"}
    onnx.helper.set_model_props(model, _metadata(model) | {"input": json.dumps(described)})
    onnx.save(model, tmp_path / "other.onnx")
    with pytest.raises(ModelError, match="contradict each other"):
        Classifier(tmp_path / "other.onnx")


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["--batch", "2"], "--batch is 2, but --input any takes batches of any size"),
        (["--input", "fixed", "--batch", "0"], "--batch is 0; allowed is 1 or more"),
        (["--input", "nchw"], "invalid choice: 'nchw'"),
        (["--format", "safetensors", "--input", "fixed"], "--input fixed is for ONNX files"),
    ],
)
def test_a_wrong_form_is_one_line(zoo, digits_model, words, message):
    status, _, err = zoo("export", digits_model.parent, *words)
    assert (status, err.count("\n")) == (2, 1)
    assert message in err


def test_a_file_without_its_weights_in_memory_is_the_file_that_onnx_would_write(grey_spec):
    import zoo as library

    network = library.create_architecture("lenet5", grey_spec)
    graph = with_input(network_graph(network, (1, 8, 8)), grey_spec)
    assert graph.weights
    written = onnx.load_from_string(graph_bytes(graph))
    onnx.checker.check_model(written, full_check=True)
    complete = graph.complete()
    assert [node.name for node in written.graph.node] == [node.name for node in complete.graph.node]
    tensors = {tensor.name: tensor for tensor in complete.graph.initializer}
    for tensor in written.graph.initializer:
        assert tensor == tensors[tensor.name]


def test_a_file_has_one_operator_set_and_an_ir_that_old_engines_read(grey_spec):
    import zoo as library

    model = onnx.load_from_string(to_onnx(library.create_architecture("lenet5", grey_spec), grey_spec))
    assert [(entry.domain, entry.version) for entry in model.opset_import] == [("", 18)]
    assert model.ir_version == 8
    assert "Transpose" not in _operators(_branch(model))  # onnxruntime 1.18 to 1.25 would fuse it with the product


def test_the_weights_alone_start_another_training(zoo, digits_run):
    status, out, err = zoo("export", digits_run, "--format", "safetensors")
    assert (status, err) == (0, "")
    path = out.splitlines()[-1]
    status, _, err = zoo("fit", "--model.weights", path, "--trainer.max_steps", 1, "--trainer.max_epochs", 1)
    assert status == 0, err


def test_export_imports_no_lightning(digits_run):
    program = f"""
import sys
from zoo.cli import main
try:
    main(["export", {str(digits_run)!r}, "--data.num_workers", "0"])
finally:
    assert not {{"lightning", "torchmetrics"}} & set(sys.modules)
"""
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, timeout=200)
    assert done.returncode == 0, done.stderr


def _metadata(model):
    return {entry.key: entry.value for entry in model.metadata_props}


def _branch(model):
    [choice] = [node for node in model.graph.node if node.op_type == "If"]
    return next(attribute.g for attribute in choice.attribute if attribute.name == "else_branch")


def _operators(graph):
    return {node.op_type for node in graph.node}
