"""Make the virtual environments of the engines that test_engines.py runs: ``python environments.py FOLDER [NAME...]``.

An environment holds an engine and what it needs, and nothing of zoo: tests give it zoo/runtime.py and files.
"""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

#: Packages of each engine. A name begins, up to the hyphen, with the kind of engine, as engine.py knows it.
ENGINES = {
    "onnxruntime-1.15": ["onnxruntime==1.15.1", "numpy<2", "pillow>=11.3"],
    "onnxruntime-1.17": ["onnxruntime==1.17.3", "numpy<2", "pillow>=11.3"],
    "onnxruntime-1.18": ["onnxruntime==1.18.1", "numpy<2", "pillow>=11.3"],
    "onnxruntime-1.20": ["onnxruntime==1.20.1", "pillow>=11.3"],
    "onnxruntime-1.23": ["onnxruntime==1.23.2", "pillow>=11.3"],
    "onnxruntime-newest": ["onnxruntime", "pillow>=11.3"],
    "openvino-2024.6": ["openvino==2024.6.0"],
    "openvino-newest": ["openvino"],
    "opencv-4": ["opencv-python-headless<5"],
    "opencv-5": ["opencv-python-headless>=5"],
    "ncnn-newest": ["ncnn", "pnnx"],
    "mnn-newest": ["mnn", "numpy"],
    "tract-newest": ["tract", "numpy"],
    "litert-newest": [
        *("onnx2tf", "onnx", "onnxruntime", "onnx-graphsurgeon", "sng4onnx", "psutil"),
        *("tensorflow-cpu", "tf-keras", "ai-edge-litert"),
    ],
}


def make(folder: Path, names: list[str]) -> None:
    """Make environments that are not there; the output says which one fails."""
    for name in names or ENGINES:
        python = folder / name / "bin" / "python"
        if not python.exists():
            subprocess.run([sys.executable, "-m", "venv", str(folder / name)], check=True)
            subprocess.run([str(python), "-m", "pip", "install", "--quiet", *ENGINES[name]], check=True)


if __name__ == "__main__":
    make(Path(sys.argv[1]), sys.argv[2:])
