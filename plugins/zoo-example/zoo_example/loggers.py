"""lines: a logger, which writes each row of figures as one line of JSON."""

from __future__ import annotations

import json
from argparse import Namespace
from typing import Any

from lightning.pytorch.loggers.logger import Logger

from zoo import LoggedRun


class JsonLines(Logger):
    """Appends to a file in the run folder."""

    def __init__(self, run: LoggedRun, file: str) -> None:
        super().__init__()
        self.path = run.path / file

    @property
    def name(self) -> str:
        """The file's name."""
        return self.path.name

    @property
    def version(self) -> str:
        """What a resumed run gets as ``run.tracker_id``."""
        return self.path.parent.name

    def log_metrics(self, metrics: dict[str, float], step: int | None = None) -> None:
        """Add a line."""
        with self.path.open("a", encoding="utf-8") as file:
            print(json.dumps({"step": step, **metrics}), file=file)

    def log_hyperparams(self, params: dict[str, Any] | Namespace, *args: Any, **kwargs: Any) -> None:
        """Do nothing: config.yaml has them."""


def lines(run: LoggedRun, file: str = "lines.jsonl") -> JsonLines:
    """Write each row of metrics.csv as a line of JSON too.

    Args:
        run: the run.
        file: name in its folder.
    """
    return JsonLines(run, file)
