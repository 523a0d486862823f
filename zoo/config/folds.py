"""zoo fit --folds N and --seeds N: what the runs of a group are; zoo.config.group trains them."""

from __future__ import annotations

import argparse
import os
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from lightning.pytorch.callbacks import Callback

from zoo.config.builder import DEFAULT_SEED
from zoo.config.fit import train
from zoo.config.group import train_group
from zoo.config.resolve import ConfigSources, resolve
from zoo.config.resume import require_run_name
from zoo.config.time_limit import TimeLimit, time_limit
from zoo.core import registry
from zoo.core.code_file import use_code
from zoo.core.console import is_first_process
from zoo.core.errors import UserError
from zoo.core.trust import restricted
from zoo.runs.config_file import read_config
from zoo.runs.folder import Run
from zoo.runs.groups import Kind, RunGroup, is_group


def fit(args: Sequence[str], begin: float | None = None) -> list[Run]:
    """Train a new run, or resume one when the first argument is its folder; print the run folder last.

    Args:
        args: the command line after ``zoo fit``; with ``--quiet`` nothing else is printed, errors apart; ``--run NAME``
            as ``name`` of ``train``; with ``--folds N`` or ``--seeds N`` as ``train_several``, and the group folder is
            printed.
        begin: when the command began, of ``time.monotonic()``: the time of ``--time`` is counted from there.

    Returns:
        The run, or those of the group; errors as ``train``.
    """
    parser = argparse.ArgumentParser(add_help=False, allow_abbrev=False, exit_on_error=False)
    parser.add_argument("--quiet", action="store_true")
    parser.add_argument("--run")
    parser.add_argument("--folds", type=int)
    parser.add_argument("--seeds", type=int)
    parser.add_argument("--time")
    try:
        own, args = parser.parse_known_args(args)
    except argparse.ArgumentError as error:
        needed = {"--run": "the name of the run's folder", "--time": "10m"}
        needed |= dict.fromkeys(("--folds", "--seeds"), "a whole number, 2 or more")
        option = str(error.argument_name)
        raise UserError(f"option {option} needs a value: {needed.get(option, 'none')}") from error
    resume = args.pop(0) if args and not args[0].startswith("-") else None
    options: dict[str, Any] = {"quiet": own.quiet, "own_process": True}
    if resume is not None and is_group(resume):
        if {own.folds, own.seeds, own.run, own.time} != {None}:
            raise UserError(
                f"{resume} is a group of runs, which knows its own; leave --folds, --seeds, --run and --time out"
            )
        runs = resume_group(Path(resume), args, **options)
    elif own.folds is None and own.seeds is None:
        runs = [train(args, resume=resume, name=own.run, limit=time_limit(own.time, begin), **options)]
    else:
        options["limit"] = time_limit(own.time, begin)
        runs = train_several(own.folds, own.seeds, args, resume=resume, name=own.run, **options)
    if is_first_process():
        print(runs[0].path if len(runs) == 1 else runs[0].path.parent)
    return runs


@restricted()
def train_several(
    folds: int | None,
    seeds: int | None,
    args: Sequence[str] = (),
    *configs: tuple[str, Mapping[str, Any]],
    resume: str | os.PathLike[str] | None = None,
    name: str | None = None,
    limit: TimeLimit | None = None,
    callbacks: Sequence[Callback] = (),
    quiet: bool = False,
    own_process: bool = False,
) -> list[Run]:
    """Train and test a run for each fold or each seed, one after another, in one group folder.

    With ``data.fold`` that fold alone is trained, as an ordinary run. Seeds count upwards from seed_everything.

    Args:
        folds: their number, or None.
        seeds: likewise; one of the two is given.
        args: options as on the command line.
        *configs: name and content of configurations; options win over them.
        resume: refused, because these are new trainings.
        name: of the group folder inside trainer.default_root_dir; runs that are there are resumed.
        limit: refused, because the runs train alike.
        callbacks: run beside zoo's own, in each run; Lightning's own start anew in each.
        quiet: print nothing, errors apart.
        own_process: as in ``train``.

    Returns:
        The runs.

    Raises:
        UserError: as ``train``; a number is below 2, or options contradict each other.
        RunError, Interrupted: as ``train``; runs that are done stay, and ``zoo fit GROUP`` goes on.
    """
    sources = resolve(args, *configs)
    count = _require_group(folds, seeds, sources, resume, limit)
    own = () if folds is None else (f"--data.folds={folds}",)
    options: dict[str, Any] = {"callbacks": callbacks, "quiet": quiet, "own_process": own_process}
    if folds is not None and sources.value("data", "fold") is not None:
        return [train([*args, *own], *configs, name=name, **options)]
    if count < 2:
        raise UserError(f"--{'seeds' if folds is None else 'folds'} is {count}; allowed is 2 or more")
    numbers = range(1, count + 1) if seeds is None else _seeds(sources, count)
    if name is not None:
        require_run_name(name)
    use_code(sources.code)
    root = Path(sources.value("trainer", "default_root_dir") or "runs")
    architecture = registry.recorded("architecture", sources.names["architecture"])["name"]
    kind: Kind = "folds" if seeds is None else "seeds"
    path = Run.new_folder(root, sources.names["dataset"], architecture, kind) if name is None else root / name
    return train_group(RunGroup(path, kind, tuple(numbers)), [*args, *own], configs, options)


def _require_group(
    folds: int | None,
    seeds: int | None,
    sources: ConfigSources,
    resume: str | os.PathLike[str] | None,
    limit: TimeLimit | None,
) -> int:
    """Return the number of runs; UserError where options contradict each other."""
    title, count = ("seeds", seeds or 0) if folds is None else ("folds", folds)
    if folds is not None and seeds is not None:
        raise UserError(
            f"--folds is {folds} and --seeds {seeds}; leave one out, or give one fold: --data.folds N --data.fold K"
        )
    if resume is not None:
        raise UserError(
            f"{title} is {count}, for new trainings, and {os.fspath(resume)} is a run to resume; leave one out"
        )
    if limit is not None:
        raise UserError(f"{title} train alike, and --time is for one training; give --trainer.max_epochs in its place")
    if folds is not None and str(sources.value("data", "folds") or folds) != str(folds):
        raise UserError(f"--folds is {folds} and data.folds {sources.value('data', 'folds')}; leave one of them out")
    return count


def _seeds(sources: ConfigSources, count: int) -> range:
    """Return the seeds from seed_everything upwards."""
    values = [config["seed_everything"] for config in sources.configs if "seed_everything" in config]
    option = "--seed_everything="
    values += [one.removeprefix(option) for one in sources.options if one.startswith(option)]
    first = str(([DEFAULT_SEED, *(value for value in values if value is not None)])[-1])
    if not first.isdecimal():
        raise UserError(f"seed_everything is {first}, and --seeds counts from it; allowed is a whole number")
    return range(int(first), int(first) + count)


def resume_group(path: Path, args: Sequence[str], *, quiet: bool = False, own_process: bool = False) -> list[Run]:
    """Go on with a group: resume the runs that are not finished, and train those that are missing.

    Args:
        path: the group folder.
        args: options that a resumed run takes.
        quiet: as in ``train_several``.
        own_process: as in ``train``.

    Raises:
        UserError, RunError, Interrupted: as ``train``.
    """
    group = RunGroup.open(path)
    first = next(run.config for run in group.runs if run.config.is_file())
    config = read_config(first)
    if group.kind == "folds":
        config["data"].pop("fold")
    else:
        config.pop("seed_everything")
    return train_group(group, args, [(str(first), config)], {"quiet": quiet, "own_process": own_process})
