"""The precision that training takes where the user sets none."""

from __future__ import annotations

import pytest
import torch

from zoo.training.fast_settings import default_precision, fast_bfloat16


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
