"""What the device at hand does well: which precision a training takes where none is asked for."""

from __future__ import annotations

from typing import Literal

import torch


def fast_bfloat16(device: str) -> bool:
    """Tell whether products of bfloat16 have units of their own; elsewhere they are slower than float32.

    On a CPU with AVX-512 alone, a convolution of 64 maps ran at a quarter of float32's speed.

    Args:
        device: type of a device, such as cuda or cpu.
    """
    if device == "cuda":
        return bool(torch.cuda.is_bf16_supported(including_emulation=False))
    return device == "cpu" and bool(torch.cpu._is_amx_tile_supported())


def default_precision(device: str) -> Literal["bf16-mixed", "32-true"]:
    """Return Trainer's precision for a training of which none is asked for.

    On GPUs with units for bfloat16 it is bf16-mixed. On CPUs it is float32: small networks, which are what one trains
    there, spend more on casting than they win.

    Args:
        device: type of a device, such as cuda or cpu.
    """
    return "bf16-mixed" if device == "cuda" and fast_bfloat16(device) else "32-true"
