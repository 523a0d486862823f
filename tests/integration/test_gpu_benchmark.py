"""benchmarks/gpu.py runs on the CPU at reduced sizes."""

import json
import subprocess
import sys
from pathlib import Path

import pytest

SCRIPT = Path(__file__).parents[2] / "benchmarks" / "gpu.py"

#: What each part measures; cifar10 needs its data.
MEASURED = {
    "doctor": {"doctor", "device", "torch"},
    "lenet5": {"float32", "bfloat16", "by hand"},
    "resume": {"bit-equal"},
    "resnet50": {"memory", "files", "torchvision's loader"},
    "frozen": {"images_per_second"},
    "predict": {"images_per_second", "images"},
    "onnx": {"seconds"},
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


@pytest.mark.slow
def test_every_part_measures_something(tmp_path):
    done, output = run(tmp_path, ",".join(MEASURED))

    assert done.returncode == 0, done.stderr
    results = json.loads(output.read_text())
    for name, figures in MEASURED.items():
        assert figures <= results[name].keys(), results[name]
    assert results["resume"]["bit-equal"]
