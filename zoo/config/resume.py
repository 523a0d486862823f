"""What may differ when a run is resumed."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from zoo.core.errors import UserError
from zoo.runs.folder import Run

#: How long, where and by which kernels a run trains, not what.
RESUME_OPTIONS = (
    "--trainer.",
    "--early_stopping",
    "--logger",
    "--model.compile",
    "--data.root",
    "--data.num_workers",
    "--data.memory_gib",
    "--print_config",
    "--help",
    "--quiet",
)


def require_resumable(run: Run, args: Sequence[str], configs: Sequence[Mapping[str, Any]] = ()) -> None:
    """Refuse, by a UserError, what a resumed run cannot follow: most of it is part of the run's checkpoint.

    Args:
        run: to resume.
        args: options as on the command line.
        configs: contents of configurations, each key of which is an option too.
    """
    options = [arg.partition("=")[0] for arg in args if arg.startswith(("--", "-c"))]
    options += [f"--{key}" for config in configs for key in _keys(config)]
    for option in options:
        if not option.startswith(RESUME_OPTIONS):
            raise UserError(
                f"run {run.path} keeps what it was trained with, {option} included; resuming takes --trainer.*, "
                "--model.compile, --early_stopping, --logger and where the data is; for anything else train a new run: "
                f"zoo fit --config {run.config} {option} ..."
            )


def _keys(config: Mapping[str, Any], prefix: str = "") -> list[str]:
    """Return the keys of nested mappings, dotted down to the options they are: ``data.root``."""
    keys = []
    for key, value in config.items():
        keys += _keys(value, f"{prefix}{key}.") if isinstance(value, Mapping) and value else [prefix + key]
    return keys
