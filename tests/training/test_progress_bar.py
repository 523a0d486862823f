"""What people see of a training, in a terminal, through a pipe, or not at all."""

from __future__ import annotations

import csv
import fcntl
import os
import pty
import re
import struct
import termios

import pytest
import torch

#: What moves the cursor or colours text.
CONTROL = re.compile(r"\x1b\[[0-9;?]*[A-Za-z]")
ONE_EPOCH = ("fit", "--trainer.max_epochs", "1", "--trainer.limit_train_batches", "5")


def in_terminal(start, *words, columns=80):
    """Start a command in a terminal of so many columns; return its lines, each as often as it was drawn."""
    ours, theirs = pty.openpty()
    fcntl.ioctl(theirs, termios.TIOCSWINSZ, struct.pack("HHHH", 40, columns, 0, 0))
    environment = {key: value for key, value in os.environ.items() if key not in ("COLUMNS", "NO_COLOR")}
    process = start(*words, stdin=theirs, stdout=theirs, stderr=theirs, env=environment | {"TERM": "xterm"})
    os.close(theirs)
    text = b""
    while True:
        try:
            text += os.read(ours, 4096)
        except OSError:  # what Linux says at its end
            break
    os.close(ours)
    assert process.wait() == 0, text.decode()
    return re.split(r"[\r\n]+", CONTROL.sub("", text.decode()))


def test_a_terminal_shows_a_table_a_bar_and_a_line_an_epoch(zoo_process):
    lines = in_terminal(zoo_process, *ONE_EPOCH)
    assert any(re.fullmatch(r"│ parameters +│ 21,386 +│", line) for line in lines)
    bars = [line for line in lines if line.endswith(" left")]
    assert bars
    assert all(len(bar) == 80 for bar in bars)
    assert re.match(r"epoch 1/1  loss \d\.\d{4}  accuracy \d+\.\d%  [\d,]+ images/s ", bars[0])
    [epoch] = [line for line in lines if line.endswith("  best")]
    assert re.fullmatch(r"epoch 1/1  loss \S+  val loss \S+  val accuracy \S+%  best", epoch)
    assert len(epoch) <= 80


def test_a_wide_terminal_shows_the_speed_of_each_epoch(zoo_process):
    lines = in_terminal(zoo_process, *ONE_EPOCH, columns=120)
    assert any(re.fullmatch(r"epoch 1/1 .* val accuracy \S+%  [\d,]+ images/s  best", line) for line in lines)


def test_a_pipe_gets_plain_lines(zoo):
    status, out, err = zoo(*ONE_EPOCH)
    assert status == 0
    lines = err.splitlines()
    assert lines[:3] == ["architecture  lenet5", "parameters    21,386", "FLOPs         0.133 million an image"]
    assert lines[3] == "data set      digits: 1,295 train, 143 val and 359 test images"
    assert lines[4:6] == [
        "images        8x8x1, 10 classes",
        "device        cpu, precision 32-true, channels last, not compiled",
    ]
    assert lines[6:8] == ["seed          0", "run           runs/digits-lenet5/version_0"]
    assert (out + err).isascii()
    assert (out + err).replace("\n", "").isprintable()


def test_the_end_says_how_good_it_is_and_what_to_type_next(zoo, tmp_path):
    _, out, err = zoo("fit", "--trainer.max_epochs", 8, "--optimizer.lr", 0.03)
    run = out.splitlines()[-1]
    epoch = torch.load(tmp_path / run / "checkpoints" / "best.ckpt")["epoch"] + 1
    shown = [line for line in out.splitlines() if line.startswith(f"epoch {epoch}/")]
    accuracy = re.search(r"val accuracy (\S+)", shown[0])[1]
    result, following = err.splitlines()[-2:]
    assert result == f"best val accuracy {accuracy}, of epoch {epoch}: {run}/checkpoints/best.ckpt"
    assert following == f"next: zoo test {run}"
    marked = [line for line in out.splitlines() if line.endswith("  best")]
    assert marked[-1] == shown[0]
    with (tmp_path / run / "metrics.csv").open(newline="", encoding="utf-8") as file:
        rows = [row for row in csv.DictReader(file) if row["val/accuracy"]]
    scores = [(float(row["val/accuracy"]), -float(row["val/loss"])) for row in rows]
    better = [number for number in range(8) if scores[number] == max(scores[: number + 1])]
    assert [int(re.match(r"epoch (\d+)/8 ", line)[1]) - 1 for line in marked] == better


def test_a_resumed_run_marks_an_epoch_only_where_it_beats_those_before(zoo, tmp_path):
    _, out, _ = zoo("fit", "--trainer.max_epochs", 2)
    _, out, err = zoo("fit", out.splitlines()[-1], "--trainer.max_epochs", 3, "--trainer.limit_val_batches", 1)
    assert "seed          0, from step 82" in err
    assert len([line for line in out.splitlines() if line.startswith("epoch 3/3")]) == 1


def test_quiet_prints_the_run_alone(zoo):
    assert zoo(*ONE_EPOCH, "--quiet") == (0, "runs/digits-lenet5/version_0\n", "")
    status, out, err = zoo("fit", "--quiet", "--data.batch_size", "-3")
    assert (status, out) == (2, "")
    assert err.splitlines() == ["error: data.batch_size is -3; allowed is 1 or more"]
    assert "max_epochs" in zoo("fit", "--quiet", "--print_config")[1]


@pytest.mark.parametrize("stream", ["stdout", "stderr"])
def test_a_closed_stream_hears_nothing_and_the_other_its_own(zoo_process, stream):
    number = {"stdout": 1, "stderr": 2}[stream]
    process = zoo_process(*ONE_EPOCH, preexec_fn=lambda: os.close(number))
    out, err = process.communicate(timeout=120)
    assert process.returncode == 0
    assert "Traceback" not in out + err
    if stream == "stderr":
        assert [line.split()[0] for line in out.splitlines()] == ["epoch", "runs/digits-lenet5/version_0"]
    else:
        assert err.splitlines()[-1] == "next: zoo test runs/digits-lenet5/version_0"


def test_an_ascii_terminal_gets_ascii(zoo_process):
    process = zoo_process(*ONE_EPOCH, env=os.environ | {"LC_ALL": "C", "PYTHONUTF8": "0", "PYTHONIOENCODING": "ascii"})
    out, err = process.communicate(timeout=120)
    assert process.returncode == 0, err
    assert (out + err).isascii()


def test_a_network_that_cannot_run_on_shapes_alone_is_shown_without_flops(zoo, install):
    source = """
import torch
class Stubborn(torch.nn.Linear):
    def forward(self, images):
        return super().forward(images.flatten(1) * (images.sum().item() > -1e9))
def stubborn(spec):
    return Stubborn(spec.height * spec.width * spec.channels, len(spec.classes))
"""
    install("stubborn-net", "[zoo.architectures]\nstubborn = stubborn_net:stubborn\n", source, "stubborn_net")
    status, _, err = zoo(*ONE_EPOCH, "--model", "stubborn")
    assert status == 0, err
    assert "parameters    650" in err
    assert "FLOPs" not in err


def test_a_long_epoch_in_a_pipe_has_lines_with_the_time(zoo, monkeypatch):
    monkeypatch.setattr("zoo.training.progress_bar.LINE_SECONDS", 0.0)
    limits = ("--trainer.limit_train_batches", 3, "--trainer.limit_val_batches", 1, "--trainer.max_epochs", 1)
    lines = [line for line in zoo("fit", *limits)[1].splitlines() if "step" in line]
    pattern = r"epoch 1/1  step (\d)/3  loss [\d.]+  accuracy [\d.]+%  [\d,]+ images/s  \d\d:\d\d:\d\d"
    assert [re.fullmatch(pattern, line)[1] for line in lines] == ["1", "2", "3"]
