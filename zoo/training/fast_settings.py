"""What every step of a training costs though nobody asked for it, made cheap: Lightning's and the allocator's work."""

from __future__ import annotations

import ctypes
import os
import platform
from contextlib import AbstractContextManager, nullcontext

import torch
from lightning.pytorch.profilers import PassThroughProfiler

#: glibc's names for two settings of its allocator (malloc.h), and the largest value they take.
M_TRIM_THRESHOLD, M_MMAP_THRESHOLD, MOST = -1, -3, 2**31 - 1


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


def flush_denormals() -> None:
    """Let numbers below 1e-38 be zero, which the processor computes with many times as fast.

    Adam's moments of a weight whose gradient is 0, such as one that sees only black pixels, shrink to such numbers in
    some 800 steps: LeNet-5 on Fashion-MNIST then took 220 microseconds more a step, a fifteenth of it. Threads inherit
    it from the one that starts them, so it comes before anything is computed.
    """
    torch.set_flush_denormal(True)


def keep_freed_memory() -> None:
    """Let the process keep memory that a step frees for the next one, instead of giving it back to the system.

    glibc gives large blocks back at once, and each step faults its features in anew, page by page: 44,800 faults and
    18 % of the time for the tutorial CNN at batch 128, 8 % for ResNet-18 at 224 pixels, on a CPU; what is held at most
    grows by 1 to 5 %. Elsewhere than with glibc nothing is changed.
    """
    if platform.libc_ver()[0] == "glibc":
        libc = ctypes.CDLL(None)
        libc.mallopt(M_MMAP_THRESHOLD, MOST)
        libc.mallopt(M_TRIM_THRESHOLD, MOST)
