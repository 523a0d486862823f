"""No test reaches the hub, and the cache of datasets is the test's own."""

from __future__ import annotations

import datasets
import huggingface_hub
import pytest


@pytest.fixture(autouse=True)
def offline(tmp_path_factory, monkeypatch):
    # Where the libraries keep HF_HUB_OFFLINE and HF_HOME, which they read when they are imported; other tests import
    # them, too.
    monkeypatch.setattr(huggingface_hub.constants, "HF_HUB_OFFLINE", True)
    monkeypatch.setattr(datasets.config, "HF_HUB_OFFLINE", True)
    monkeypatch.setattr(datasets.config, "HF_DATASETS_CACHE", tmp_path_factory.mktemp("datasets"))
