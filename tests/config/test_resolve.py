"""Short names become one explicit form; config files are read strictly."""

from __future__ import annotations

import pytest

from zoo.config.resolve import resolve
from zoo.core.errors import UserError
from zoo.runs.config_file import read_config


@pytest.fixture
def config(tmp_path):
    def write(text: str, name: str = "config.yaml"):
        (tmp_path / name).write_text(text)
        return str(tmp_path / name)

    return write


@pytest.mark.parametrize(
    "words",
    [
        ["--model", "vgg16"],
        ["--model=vgg16"],
        ["--model.architecture", "vgg16"],
        ["--model.architecture.name=vgg16"],
    ],
)
def test_every_way_to_name_an_architecture_means_the_same(words):
    sources = resolve([*words, "--data.batch_size", "8"])
    assert sources.names == {
        "architecture": "vgg16",
        "dataset": "digits",
        "loss": "cross_entropy",
        "task": "classification",
    }
    assert sources.options == ["--data.batch_size=8"]


@pytest.mark.parametrize("text", ["vgg16", "{architecture: vgg16}", "{architecture: {name: vgg16}}"])
def test_a_config_names_an_architecture_bare_or_with_its_sources(config, text):
    sources = resolve(["--config", config(f"model: {text}\n")])
    assert sources.names["architecture"] == "vgg16"
    assert sources.configs == [{"model": {"architecture": {}}}]


def test_options_win_over_config_files_wherever_they_stand(config):
    sources = resolve(["--data.batch_size", "8", "-c", config("data: {batch_size: 4}")])
    assert sources.args == ['--config={"data": {"batch_size": 4}}', "--data.batch_size=8"]


def test_another_architecture_drops_the_sources_of_the_one_before(config):
    path = config("model: {architecture: {name: lenet5, dropout: 0.5}, label_smoothing: 0.1}")
    assert resolve(["--config", path]).configs == [
        {"model": {"architecture": {"dropout": 0.5}, "label_smoothing": 0.1}}
    ]
    sources = resolve(["--config", path, "--model", "vgg16"])
    assert sources.configs == [{"model": {"label_smoothing": 0.1}}]


def test_negative_numbers_are_values():
    assert resolve(["--optimizer.lr", "-0.5", "--flag", "--data.batch_size", "-1"]).options == [
        "--optimizer.lr=-0.5",
        "--flag",
        "--data.batch_size=-1",
    ]


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("model: [", r"config\.yaml:1: "),
        ("data:\n  batch_size: 1\n  batch_size: 2\n", r"config\.yaml:3: key 'batch_size' is given twice"),
        ("a: !!python/object/apply:os.getcwd []", r"config\.yaml:1: could not determine a constructor for the tag"),
        ("1: 2", r"config\.yaml:1: key 1 is not a text"),
        ("- a\n", "received \\['a'\\]; a config is a mapping"),
        ("", "received None"),
        ("model: 3", "model is 3; allowed is a mapping of its options"),
        ("trainer:", "trainer is None; allowed is a mapping of its options"),
        ("model: {architecture: 3}", r"model\.architecture is 3; allowed is a name"),
        ("model: {architecture: {name: [x]}}", "allowed is a name"),
        ("\x00", "character 0x0 is not allowed in YAML"),
    ],
)
def test_a_wrong_config_is_named_with_its_line(config, text, message):
    with pytest.raises(UserError, match=message):
        resolve(["--config", config(text)])


def test_a_missing_config_is_named(tmp_path):
    with pytest.raises(UserError, match=r"nothing\.yaml cannot be read: No such file"):
        read_config(tmp_path / "nothing.yaml")


def test_an_option_without_its_value_is_an_error():
    with pytest.raises(UserError, match="option --model needs a value"):
        resolve(["--model"])
