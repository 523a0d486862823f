"""The figures of a run's test, which is made where they are missing or older than the weights."""

from __future__ import annotations

import os
from contextlib import redirect_stderr, redirect_stdout
from typing import Any

from zoo.runs.folder import Run
from zoo.runs.records import read_record


def tested(run: Run) -> dict[str, Any]:
    """Return what the test of a run measured, as results.json holds it; errors as ``zoo.config.run.evaluate``."""
    results = run.results
    if not results.is_file() or results.stat().st_mtime < run.trained().stat().st_mtime:
        from zoo.config.run import evaluate  # loads matplotlib, which a training needs only at its end

        with open(os.devnull, "w") as nowhere, redirect_stdout(nowhere), redirect_stderr(nowhere):
            evaluate("test", [str(run.path)])
    return read_record(results)
