"""The command line: what it prints, its one-line errors, its exit statuses."""

from __future__ import annotations

import errno
import json
import os
import re
import subprocess
import sys

import pytest
import yaml
from PIL import Image
from support import error_of

from zoo.cli.parser import COMMANDS
from zoo.runs.folder import Run


def test_list_shows_every_name(zoo):
    status, out, _ = zoo("list")
    assert status == 0
    for name in ("lenet5", "digits", "mnist", "fashion_mnist", "cifar10", "cifar100", "folder"):
        assert f" {name} " in out


def test_list_takes_a_kind_and_a_pattern(zoo):
    _, out, _ = zoo("list", "datasets", "*mnist*")
    assert "fashion_mnist" in out
    assert "cifar10" not in out
    assert "lenet5" not in out
    assert "did you mean 'mnist'" in error_of(zoo("list", "*mnst*"))


def test_info_shows_documentation_and_options(zoo):
    _, out, _ = zoo("info", "lenet5")
    assert "LeCun" in out
    assert "--model.architecture.dropout" in out
    _, out, _ = zoo("info", "cifar10")
    assert "Krizhevsky" in out
    assert "did you mean 'cifar10'" in error_of(zoo("info", "cifar11"))


def test_a_module_run_is_the_same_program():
    done = subprocess.run([sys.executable, "-m", "zoo", "--version"], capture_output=True, text=True, check=True)
    assert done.stdout.startswith("zoo ")


@pytest.mark.parametrize(
    ("words", "message"),
    [
        ("fti", "unknown command 'fti'; did you mean 'fit'"),
        ("fit --model lenet6", "unknown architecture 'lenet6'; did you mean 'lenet5'"),
        ("fit --data minst", "unknown data set 'minst'; did you mean 'mnist'"),
        ("fit --modle lenet5", "unknown option --modle; did you mean '--model'"),
        ("fit --trainer.max_epoch 3", "unknown option --trainer.max_epoch; did you mean '--trainer.max_epochs'"),
        ("fit --max_epochs 3", "did you mean '--trainer.max_epochs'"),
        ("fit --model.architecture.dropot 0.1", "did you mean '--model.architecture.dropout'"),
        ("fit --model.architecture.dropout 1.5", "dropout is 1.5; allowed is 0 or more and less than 1"),
        ("fit --model.architecture.variant x", "model.architecture.variant: received 'x'; allowed is 'keras', '1998'"),
        ("fit --data.batch_size x", "data.batch_size: received 'x'; allowed is int"),
        ("fit --trainer.max_epochs ten", "trainer.max_epochs: received 'ten'; allowed is int"),
        ("fit --model.mixup no", "model.mixup: received 'no'; allowed is float"),
        ("fit --model.class_weights rare", "model.class_weights: received 'rare'; allowed is 'balanced' or list"),
        ("fit --trainer.logger foo.Bar", "trainer.logger: class 'foo.Bar': No module named 'foo'"),
        ("fit --data.batch_size -3", "data.batch_size is -3; allowed is 1 or more"),
        ("fit --data.batch_size 99999", "has 1295 training images"),
        ("fit --data.image_size 4", "cannot work at 4x4 pixels; the smallest side it can is 8"),
        ("fit --optimizer Foo", "unknown optimizer 'Foo' ('zoo list optimizers' shows all)"),
        ("fit --optimizer.lx 1", "Option 'lx' is not accepted"),
        ("fit --optimizer SGD --optimizer.lr x", "lr: received 'x'; allowed is float"),
        ("fit --lr_scheduler StepLR", "the following arguments are required: step_size"),
        ("fit --trainer.accelerator xpu", "invalid accelerator name"),
        ("fit --trainer.max_epochs -5", "must be a non-negative integer or -1"),
        ("fit --trainer.limit_train_batches 0", "nothing was trained"),
        ("fit --seed_everything -3", "seed_everything is -3; allowed is 0 to 4294967295"),
        ("fit --seed_everything x", "seed_everything: received 'x'; allowed is bool or int"),
        ("fit --ckpt_path gone.ckpt", "checkpoint gone.ckpt does not exist"),
        ("fit --data", "option --data needs a value"),
        ("fit nowhere", "nowhere is not a run folder: it does not exist"),
        ("fit --config gone.yaml", "config file gone.yaml cannot be read"),
        ("test nowhere", "nowhere is not a run folder"),
        ("validate", "required: RUN"),
        ("predict nowhere x.png", "x.png: no such file or folder"),
        ("list a b c", "zoo list takes"),
        ("list --colour", "unknown option --colour of 'zoo list'"),
    ],
)
def test_a_wrong_command_is_one_line_and_status_2(zoo, tmp_path, words, message):
    assert message in error_of(zoo(*words.split()))
    assert not list(tmp_path.glob("runs/*/*"))


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("model: [", "config.yaml:1"),
        ("modle: {architecture: lenet5}", "unknown key 'modle.architecture' in config.yaml; did you mean 'model.arch"),
        (
            "trainer: {max_epoch: 3}",
            "'trainer.max_epoch' in config.yaml; did you mean 'trainer.max_epochs'",
        ),
        ("model: {architecture: {name: lenet5, dropuot: 1}}", "did you mean 'model.architecture.dropout'"),
        ("data: {batch_size: many}", "data.batch_size in config.yaml: received 'many'; allowed is int"),
        ("optimizer: {class_path: torch.optim.Adan}", "optimizer in config.yaml: class 'torch.optim.Adan': module"),
        (
            "optimizer: {class_path: no.such.Thing}",
            "config.yaml: no.such.Thing is not imported: files may name classes of",
        ),
        ("model: {architecture: vgg17}", "unknown architecture 'vgg17'"),
        ("trainer: {max_steps: null}", "trainer.max_steps in config.yaml: received null; allowed is int"),
        ("data: {memory_gib: null}", "data.memory_gib in config.yaml: received null; allowed is float"),
        ("model: {architecture: {name: lenet5, dropout: null}}", "dropout in config.yaml: received null; allowed is"),
        ("optimizer: null", "optimizer in config.yaml: received null; allowed is Optimizer"),
        (
            "optimizer: {class_path: torch.optim.Adam, init_args: {weight_decay: null}}",
            "optimizer.init_args.weight_decay in config.yaml: received null; allowed is float",
        ),
        ("trainer: {max_time: {a: 1}}", "trainer.max_time is {'a': 1}; allowed are weeks, days, hours, minutes"),
        ("trainer: {val_check_interval: {a: 1}}", "trainer.val_check_interval is {'a': 1}; allowed are weeks, days"),
        ("seed_everything: null", "seed_everything in config.yaml: received null; allowed is bool or int"),
    ],
)
def test_a_wrong_config_is_one_line_and_status_2(zoo, tmp_path, text, message):
    (tmp_path / "config.yaml").write_text(text)
    assert message in error_of(zoo("fit", "--config", "config.yaml"))


def test_debug_shows_the_traceback(zoo):
    status, _, err = zoo("fit", "--model", "lenet6", "--debug")
    assert status == 2
    assert "Traceback" in err


def test_missing_data_without_a_network_is_one_line(zoo, tmp_path, monkeypatch):
    monkeypatch.setattr("torchvision.datasets.CIFAR10.url", "http://127.0.0.1:9/cifar-10-python.tar.gz")
    line = error_of(zoo("fit", "--data", "cifar10", "--data.root", tmp_path))
    assert "http://127.0.0.1:9/cifar-10-python.tar.gz (170 MB)" in line
    assert f"put it at {tmp_path / 'cifar-10-python.tar.gz'}" in line


def test_print_config_shows_what_would_run(zoo, tmp_path):
    status, out, _ = zoo("fit", "--model", "lenet5", "--model.architecture.dropout", "0.2", "--print_config")
    assert status == 0
    config = yaml.safe_load(out)
    assert config["model"]["architecture"] == {"name": "lenet5", "variant": "keras", "dropout": 0.2}
    assert not (tmp_path / "runs").exists()


def test_help_of_fit_shows_the_options_of_the_names(zoo):
    status, out, _ = zoo("fit", "--data", "folder", "--help")
    assert status == 0
    assert out.startswith("usage: zoo fit [RUN] [--model NAME] [--data NAME]")
    for option in ("--model.architecture.dropout", "--data.dataset.channels", "--data.batch_size"):
        assert option in out


def test_help_of_fit_begins_with_what_most_use_and_is_complete(zoo):
    _, out, _ = zoo("fit", "--model", "cnn", "--help")
    assert out.index("most used:") < out.index("examples:") < out.index("architecture cnn:") < out.index("trainer:")
    assert out.index("--model.architecture.layout") < out.index("--model.l1 ") < out.index("--trainer.accelerator ")
    assert all(len(line) <= 80 for line in out[: out.index("options:")].splitlines())
    for option in ("--optimizer.help", "--lr_scheduler", "--seed_everything", "--ckpt_path", "--data.skip_bad"):
        assert option in out
    assert "--model CONFIG" not in out


def test_help_names_every_command_in_a_group(zoo, install):
    install("plugin-greet", "[zoo.commands]\ngreet = plugin_greet:greet\n")
    status, out, _ = zoo("--help")
    assert status == 0
    for command in COMMANDS:
        assert len(re.findall(rf"^  {command} +\S", out, re.MULTILINE)) == 1
    assert "  greet     of plugin-greet 1.0" in out
    assert "usage: zoo test [-h] [--on FOLDER]" in zoo("test", "--help")[1]


def test_a_run_without_a_checkpoint_is_never_evaluated(zoo, tmp_path):
    run = tmp_path / "run"
    (run / "checkpoints").mkdir(parents=True)
    (run / "config.yaml").write_text("model: {architecture: lenet5}\n")
    for words in (("test", run), ("validate", run), ("predict", run, tmp_path)):
        Image.new("L", (8, 8)).save(tmp_path / "image.png")
        assert "has no checkpoint" in error_of(zoo(*words))


def test_a_checkpoint_of_another_architecture_names_both(zoo, digits_run):
    checkpoint = digits_run / "checkpoints" / "best.ckpt"
    line = error_of(zoo("fit", "--model.architecture.dropout", "0.5", "--ckpt_path", checkpoint))
    assert "'lenet5' (variant=keras, dropout=0.0), the configuration asks for 'lenet5' (" in line


def test_a_checkpoint_of_other_classes_lists_them(zoo, digits_run, tmp_path):
    for name in ("ant", "bee"):
        (tmp_path / "photos" / name).mkdir(parents=True)
        for number in range(10):
            Image.new("RGB", (8, 8)).save(tmp_path / "photos" / name / f"{number}.png")
    checkpoint = digits_run / "checkpoints" / "best.ckpt"
    line = error_of(zoo("fit", "--data", "folder", "--data.root", "photos", "--ckpt_path", checkpoint))
    assert "not expected: ant, bee; missing: 0, 1" in line


def test_a_run_keeps_its_model_and_data(zoo, digits_run, tmp_path):
    (tmp_path / "x").write_text("seed_everything: 1")  # as a config
    assert "leave --model and --data out" in error_of(zoo("test", digits_run, "--data", "mnist"))
    for option in ("--data", "--optimizer.lr", "--model.label_smoothing", "--config", "--ckpt_path"):
        assert f"keeps what it was trained with, {option} included" in error_of(zoo("fit", digits_run, option, "x"))


def test_predict_writes_what_it_shows(zoo, digits_run, tmp_path):
    (tmp_path / "folder" / "deep").mkdir(parents=True)
    for number in range(3):
        Image.new("L", (20, 30), number * 50).save(tmp_path / "folder" / "deep" / f"ü {number}.png")
    Image.new("RGB", (8, 8), "red").save(tmp_path / "one.png")
    status, out, _ = zoo("predict", digits_run, "one.png", "folder", "--output", "p.csv", "--top_k", 2)
    assert status == 0
    assert "one.png" in out
    lines = (tmp_path / "p.csv").read_text().splitlines()
    assert lines[0] == "file,class,probability,class_2,probability_2,warning,error"
    assert [line.split(",")[0] for line in lines[1:]] == ["one.png", *(f"folder/deep/ü {n}.png" for n in range(3))]
    zoo("predict", digits_run, "one.png", "--output", "p.json", "--top_k", 10)
    [row] = json.loads((tmp_path / "p.json").read_text())
    assert sum(guess["probability"] for guess in row["predictions"]) == pytest.approx(1, abs=1e-5)


@pytest.mark.parametrize(
    ("words", "message"),
    [
        ("bad.jpg --strict", "bad.jpg: not a readable image (5 bytes)"),
        ("gone.png good.png", "gone.png: no such file or folder"),
        ("empty", "empty: no image in this folder"),
        ("good.png --output p.txt", "--output is 'p.txt'; allowed are names that end in .csv, .json, .jsonl"),
        ("good.png --output no/p.csv", "there is no folder no"),
        ("good.png --top_k 0", "--top_k is 0; allowed is 1 or more"),
        ("good.png --top_k x", "invalid int value"),
    ],
)
def test_predict_names_what_it_cannot_use(zoo, digits_run, tmp_path, words, message):
    (tmp_path / "bad.jpg").write_text("hello")
    (tmp_path / "empty").mkdir()
    Image.new("L", (8, 8)).save(tmp_path / "good.png")
    assert message in error_of(zoo("predict", digits_run, *words.split()))


@pytest.mark.parametrize(("given", "meant"), [("1", "1"), ("1.0", "1.0"), ("0.5", "0.5")])
def test_a_limit_is_a_count_or_a_share_as_it_is_written(zoo, given, meant):
    """Whichever of Optional[Union[int, float]] and Optional[Union[float, int]] typing met first."""
    status, out, err = zoo("fit", "--trainer.limit_train_batches", given, "--print_config")
    assert status == 0, err
    assert f"limit_train_batches: {meant}\n" in out


def test_a_file_that_the_user_may_not_use_is_named_alone(zoo, digits_run, tmp_path, monkeypatch):
    def refused(self):
        raise PermissionError(errno.EACCES, os.strerror(errno.EACCES), "run/best.ckpt")

    monkeypatch.setattr(Run, "trained", refused)
    error = error_of(zoo("card", digits_run))
    assert error == "error: run/best.ckpt: Permission denied; make it usable for this user, or use another place"
