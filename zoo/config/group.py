"""Train and test the runs of a group, one after another, and say how much their figures vary.

runs/<data set>-<architecture>/folds_<n>/ or seeds_<n>/
group.json      the folds or the seeds, from the beginning: a group that is interrupted goes on with them
fold_1 ...      ordinary runs: fold k is the test split of run k; seed_0 ... differ in seed_everything
results.json    mean and standard deviation of the test figures, and the runs
"""

from __future__ import annotations

import statistics
from collections.abc import Mapping, Sequence
from contextlib import suppress
from copy import deepcopy
from typing import Any

from lightning.pytorch.callbacks import Callback
from rich.console import Console
from rich.table import Table

from zoo.config.fit import train
from zoo.config.tested import tested
from zoo.core.console import print_stderr
from zoo.core.errors import NoSplitError, UserError
from zoo.runs.config_file import read_config
from zoo.runs.files import write_json
from zoo.runs.folder import Run
from zoo.runs.groups import Kind, RunGroup, is_group
from zoo.runs.metrics import History, Monitor

#: The option that makes a run of each number.
OPTIONS: Mapping[Kind, str] = {"folds": "--data.fold", "seeds": "--seed_everything"}


def train_group(
    group: RunGroup,
    args: Sequence[str],
    configs: Sequence[tuple[str, Mapping[str, Any]]],
    options: Mapping[str, Any],
) -> list[Run]:
    """Train and test every run of a group, print the table and write the group's results.json.

    Args:
        group: the folder may be there, with some of the runs.
        args: options as on the command line, of all runs.
        configs: name and content of configurations of all runs.
        options: quiet, own_process and callbacks, as ``zoo.config.fit.train`` takes them.

    Raises:
        UserError, RunError, Interrupted: as ``train``; runs that are done stay.
    """
    _require_same(group)
    rows: list[dict[str, Any]] = []
    try:
        group.path.mkdir(parents=True, exist_ok=True)
        write_json(group.path / "group.json", group.content())
        for place, (number, run) in enumerate(zip(group.numbers, group.runs, strict=True), start=1):
            if not options["quiet"]:
                of = f"of {len(group.numbers)}" if group.kind == "folds" else f"({place} of {len(group.numbers)})"
                print_stderr(f"{group.kind.removesuffix('s')} {number} {of}")
            own = {"name": run.path.name, "group": group.path, "callbacks": _fresh(options.get("callbacks", ()))}
            train([*args, f"{OPTIONS[group.kind]}={number}"], *configs, **{**options, **own})
            rows.append(_measured(run))
    except BaseException:
        if is_group(group.path):
            print_stderr(f"go on with: zoo fit {group.path}")
        else:
            with suppress(OSError):  # a folder that holds something else stays
                (group.path / "group.json").unlink(missing_ok=True)
                group.path.rmdir()
        raise
    _summarise(group, rows, quiet=options["quiet"])
    return group.runs


def _require_same(group: RunGroup) -> None:
    """Refuse, by a UserError, a folder that holds a run, or runs of other folds or seeds."""
    if Run(group.path).config.is_file():
        raise UserError(f"{group.path} is a run, and no group of {group.kind}; choose another --run")
    if is_group(group.path) and (before := RunGroup.open(group.path)) != group:
        raise UserError(
            f"{group.path} has {before.kind} {', '.join(map(str, before.numbers))}, received {group.kind} "
            f"{', '.join(map(str, group.numbers))}; go on with: zoo fit {group.path}, or choose another --run"
        )


def _fresh(callbacks: Sequence[Callback]) -> list[Callback]:
    """Return the callbacks of one run: copies of Lightning's own, whose state is that of one training."""
    return [deepcopy(one) if type(one).__module__.startswith("lightning.") else one for one in callbacks]


def _measured(run: Run) -> dict[str, Any]:
    """Return what the test of a run measured, or its best validation where its data has no test split."""
    try:
        return tested(run)
    except NoSplitError:
        best = History.of(run).best(Monitor.of(read_config(run.config)))
        return {name: value for name, value in best.items() if name.startswith("val/")}


def _summarise(group: RunGroup, rows: Sequence[Mapping[str, Any]], *, quiet: bool) -> None:
    names = [name for name in rows[0] if name.startswith(("test/", "val/"))]
    figures = {name: [float(row[name]) for row in rows] for name in names}
    summary = {
        name: {"mean": statistics.fmean(values), "std": statistics.stdev(values)} for name, values in figures.items()
    }
    images = [int(row["images"]) for row in rows if "images" in row]
    # Each fold tests images of its own, seeds test the same.
    total = sum(images) if group.kind == "folds" else next(iter(images), None)
    numbers = len(group.numbers) if group.kind == "folds" else list(group.numbers)
    about = {group.kind: numbers, "images": total, "runs": [run.path.name for run in group.runs]}
    write_json(group.path / "results.json", {**summary, **about})
    if not quiet:
        show_group(group, figures, summary, images, total)


def show_group(
    group: RunGroup,
    figures: Mapping[str, list[float]],
    summary: Mapping[str, Mapping[str, float]],
    images: Sequence[int],
    total: int | None,
) -> None:
    """Print the figures of each run, their mean and standard deviation; nothing is cut off at any width.

    Args:
        group: the runs.
        figures: of each run, by name.
        summary: mean and std, by name.
        images: that each run was tested on; empty where there is no test split.
        total: different images.
    """
    one = group.kind.removesuffix("s")
    split = next(iter(figures), "test/").partition("/")[0]
    table = Table(title=f"{split} figures of the {group.kind}", title_justify="left")
    for column in (one, *(["images"] if images else []), *(name.partition("/")[2] for name in figures)):
        table.add_column(column, justify="right", overflow="fold")
    for place, number in enumerate(group.numbers):
        count = [f"{images[place]:,}"] if images else []
        table.add_row(str(number), *count, *(f"{values[place]:.4f}" for values in figures.values()))
    table.add_section()
    spread = [f"{each['mean']:.4f} ± {each['std']:.4f}" for each in summary.values()]
    table.add_row("mean ± std", *([f"{total:,}"] if images else []), *spread)
    Console(highlight=False, emoji=False, markup=False).print(table)
