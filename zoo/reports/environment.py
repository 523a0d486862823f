"""Describe what this process runs on: versions, platform, peak memory."""

from __future__ import annotations

import os
import platform
import sys
from importlib.metadata import version
from typing import TYPE_CHECKING

import torch

if TYPE_CHECKING:
    import resource

#: Distributions whose versions a report records.
DISTRIBUTIONS = ("zoo-classifiers", "torch", "torchvision", "lightning", "torchmetrics", "numpy")


def environment() -> dict[str, str]:
    """Return versions and platform by name; the machine's name and local paths are left out."""
    return {
        "python": platform.python_version(),
        **{name: version(name) for name in DISTRIBUTIONS},
        "platform": f"{platform.system()} {platform.release()} {platform.machine()}",
        "CPU cores": str(os.cpu_count()),
    }


def most_memory(usage: resource.struct_rusage) -> float:
    """Return the peak memory of a process in MiB, from what ``resource`` or ``os.wait4`` returns."""
    unit = 2**20 if sys.platform == "darwin" else 2**10  # bytes there, KiB elsewhere
    return usage.ru_maxrss / unit


def peak_memory(device: torch.device) -> str:
    """Return the peak memory of this process so far, and on a CUDA device that of its tensors, as text."""
    texts = []
    if sys.platform != "win32":
        import resource

        texts.append(f"{most_memory(resource.getrusage(resource.RUSAGE_SELF)):,.0f} MiB")
    if device.type == "cuda":
        texts.append(f"{torch.cuda.max_memory_allocated(device) / 2**20:,.0f} MiB of tensors on {device}")
    return " and ".join(texts) or "not known on this system"
