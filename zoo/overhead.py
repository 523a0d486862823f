"""What Lightning does in every step though nobody asked for it, made cheap: a step of a small network takes 3 ms."""

from __future__ import annotations

import os
from contextlib import AbstractContextManager, nullcontext

import torch
from lightning.pytorch.profilers import PassThroughProfiler


class NoProfiler(PassThroughProfiler):
    """Lightning's default profiler, which times nothing, without a generator for each of 94 calls a step."""

    _nothing = nullcontext()

    def profile(self, action_name: str) -> AbstractContextManager[None]:  # type: ignore[override]  # a generator there
        """Return a context that does nothing."""
        return self._nothing


def answer_cuda_checks_at_once() -> None:
    """Spare a machine without CUDA the search for a driver in each step of an optimizer.

    Each asks whether CUDA is available, and Lightning has that answered by loading the driver's library, which is slow
    where there is none (70 to 170 microseconds here). It is so that CUDA stays usable in forked processes: without CUDA
    nothing is lost.
    """
    if not torch.cuda.is_available():
        os.environ["PYTORCH_NVML_BASED_CUDA_CHECK"] = "0"
