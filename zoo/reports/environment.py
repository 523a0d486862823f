"""What this process runs on: versions, platform, and the most memory it has held."""

from __future__ import annotations

import os
import platform
import sys
from importlib.metadata import version
from typing import TYPE_CHECKING

import torch

if TYPE_CHECKING:
    import resource

#: Distributions whose versions tell how a figure came about.
DISTRIBUTIONS = ("zoo-classifiers", "torch", "torchvision", "lightning", "torchmetrics", "numpy")


def environment() -> dict[str, str]:
    """Return versions and platform by name, without the machine's own name and without a path."""
    return {
        "python": platform.python_version(),
        **{name: version(name) for name in DISTRIBUTIONS},
        "platform": f"{platform.system()} {platform.release()} {platform.machine()}",
        "CPU cores": str(os.cpu_count()),
    }


def most_memory(usage: resource.struct_rusage) -> float:
    """Return the most memory a process has held, in MiB, of what ``resource`` or ``os.wait4`` tells of it."""
    unit = 2**20 if sys.platform == "darwin" else 2**10  # bytes there, KiB elsewhere
    return usage.ru_maxrss / unit


def peak_memory(device: torch.device) -> str:
    """Return the most memory that this process has held so far, and on an accelerator of CUDA its tensors."""
    texts = []
    if sys.platform != "win32":
        import resource

        texts.append(f"{most_memory(resource.getrusage(resource.RUSAGE_SELF)):,.0f} MiB")
    if device.type == "cuda":
        texts.append(f"{torch.cuda.max_memory_allocated(device) / 2**20:,.0f} MiB of tensors on {device}")
    return " and ".join(texts) or "not known on this system"
