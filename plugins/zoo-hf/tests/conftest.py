"""No test reaches the hub, and the caches of datasets are this run's own."""

from __future__ import annotations

import os
import tempfile

os.environ["HF_HUB_OFFLINE"] = "1"  # read when the libraries are imported
os.environ["HF_HOME"] = tempfile.mkdtemp(prefix="zoo-hf-")
