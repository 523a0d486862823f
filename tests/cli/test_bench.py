"""zoo bench measures what zoo fit trains."""

from __future__ import annotations

import json
import multiprocessing

import pytest
import torch
from PIL import Image

from zoo.cli.bench import advice
from zoo.cli.speed import BenchCLI, Speeds, _rate, data_speed, step_speed
from zoo.config.resolve import resolve

#: LightningCLI calls what jsonargparse will remove in version 5; the command itself keeps that to itself.
pytestmark = pytest.mark.filterwarnings("ignore::DeprecationWarning")


def folder_of_images(path):
    """Write images that can stream, as digits cannot, and return the options that name them."""
    for name in ("a", "b"):
        (path / "photos" / name).mkdir(parents=True)
        for number in range(12):
            Image.new("L", (8, 8), number * 20).save(path / "photos" / name / f"{number}.png")
    return ["--data", "folder", "--data.root", str(path / "photos"), "--data.split_seed", "3"]


def test_a_training_and_its_parts_are_measured_and_compared(zoo, tmp_path):
    options = ("--rounds", 1, "--seconds", 0.2, "--against", "loop,lightning", "--output", "bench.json")
    status, out, err = zoo("bench", *options, "--data.batch_size", 64, "--data.num_workers", 0)
    assert status == 0, err
    for row in ("data path alone", "network step alone", "zoo fit", "loop", "lightning", "arithmetic alone"):
        assert row in out
    found = json.loads((tmp_path / "bench.json").read_text())
    assert (found["model"], found["data"], found["batch_size"]) == ("lenet5", "digits", 64)
    speeds = found["images_per_second"]
    assert all(value > 0 for values in speeds.values() for value in values)
    assert found["shares"] == {part: speeds["fit"][0] / speeds[part][0] for part in ("data", "step")}
    assert found["memory_mib"] > 100
    assert list(tmp_path.iterdir()) == [tmp_path / "bench.json"]  # no run folder


def test_the_step_trains_in_the_precision_of_the_trainer():
    cli = BenchCLI("bench", resolve(["--trainer.precision", "bf16-mixed"]), None)
    seen = []
    cli.model.network.register_forward_hook(lambda module, args, output: seen.append(output.dtype))
    before = {name: weight.clone() for name, weight in cli.model.named_parameters()}
    assert step_speed(cli, 0.01) > 0
    assert set(seen) == {torch.bfloat16}
    assert any(not torch.equal(before[name], weight) for name, weight in cli.model.named_parameters())


def test_no_process_reads_beside_what_is_measured_next(tmp_path):
    streaming = ("--data.memory_gib", "0", "--data.num_workers", "2", "--data.batch_size", "4")
    cli = BenchCLI("bench", resolve([*folder_of_images(tmp_path), *streaming]), None)
    before = set(multiprocessing.active_children())
    for measured in (data_speed, step_speed):
        assert measured(cli, 0.01) > 0
        assert set(multiprocessing.active_children()) == before


def test_bfloat16_is_not_advised_where_it_is_slow(monkeypatch):
    monkeypatch.setattr("zoo.training.fast_settings.fast_bfloat16", lambda device: False)
    speeds = Speeds([900.0], [90.0], [85.0], floor=100.0)
    assert "bf16" not in " ".join(advice(BenchCLI("bench", resolve([]), None), speeds))


@pytest.mark.parametrize(
    ("data", "step", "fit", "word"),
    [(10.0, 90.0, 9.0, "num_workers"), (900.0, 90.0, 20.0, "around each batch"), (900.0, 90.0, 85.0, "bf16-mixed")],
)
def test_the_advice_is_about_what_takes_the_time(monkeypatch, data, step, fit, word):
    monkeypatch.setattr("zoo.training.fast_settings.fast_bfloat16", lambda device: True)
    cli = BenchCLI("bench", resolve([]), None)
    speeds = Speeds([data], [step], [fit], floor=100.0)
    assert word in advice(cli, speeds)[0]


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["--rounds", "0"], "--rounds is 0 and --seconds 5.0; allowed are 1 or more and more than 0"),
        (["--against", "keras"], "--against is 'keras'; allowed are loop and lightning"),
        (["--output", "x.csv"], "--output is 'x.csv'; allowed are names that end in .json"),
        (["--output", "no/x.json"], "--output is 'no/x.json', but there is no folder no; make it first"),
        (["runs/x"], "unexpected word 'runs/x'"),
        (["--model", "lenet"], "did you mean 'lenet5'"),
        (["--data.batch_sise", "3"], "did you mean '--data.batch_size'"),
        (["--against", "loop", "--data.memory_gib", "0"], "the loop trains on data in memory, and this streams"),
        (["--trainer.limit_train_batches", "x"], "limit_train_batches"),
        (["--device", "tpu"], "--device"),
    ],
)
def test_bad_input_is_one_line(zoo, tmp_path, words, message):
    if "--data.memory_gib" in words:
        words = [*words, *folder_of_images(tmp_path)]
    status, _, err = zoo("bench", *words)
    assert (status, err.count("\n")) == (2, 1), err
    assert message in err


def test_a_gpu_is_waited_for_once_however_many_calls_are_timed(monkeypatch):
    waits, calls = [], []
    monkeypatch.setattr(torch.cuda, "synchronize", lambda device: waits.append(len(calls)))
    rate = _rate(lambda: calls.append(None), 0.01, torch.device("cuda"))
    assert rate > 0
    assert len(waits) < 40 < len(calls)
