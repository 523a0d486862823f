"""Process settings that cut per-step overhead, and the precision that suits the device."""

from __future__ import annotations

import ctypes
import os
import platform
from collections.abc import Iterator, Mapping
from contextlib import AbstractContextManager, contextmanager, nullcontext
from typing import Any, Literal

import torch
from lightning.pytorch import Trainer
from lightning.pytorch.profilers import PassThroughProfiler

#: glibc's names for two settings of its allocator (malloc.h), and the largest value they take.
M_TRIM_THRESHOLD, M_MMAP_THRESHOLD, MOST = -1, -3, 2**31 - 1


class NoProfiler(PassThroughProfiler):
    """Lightning's default profiler, which times nothing, without a generator for each of 94 calls a step."""

    _nothing = nullcontext()

    def profile(self, action_name: str) -> AbstractContextManager[None]:  # type: ignore[override]  # a generator there
        """Return a context that does nothing."""
        return self._nothing


def skip_cuda_driver_search() -> None:
    """On a machine without CUDA, keep optimizer steps from searching for its driver.

    Each step asks whether CUDA is available, and Lightning lets torch load the driver's library for the answer: 70 to
    170 microseconds where there is none. Lightning does so to keep CUDA usable in forked processes; without CUDA
    nothing is lost.
    """
    if not torch.cuda.is_available():
        os.environ["PYTORCH_NVML_BASED_CUDA_CHECK"] = "0"


def flush_denormals() -> None:
    """Round numbers below 1e-38 to zero, because processors compute with them many times slower.

    Adam's moments of a weight whose gradient is 0, such as one that sees only black pixels, shrink to such numbers in
    some 800 steps: LeNet-5 on Fashion-MNIST then took 220 microseconds more a step, a fifteenth of it. Threads inherit
    the setting from the thread that starts them, so it comes before anything is computed.
    """
    torch.set_flush_denormal(True)


def keep_freed_memory() -> None:
    """Let the process keep the memory that a step frees, for the next step.

    glibc gives large blocks back to the system at once, and each step then maps its features anew, page by page: 44,800
    page faults and 18 % of the time for the tutorial CNN at batch 128, 8 % for ResNet-18 at 224 pixels, on a CPU. Peak
    memory grows by 1 to 5 %. Without glibc nothing changes.
    """
    if platform.libc_ver()[0] == "glibc":
        libc = ctypes.CDLL(None)
        libc.mallopt(M_MMAP_THRESHOLD, MOST)
        libc.mallopt(M_TRIM_THRESHOLD, MOST)


def fast_bfloat16(device: str) -> bool:
    """Tell whether a device has units for products of bfloat16; without them, they are slower than float32.

    On a CPU with AVX-512 alone, a convolution of 64 maps ran at a quarter of float32's speed.

    Args:
        device: type of a device, such as cuda or cpu.
    """
    if device == "cuda":
        return bool(torch.cuda.is_bf16_supported(including_emulation=False))
    return device == "cpu" and bool(torch.cpu._is_amx_tile_supported())


def default_precision(device: str) -> Literal["bf16-mixed", "32-true"]:
    """Return the Trainer's precision where the user sets none.

    bf16-mixed on GPUs with units for bfloat16, else float32: small networks, which people train on CPUs, lose more time
    by casting than they gain.

    Args:
        device: type of a device, such as cuda or cpu.
    """
    return "bf16-mixed" if device == "cuda" and fast_bfloat16(device) else "32-true"


@contextmanager
def tf32_products(wanted: bool | None) -> Iterator[None]:
    """Let GPUs multiply matrices and convolve with TF32, or keep them from it; the process's own choice comes back.

    TF32 (NVIDIA GPUs since 2020) keeps 10 of the 23 bits of a float32 number's fraction.

    Args:
        wanted: None leaves torch's choice.
    """
    places = [(torch.backends.cuda.matmul, "allow_tf32"), (torch.backends.cudnn, "allow_tf32")]
    before = [getattr(*place) for place in places]
    try:
        for place in places if wanted is not None else []:
            setattr(*place, wanted)
        yield
    finally:
        for place, value in zip(places, before, strict=True):
            setattr(*place, value)


def cannot_clip(precision: Any, clip_value: float | None, optimizer: Mapping[str, Any]) -> bool:
    """Tell whether an optimizer's fused kernel keeps gradients from being clipped.

    It does in 16-mixed, whose gradients are scaled, and a fused optimizer takes the scale off only in its own step.

    Args:
        precision: the Trainer's.
        clip_value: the Trainer's gradient_clip_val.
        optimizer: arguments of its class.
    """
    return bool(clip_value) and precision in (16, "16", "16-mixed") and bool(optimizer.get("fused"))


def device_facts(trainer: Trainer) -> dict[str, Any]:
    """Return what computes: ``{"device": "cuda", "devices": 2, "precision": "bf16-mixed"}``."""
    return {
        "device": trainer.strategy.root_device.type,
        "devices": trainer.world_size,
        "precision": str(trainer.precision),
    }
