"""The precision that training takes where the user sets none."""

from __future__ import annotations

import pytest
import torch

from zoo.training.fast_settings import cannot_clip, default_precision, fast_bfloat16, tf32_products


@pytest.mark.parametrize(
    ("device", "units", "precision"),
    [("cuda", True, "bf16-mixed"), ("cuda", False, "32-true"), ("cpu", True, "32-true"), ("mps", True, "32-true")],
)
def test_only_a_gpu_with_units_for_bfloat16_trains_in_it(monkeypatch, device, units, precision):
    monkeypatch.setattr(torch.cuda, "is_bf16_supported", lambda including_emulation: units)
    assert default_precision(device) == precision


def test_a_cpu_without_tiles_is_slow_in_bfloat16(monkeypatch):
    monkeypatch.setattr(torch.cpu, "_is_amx_tile_supported", lambda: False)
    assert not fast_bfloat16("cpu")


def test_tf32_is_chosen_for_a_while():
    before = torch.backends.cuda.matmul.allow_tf32, torch.backends.cudnn.allow_tf32
    for wanted in (True, False):
        with tf32_products(wanted):
            assert (torch.backends.cuda.matmul.allow_tf32, torch.backends.cudnn.allow_tf32) == (wanted, wanted)
    with tf32_products(None):
        assert (torch.backends.cuda.matmul.allow_tf32, torch.backends.cudnn.allow_tf32) == before
    assert (torch.backends.cuda.matmul.allow_tf32, torch.backends.cudnn.allow_tf32) == before


@pytest.mark.parametrize(
    ("precision", "clip", "optimizer", "refused"),
    [
        ("16-mixed", 1.0, {"fused": True}, True),
        ("bf16-mixed", 1.0, {"fused": True}, False),
        ("16-mixed", None, {"fused": True}, False),
        ("16-mixed", 1.0, {"fused": False}, False),
    ],
)
def test_only_scaled_gradients_of_a_fused_optimizer_cannot_be_clipped(precision, clip, optimizer, refused):
    assert cannot_clip(precision, clip, optimizer) is refused
