"""benchmarks/gpu.py runs on the CPU at reduced sizes."""

import importlib
import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

SCRIPT = Path(__file__).parents[2] / "benchmarks" / "gpu.py"

#: What each part measures.
MEASURED = {
    "doctor": {"doctor", "device", "torch"},
    "lenet5": {"float32", "bfloat16", "by hand"},
    "resume": {"bit-equal"},
    "resnet50": {"memory", "files", "torchvision's loader", "decoders"},
    "frozen": {"images_per_second"},
    "predict": {"images_per_second", "images"},
    "onnx": {"seconds"},
}

#: The parts that need the data.
WITH_DATA = {
    "cifar10": {"accuracy", "training_seconds"},
    "airbench": {"accuracy", "training_seconds", "epochs", "target", "reached"},
}


def run(folder, parts):
    command = [sys.executable, "-W", "ignore", SCRIPT, "--device", "cpu", "--small", "--parts", parts]
    done = subprocess.run([*command, "--output", folder / "gpu.json"], capture_output=True, text=True, check=False)
    return done, folder / "gpu.json"


def test_a_part_that_is_not_there_is_named(tmp_path):
    done, output = run(tmp_path, "resume,lenet")

    assert done.returncode == 2
    assert "--parts has 'lenet'; allowed are doctor" in done.stderr
    assert not output.exists()


def test_the_parts_take_at_most_nine_minutes_together(monkeypatch):
    monkeypatch.syspath_prepend(SCRIPT.parent)
    gpu = importlib.import_module("gpu")

    assert sum(gpu.LIMITS.values()) <= 9 * 60
    assert gpu.LIMITS.keys() == gpu.PARTS.keys() == MEASURED.keys() | WITH_DATA.keys()


@pytest.mark.slow
@pytest.mark.parametrize("parts", [MEASURED, WITH_DATA], ids=["made data", "CIFAR-10"])
def test_every_part_measures_something(tmp_path, parts):
    if parts is WITH_DATA and not Path(os.environ.get("ZOO_DATA_ROOT", ""), "cifar-10-batches-py").is_dir():
        pytest.skip("ZOO_DATA_ROOT does not name a folder with cifar-10-batches-py: real data is not there")

    done, output = run(tmp_path, ",".join(parts))

    assert done.returncode == 0, done.stderr
    results = json.loads(output.read_text())
    for name, figures in parts.items():
        assert figures <= results[name].keys(), results[name]
    if parts is MEASURED:
        assert results["resume"]["bit-equal"]
