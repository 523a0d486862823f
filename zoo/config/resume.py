"""Which run is resumed, and what may differ from its configuration."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from os import PathLike
from pathlib import Path
from typing import Any

from zoo.config.resolve import resolve
from zoo.core.errors import UserError
from zoo.core.file_builder import is_file_origin
from zoo.runs.folder import Run
from zoo.runs.status import state

#: How long, where and by which kernels a run trains, not what.
RESUME_OPTIONS = (
    "--trainer.",
    "--early_stopping",
    "--logger",
    "--model.compile",
    "--data.device",
    "--data.root",
    "--data.global_batch",
    "--data.num_workers",
    "--data.memory_gib",
    "--print_config",
    "--help",
    "--quiet",
)


def find_run(
    args: Sequence[str],
    configs: Sequence[tuple[str, Mapping[str, Any]]],
    resume: str | PathLike[str] | None,
    name: str | None,
    group: Path | None = None,
) -> Run | None:
    """Return the run to resume: one by its folder, or one by its name if it is there; None for a new one.

    Args:
        args: options as on the command line.
        configs: name and content of configurations.
        resume: the run's folder.
        name: of its folder inside trainer.default_root_dir.
        group: the folder that it is in where that is another one.

    Raises:
        UserError: both are given, the name is none, there is no run, or it cannot follow an option.
    """
    if resume is not None and name is not None:
        raise UserError(f"run {Path(resume)} and --run {name} both say which run; leave one out")
    if resume is not None:
        run = Run.open(Path(resume))
        require_resumable(run, args, [content for _, content in configs])
        return run
    if name is None:
        return None
    require_run_name(name)
    path = Path(group or resolve(args, *configs).value("trainer", "default_root_dir") or "runs", name)
    return None if not path.exists() or Run(path).is_empty() else Run.open(path)


def is_over(run: Run, trainer: Any, epoch: int, step: int) -> bool:
    """Tell whether a run came to its end, and trains no further epoch or step now either.

    Args:
        run: to resume.
        trainer: its options.
        epoch: in which its last checkpoint was saved, from 0.
        step: of that checkpoint.
    """
    epochs = trainer.max_epochs is not None and 0 <= trainer.max_epochs <= epoch + 1
    return (epochs or 0 <= trainer.max_steps <= step) and state(run)[0] == "finished"


def require_run_name(name: str) -> None:
    """Refuse, by a UserError, a --run that is no name of a folder."""
    if not re.fullmatch(r"[^./\\][^/\\]*", name):
        raise UserError(
            f"--run is '{name}'; allowed is the name of a folder inside trainer.default_root_dir, without / and "
            "without a dot at its beginning; to resume a run by its path: zoo fit RUN"
        )


def require_same_config(run: Run, recorded: Mapping[str, Any], config: Mapping[str, Any]) -> None:
    """Refuse, by a UserError that names both values, what differs from the configuration of a run to resume.

    Args:
        run: to resume.
        recorded: the content of its config.yaml.
        config: what its options and its config.yaml make together, in the same form.
    """
    before, now = _flat(recorded), _flat(config)
    # Compare names first: a network of another name also has other arguments, which the user did not type.
    for key in sorted(before.keys() & now.keys(), key=lambda key: (not key.endswith(".name"), key)):
        free = f"--{key}".startswith(RESUME_OPTIONS) or (key.endswith(".from") and not is_file_origin(before[key]))
        if before[key] != now[key] and not free:
            raise UserError(
                f"run {run.path} was trained with {key} {before[key]!r} ({run.config}), received {now[key]!r}; leave "
                "it out to resume the run, or start another one by another --run"
            )


def without_repetitions(callbacks: Any) -> Any:
    """Return callbacks once each: the command that began a run, given again, adds those of its config.yaml."""
    if not isinstance(callbacks, list):
        return callbacks
    return [callback for place, callback in enumerate(callbacks) if callback not in callbacks[:place]]


def require_resumable(run: Run, args: Sequence[str], configs: Sequence[Mapping[str, Any]] = ()) -> None:
    """Refuse, by a UserError, what a resumed run cannot follow: most of it is part of the run's checkpoint.

    Args:
        run: to resume.
        args: options as on the command line.
        configs: contents of configurations, each key of which is an option too.
    """
    options = [arg.partition("=")[0] for arg in args if arg.startswith(("--", "-c"))]
    options += [f"--{key}" for config in configs for key in _flat(config)]
    for option in options:
        if not option.startswith(RESUME_OPTIONS):
            raise UserError(
                f"run {run.path} keeps what it was trained with, {option} included; resuming takes --trainer.*, "
                "--data.global_batch, --model.compile, --early_stopping, --logger and where the data is; for anything "
                f"else train a new run: zoo fit --config {run.config} {option} ..."
            )


def _flat(config: Mapping[str, Any], prefix: str = "") -> dict[str, Any]:
    """Return nested mappings as one, its keys dotted as options are: ``data.root``."""
    flat: dict[str, Any] = {}
    for key, value in config.items():
        flat |= _flat(value, f"{prefix}{key}.") if isinstance(value, Mapping) and value else {prefix + key: value}
    return flat
