"""zoo fit --folds N: train and test a run for each fold, and say how much their figures vary.

runs/<data set>-<architecture>/folds_<n>/
fold_1 ... fold_N   ordinary runs; fold k is the test split of run k
results.json        mean and standard deviation of the test figures, and the runs
"""

from __future__ import annotations

import argparse
import json
import os
import statistics
from collections.abc import Mapping, Sequence
from contextlib import redirect_stderr, redirect_stdout, suppress
from copy import deepcopy
from pathlib import Path
from typing import Any

from lightning.pytorch.callbacks import Callback
from rich.console import Console
from rich.table import Table

from zoo.config.fit import train
from zoo.config.resolve import resolve
from zoo.config.time_limit import TimeLimit, time_limit
from zoo.core import registry
from zoo.core.code_file import use_code
from zoo.core.console import is_first_process, print_stderr
from zoo.core.errors import UserError
from zoo.runs.config_file import read_config
from zoo.runs.files import write_json
from zoo.runs.folder import Run


def fit(args: Sequence[str], begin: float | None = None) -> list[Run]:
    """Train a new run, or resume one when the first argument is its folder; print the run folder last.

    Args:
        args: the command line after ``zoo fit``; with ``--quiet`` nothing else is printed, errors apart; ``--run NAME``
            as ``name`` of ``train``; with ``--folds N`` as ``train_folds``, and the group folder is printed.
        begin: when the command began, of ``time.monotonic()``: the time of ``--time`` is counted from there.

    Returns:
        The run, or those of the folds; errors as ``train``.
    """
    parser = argparse.ArgumentParser(add_help=False, allow_abbrev=False, exit_on_error=False)
    parser.add_argument("--quiet", action="store_true")
    parser.add_argument("--run")
    parser.add_argument("--folds", type=int)
    parser.add_argument("--time")
    try:
        own, args = parser.parse_known_args(args)
    except argparse.ArgumentError as error:
        needed = {"--run": "the name of the run's folder", "--folds": "a whole number, 2 or more", "--time": "10m"}
        option = str(error.argument_name)
        raise UserError(f"option {option} needs a value: {needed.get(option, 'none')}") from error
    resume = args.pop(0) if args and not args[0].startswith("-") else None
    options: dict[str, Any] = {"quiet": own.quiet, "own_process": True}
    if resume is not None and is_group(resume):
        if own.folds is not None or own.run is not None or own.time is not None:
            raise UserError(f"{resume} is a group of folds, which knows their length; leave --folds, --run, --time out")
        runs = resume_folds(Path(resume), args, **options)
    elif own.folds is None:
        runs = [train(args, resume=resume, name=own.run, limit=time_limit(own.time, begin), **options)]
    else:
        options["limit"] = time_limit(own.time, begin)
        runs = train_folds(own.folds, args, resume=resume, name=own.run, **options)
    if is_first_process():
        print(runs[0].path if len(runs) == 1 else runs[0].path.parent)
    return runs


def is_group(folder: str | os.PathLike[str]) -> bool:
    """Tell whether a folder is the group folder of a training of folds."""
    return Run(Path(folder, "fold_1")).config.is_file()


def train_folds(
    folds: int,
    args: Sequence[str] = (),
    *configs: tuple[str, Mapping[str, Any]],
    resume: str | os.PathLike[str] | None = None,
    name: str | None = None,
    limit: TimeLimit | None = None,
    callbacks: Sequence[Callback] = (),
    quiet: bool = False,
    own_process: bool = False,
) -> list[Run]:
    """Train and test a run for each fold, one after another; with ``data.fold`` that fold alone, as an ordinary run.

    Args:
        folds: their number.
        args: options as on the command line.
        *configs: name and content of configurations; options win over them.
        resume: refused, because folds are new trainings.
        name: of the group folder inside trainer.default_root_dir; folds that are there are resumed.
        limit: refused, because folds train alike.
        callbacks: run beside zoo's own, in each fold; Lightning's own start anew in each.
        quiet: print nothing, errors apart.
        own_process: as in ``train``.

    Returns:
        The runs. Without ``data.fold`` they lie in one group folder.

    Raises:
        UserError: as ``train``; the number is below 2 or contradicts data.folds.
        RunError, Interrupted: as ``train``; folds that are done stay, and ``zoo fit GROUP`` goes on.
    """
    if resume is not None:
        raise UserError(
            f"folds is {folds}, for new trainings, and {os.fspath(resume)} is a run to resume; leave one out"
        )
    if limit is not None:
        raise UserError("folds train alike, and --time is for one training; give --trainer.max_epochs in its place")
    sources, own = resolve(args, *configs), (f"--data.folds={folds}",)
    if str(sources.value("data", "folds") or folds) != str(folds):
        raise UserError(f"--folds is {folds} and data.folds {sources.value('data', 'folds')}; leave one of them out")
    options: dict[str, Any] = {"callbacks": callbacks, "quiet": quiet, "own_process": own_process}
    if sources.value("data", "fold") is not None:
        return [train([*args, *own], *configs, name=name, **options)]
    if folds < 2:
        raise UserError(f"--folds is {folds}; allowed is 2 or more")
    use_code(sources.code)
    root = Path(sources.value("trainer", "default_root_dir") or "runs")
    architecture = registry.recorded("architecture", sources.names["architecture"])["name"]
    group = Run.new_folder(root, sources.names["dataset"], architecture, "folds") if name is None else root / name
    return _train_group(group, folds, [*args, *own], configs, options)


def resume_folds(group: Path, args: Sequence[str], *, quiet: bool = False, own_process: bool = False) -> list[Run]:
    """Go on with a group of folds: resume those that are not finished, and train those that are missing.

    Args:
        group: the group folder.
        args: options that a resumed run takes.
        quiet: as in ``train_folds``.
        own_process: as in ``train``.

    Raises:
        UserError, RunError, Interrupted: as ``train``.
    """
    first = Run(group / "fold_1").config
    config = read_config(first)
    folds = config["data"]["folds"]
    config["data"].pop("fold")
    return _train_group(group, folds, args, [(str(first), config)], {"quiet": quiet, "own_process": own_process})


def _train_group(
    group: Path,
    folds: int,
    args: Sequence[str],
    configs: Sequence[tuple[str, Mapping[str, Any]]],
    options: Mapping[str, Any],
) -> list[Run]:
    """Train and test every fold, print the table and write the group's results.json."""
    runs, rows, callbacks = [], [], options.get("callbacks", ())
    try:
        for fold in range(1, folds + 1):
            if not options["quiet"]:
                print_stderr(f"fold {fold} of {folds}")
            where: dict[str, Any] = {"name": f"fold_{fold}", "group": group, "callbacks": _fresh(callbacks)}
            runs.append(train([*args, f"--data.fold={fold}"], *configs, **{**options, **where}))
            rows.append(_tested(runs[-1]))
    except BaseException:
        with suppress(OSError):  # a folder that holds a run stays
            group.rmdir()
        if is_group(group):
            print_stderr(f"go on with: zoo fit {group}")
        raise
    names = [name for name in rows[0] if name.startswith("test/")]
    figures = {name: [float(row[name]) for row in rows] for name in names}
    summary = {
        name: {"mean": statistics.fmean(values), "std": statistics.stdev(values)} for name, values in figures.items()
    }
    images = [int(row["images"]) for row in rows]
    about = {"folds": folds, "images": sum(images), "runs": [run.path.name for run in runs]}
    write_json(group / "results.json", {**summary, **about})
    if not options["quiet"]:
        show_folds(figures, summary, images)
    return runs


def _fresh(callbacks: Sequence[Callback]) -> list[Callback]:
    """Return the callbacks of one fold: copies of Lightning's own, whose state is that of one training."""
    return [deepcopy(one) if type(one).__module__.startswith("lightning.") else one for one in callbacks]


def _tested(run: Run) -> dict[str, Any]:
    """Return what the test of a run measured; it is not tested again where its results are newer than its weights."""
    results = run.results
    if not results.is_file() or results.stat().st_mtime < run.trained().stat().st_mtime:
        from zoo.config.run import evaluate  # loads matplotlib, which a training needs only at its end

        with open(os.devnull, "w") as nowhere, redirect_stdout(nowhere), redirect_stderr(nowhere):
            evaluate("test", [str(run.path)])
    content: dict[str, Any] = json.loads(results.read_text(encoding="utf-8"))
    return content


def show_folds(
    figures: Mapping[str, list[float]], summary: Mapping[str, Mapping[str, float]], images: list[int]
) -> None:
    """Print the test figures of each fold, their mean and standard deviation; nothing is cut off at any width."""
    table = Table(title="test figures of the folds", title_justify="left")
    for column in ("fold", "images", *(name.removeprefix("test/") for name in figures)):
        table.add_column(column, justify="right", overflow="fold")
    for number, count in enumerate(images):
        table.add_row(str(number + 1), f"{count:,}", *(f"{values[number]:.4f}" for values in figures.values()))
    table.add_section()
    spread = [f"{each['mean']:.4f} ± {each['std']:.4f}" for each in summary.values()]
    table.add_row("mean ± std", f"{sum(images):,}", *spread)
    Console(highlight=False, emoji=False, markup=False).print(table)
