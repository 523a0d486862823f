"""Where batches of a training are made: small data sets on the GPU itself, others in memory that it copies from."""

from __future__ import annotations

import os
from typing import Literal

import torch

from zoo.data.item_reader import BAD
from zoo.data.loader import Loader
from zoo.data.sources import MemorySource, StreamSource

#: auto keeps a small data set on the GPU that trains; cpu keeps it in the machine's memory.
Place = Literal["auto", "cpu"]

#: Share of a GPU's free memory that a split may take.
SHARE = 0.25

#: Processes that read images by default, at most, without and with a GPU. ResNet-50 on an H100 takes some 3,000 images
#: a second, and a core decodes some 200.
MOST_WORKERS, MOST_WORKERS_ON_GPU = 8, 32


def place(loader: Loader, device: torch.device, wanted: Place = "auto") -> Loader:
    """Let a loader make its batches where they cost a GPU the least; they hold the same bits anywhere.

    Images in memory, of which no step changes single ones, go to the GPU where they fit. Those that worker processes
    read come in pinned memory, from which a GPU copies while it computes.

    Args:
        loader: of any split; it is changed.
        device: that computes.
        wanted: ``data.device``.

    Returns:
        The loader.
    """
    source = loader.source
    if device.type != "cuda":
        return loader
    if isinstance(source, StreamSource):
        source.pin()
    elif type(source) is MemorySource and wanted == "auto":
        free, _ = torch.cuda.mem_get_info(device)
        if may_move(source, SHARE * free):
            loader.source = source.on(device)
    return loader


def may_move(source: MemorySource, limit: float) -> bool:
    """Tell whether a source may move to a GPU: it fits into so many bytes, and no image is left out of its batch.

    To leave an image out, the process would have to wait for the GPU in each step.
    """
    labels = source.labels[source.rows]
    return len(source) * source.images[:1].nbytes <= limit and not bool((labels == BAD).any())


def default_workers() -> int:
    """Return how many processes read images: one a core, divided among the processes of a machine that train."""
    affinity = getattr(os, "sched_getaffinity", None)  # Linux alone has it
    cores = len(affinity(0)) if affinity is not None else os.cpu_count() or 1
    try:
        processes = max(1, int(os.environ.get("LOCAL_WORLD_SIZE", "1")))  # torchrun's
    except ValueError:
        processes = 1
    most = MOST_WORKERS_ON_GPU if torch.cuda.is_available() else MOST_WORKERS
    return max(1, min(cores // processes, most))
