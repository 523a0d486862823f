"""The smallest case of each kind that the fuzz run has found once."""

from __future__ import annotations

import onnx
import pytest
import torch
from fuzz.checkpoint_files import content, saved
from fuzz.harness import CANARY, Case
from fuzz.rules import error_lines, problems
from fuzz.values import MISSING, replaced
from fuzz.workshop import SMALL

pytestmark = pytest.mark.filterwarnings("default")

FIT = ("fit", "--data", "folder", *SMALL)
RESUME = ("fit", "case/run", "--trainer.max_epochs", "2")
PREDICT = ("predict", "case/run", "photos/ant/0.png")

#: Command lines, and what the error says.
LINES = {
    "a value that is empty": ((*FIT, "--data.fold", ""), "data.fold: received ''; allowed is"),
    "a value that is no UTF-8": ((*FIT, "--trainer.benchmark", "\udcff"), "is not UTF-8"),
    "a long value": (("info", "lenet5", "--channels", "a" * 5000), " ... "),
    "a run that does not begin": ((*FIT, "--model.ema", "3416320802"), "model.ema is"),
    "a number for a key": ((*FIT, "--data.batch_size", "{0}"), "data.batch_size: received a mapping with a key"),
    "an empty word": ((*FIT, ""), "unexpected word ''"),
    "a NUL in the name of a config file": ((*FIT, "--config", "\0"), "has a NUL in its name"),
    "a config joined to its option": (("fit", "-cgone.yaml"), "config file gone.yaml cannot be read"),
}

#: Fields of a checkpoint, what stands there, the command that reads it, and what the error says.
FIELDS = {
    "figures of an epoch without a sum": (
        ("callbacks", "TrainingFigures", "correct"),
        MISSING,
        RESUME,
        "callbacks",
    ),
    "text for the state of a parameter": (
        ("optimizer_states", 0, "state", 0, "exp_avg"),
        "x",
        RESUME,
        "optimizer_states",
    ),
    "a parameter without its average": (
        ("optimizer_states", 0, "state", 0),
        {},
        RESUME,
        "optimizer_states",
    ),
    "a tensor among hyperparameters": (
        ("hyper_parameters", "metrics"),
        [torch.zeros(1)],
        ("export", "case/run", "--format", "safetensors"),
        "without tensors",
    ),
    "a mapping for the random state": (("random_state", "cpu"), {}, RESUME, "random_state is"),
    "a number too large for a float": (
        ("hyper_parameters", "l1"),
        10**400,
        ("validate", "case/run"),
        "hyper_parameters.l1 is 1000",
    ),
    "a mapping for a number": (("hyper_parameters", "l1"), {}, ("validate", "case/run"), "hyper_parameters.l1 is"),
    "text for the mean": (("hyper_parameters", "spec", "mean"), ["x"], PREDICT, "mean of an InputSpec is"),
    "a stranger's network": (("hyper_parameters", "architecture", "name"), f"{CANARY}:build", PREDICT, CANARY),
}

#: Files of a run, their bytes, the command that reads them, and what the error says.
RUN_FILES = {
    "ranges cut off": ("training_images.json", b"{", PREDICT, "training_images.json is damaged"),
    "ranges of text": ("training_images.json", b'{"contrast": ["a", 1]}', PREDICT, "allowed is a mapping of names"),
    "ranges that are no UTF-8": ("training_images.json", b'"\x80"', PREDICT, "no JSON in UTF-8"),
    "a temperature of nothing": ("calibration.json", b'{"temperature": null, "step": 2}', PREDICT, "temperature above"),
    "metrics of text": ("metrics.csv", b"epoch,step\nx,1\n", ("card", "case/run"), "metrics.csv:2 is damaged"),
    "metrics without the step": ("metrics.csv", b"epoch,stop\n1,2\n", RESUME, "metrics.csv:1 is damaged"),
    "metrics of a row too long": ("metrics.csv", b"epoch,step\n1,2,3\n", RESUME, "metrics.csv:2 is damaged"),
    "a config without data": ("config.yaml", b"model: lenet5", ("card", "case/run"), "data.dataset.name is None"),
}

SPEC_OF_HUGE_MEAN = """{"classes": ["ant", "bee"], "channels": 3, "height": 16, "width": 16, "mean": [1%s, 0, 0],
"std": [1, 1, 1], "resize": {"crop": 1.0, "interpolation": "bilinear", "fit": "cover"}, "white_level": 65535}""" % (
    "0" * 400
)

#: Keys of an exported file's metadata, what stands there, and what the error says.
METADATA = {
    "no thresholds at all": ("thresholds", "3", "thresholds is 3"),
    "classes of nothing": ("classes", "null", "classes is null"),
    "a temperature in a list": ("temperature", "[1]", "temperature is [1]"),
    "ranges of one number": ("training_images", '{"contrast": [1]}', "training_images is"),
    "a sample of text": ("golden", '"x"', "golden is"),
    "a number too large for a float": ("temperature", "1" + "0" * 400, "temperature is 1"),
    "a mean too large for a float": ("input_spec", SPEC_OF_HUGE_MEAN, "input_spec.mean is [1"),
    "no JSON": ("input_spec", "[" * 5000, "input_spec in its metadata is no JSON"),
}


def check(sandbox, case, text):
    """Run a case; compare its error line."""
    outcome = sandbox.run(case)
    assert not problems(case, outcome), (problems(case, outcome), outcome)
    assert text in error_lines(outcome)[0]


@pytest.mark.parametrize("name", LINES)
def test_a_command_line_ends_in_one_line(sandbox, name):
    argv, text = LINES[name]
    check(sandbox, Case(argv), text)


@pytest.mark.parametrize("name", FIELDS)
def test_a_field_of_a_checkpoint_is_named(sandbox, workshop, name):
    path, value, argv, text = FIELDS[name]
    data = saved(replaced(content(workshop), path, lambda _: value))
    files = {"run/checkpoints/last.ckpt": data, "run/checkpoints/best.ckpt": data}
    check(sandbox, Case(argv, files, run=True), text)


def test_a_checkpoint_without_the_source_of_its_network_has_a_card(sandbox, workshop):
    data = saved(replaced(content(workshop), ("hyper_parameters", "architecture", "from"), lambda _: MISSING))
    case = Case(("card", "case/run"), {"run/checkpoints/best.ckpt": data}, run=True, writes=("case/",))
    outcome = sandbox.run(case)
    assert (outcome.status, problems(case, outcome)) == (0, [])


@pytest.mark.parametrize("name", RUN_FILES)
def test_a_file_of_a_run_is_named(sandbox, name):
    file, data, argv, text = RUN_FILES[name]
    check(sandbox, Case(argv, {f"run/{file}": data}, run=True), text)


@pytest.mark.parametrize("name", METADATA)
def test_a_value_of_metadata_is_named(sandbox, workshop, name):
    key, value, text = METADATA[name]
    model = onnx.load(workshop / "model.onnx")
    [model.metadata_props.remove(entry) for entry in list(model.metadata_props) if entry.key == key]
    model.metadata_props.add(key=key, value=value)
    case = Case(("predict", "case/m.onnx", "photos/ant/0.png"), {"m.onnx": model.SerializeToString()})
    check(sandbox, case, text)


def test_weights_in_a_file_of_the_working_folder_are_not_read(sandbox, workshop):
    model = onnx.load(workshop / "model.onnx")
    weights = max(model.graph.initializer, key=lambda one: len(one.raw_data))
    files = {"w.bin": weights.raw_data}
    weights.ClearField("raw_data")
    weights.data_location = onnx.TensorProto.EXTERNAL
    weights.external_data.add(key="location", value="case/w.bin")
    files["m.onnx"] = model.SerializeToString()
    check(sandbox, Case(("verify", "case/m.onnx"), files), "keeps its weights in another file")


def test_a_graph_that_does_not_run_is_named(sandbox, workshop):
    model = onnx.load(workshop / "model.onnx")
    for dimension in model.graph.input[0].type.tensor_type.shape.dim[1:3]:
        dimension.dim_value = 1
    case = Case(("predict", "case/m.onnx", "photos/ant/0.png"), {"m.onnx": model.SerializeToString()})
    check(sandbox, case, "case/m.onnx: ")


def test_a_damaged_image_has_no_words_of_python_in_its_error(sandbox):
    case = Case(("predict", "model.onnx", "case/0.ppm"), {"0.ppm": b"P6\n2p 2\n255\n" + bytes(12)})
    check(sandbox, case, "case/0.ppm: not a readable image (24 bytes): it is damaged")


def test_a_link_that_leads_to_itself_is_no_image(sandbox):
    check(sandbox, Case(("predict", "model.onnx", "odd")), "odd: no image in this folder")


def test_a_run_whose_seed_is_a_list_is_listed_as_damaged(sandbox, workshop):
    config = (workshop / "tiny" / "config.yaml").read_bytes().replace(b"seed_everything: 0", b"seed_everything: [0]")
    case = Case(("runs", "case"), {"run/config.yaml": config}, run=True)
    outcome = sandbox.run(case)
    assert (outcome.status, problems(case, outcome)) == (0, [])
    assert "seed_everything is [0]; allowed is a whole number" in outcome.err


def test_a_state_of_other_size_is_named(sandbox, workshop):
    path = ("random_state", "cpu")
    data = saved(replaced(content(workshop), path, lambda _: torch.zeros(3, dtype=torch.uint8)))
    check(sandbox, Case(RESUME, {"run/checkpoints/last.ckpt": data}, run=True), "random_state is")
