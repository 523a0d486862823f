"""What one GPU does under zoo: speeds, bit-equal resuming, prediction. One command, at most 9 minutes, JSON.

    python benchmarks/gpu.py [--device cuda] [--output gpu.json] [--parts lenet5,resume] [--small]

Each part runs in a process of its own that is stopped when its time is over; the file is written after each part, so
that what was measured stays. ``--small`` takes few and small images and short times: with ``--device cpu`` it shows
that every part runs. Photographs are made here: smooth colours with noise, 500x375 pixels, JPEG. The parts
cifar10 and airbench need the data in ``$ZOO_DATA_ROOT``. Nobody has run this on a GPU yet; the figures are open.
"""

from __future__ import annotations

import argparse
import json
import os
import signal
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

from gpu_parts import PARTS, Part

#: Seconds that each part may take; together less than 9 minutes.
LIMITS = {
    "doctor": 30,
    "lenet5": 70,
    "resume": 55,
    "resnet50": 120,
    "frozen": 45,
    "predict": 40,
    "onnx": 40,
    "cifar10": 75,
    "airbench": 60,
}


def measure(name: str, options: argparse.Namespace, folder: Path) -> dict[str, Any]:
    """Run one part in a process of its own, and return what it measured, or why it did not."""
    limit = LIMITS[name] * (8 if options.small else 1)
    command = [sys.executable, __file__, "--part", name, "--device", options.device, "--folder", str(folder)]
    begin = time.perf_counter()
    command += ["--small"] if options.small else []
    streams = {"stdout": subprocess.PIPE, "stderr": subprocess.PIPE, "text": True}
    process = subprocess.Popen(command, start_new_session=True, **streams)
    try:
        out, err = process.communicate(timeout=limit)
    except subprocess.TimeoutExpired:
        os.killpg(process.pid, signal.SIGKILL)  # with the commands that it has started
        process.communicate()
        return {"error": f"stopped after its {limit} s"}
    if process.returncode != 0:
        return {"error": (err.strip().splitlines() or ["no message"])[-1]}
    return json.loads(out.splitlines()[-1]) | {"seconds_in_all": round(time.perf_counter() - begin, 1)}


def main() -> None:
    """Measure the parts, and write the file after each."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--device", choices=["cpu", "cuda"], default="cuda")
    parser.add_argument("--output", type=Path, default=Path("gpu.json"))
    parser.add_argument("--parts", default=",".join(LIMITS), help="names, with commas between them")
    parser.add_argument("--small", action="store_true", help="few and small images, short times")
    parser.add_argument("--part", choices=list(PARTS), help=argparse.SUPPRESS)
    parser.add_argument("--folder", type=Path, help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.part is not None:
        print(json.dumps(PARTS[options.part](Part(options.device, options.small, options.folder))))
        return
    if wrong := [name for name in options.parts.split(",") if name not in PARTS]:
        parser.error(f"--parts has '{wrong[0]}'; allowed are {', '.join(PARTS)}")
    results: dict[str, Any] = {}
    with tempfile.TemporaryDirectory(prefix="zoo-gpu-") as folder:
        for name in options.parts.split(","):
            results[name] = measure(name, options, Path(folder))
            print(f"{name}: {json.dumps(results[name])}", flush=True)
            options.output.write_text(json.dumps(results, indent=2) + "\n")


if __name__ == "__main__":
    main()
