"""Modules of 0.1 that plugins import still work, and warn."""

from __future__ import annotations

import sys
from importlib import import_module

import pytest

import zoo


@pytest.mark.parametrize(
    ("module", "names"),
    [
        ("zoo.spec", ["InputSpec", "Interpolation", "Resize"]),
        ("zoo.weights", ["PublishedWeights"]),
        ("zoo.datasets.arrays", ["ArrayDataset"]),
    ],
)
def test_an_old_module_warns_and_leads_to_the_public_names(module, names, monkeypatch):
    monkeypatch.delitem(sys.modules, module, raising=False)
    with pytest.warns(DeprecationWarning, match=f"{module} is deprecated; import its names from zoo"):
        old = import_module(module)
    assert all(getattr(old, name) is getattr(zoo, name) for name in names)
