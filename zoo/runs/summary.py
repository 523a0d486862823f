"""The table of zoo runs, from the small files of run folders; a run with a damaged file is listed as damaged."""

from __future__ import annotations

import os
import re
import sys
from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass
from datetime import datetime
from fnmatch import fnmatchcase
from pathlib import Path
from typing import Any

from zoo.core.errors import UserError
from zoo.runs.config_file import NAMED_OPTIONS, read_config
from zoo.runs.files import require_json, write_json
from zoo.runs.folder import RUN_COLUMNS, Run, size_of, size_text
from zoo.runs.groups import group_lines, natural, recipe
from zoo.runs.metrics import History, Monitor
from zoo.runs.records import read_record
from zoo.runs.status import state, trained_on

#: Columns whose highest values come first.
DOWNWARDS = ("val", "test", "epochs", "date", "size")

#: Columns of a line about runs that differ in seed or fold only.
GROUP_COLUMNS = ("data", "model", "val", "test", "runs", "path")


@dataclass
class Row:
    """What the files of one run hold; None where they do not.

    Args:
        path: the folder.
        data: registered name of the data set.
        model: registered name of the architecture.
        val: validation accuracy of the best checkpoint, 0 to 1.
        test: accuracy of the last test, 0 to 1.
        epochs: epochs trained.
        max_epochs: epochs to train.
        date: when its last training began, ISO 8601 with its time zone.
        state: finished, failed, running, interrupted, or damaged.
        device: what trained it, and in which precision, such as ``2xcuda/bf16-mixed``.
        size: of its files in bytes.
        seed: of the training.
        fold: the fold that is its test split, from 1.
        recipe: a digest of its configuration, which runs share that differ in seed or fold only.
        note: what is wrong with its files.
    """

    path: str
    data: str | None = None
    model: str | None = None
    val: float | None = None
    test: float | None = None
    epochs: int | None = None
    max_epochs: int | None = None
    date: str | None = None
    state: str | None = None
    device: str | None = None
    size: int | None = None
    seed: int | None = None
    fold: int | None = None
    recipe: str | None = None
    note: str | None = None


def show_runs(folder: str = "runs", sort: str = "date", pattern: str = "", output: str | None = None) -> list[Row]:
    """Print a line for each run in a folder, at any depth, and to stderr what is wrong with one.

    Below, runs that differ in seed or fold only have a line together, with means and standard deviations.

    Args:
        folder: where to look.
        sort: one of RUN_COLUMNS.
        pattern: show only runs whose data, model, state or path contains it, or matches it where it has ``*`` or ``?``.
        output: a ``.json`` file to write as well.

    Raises:
        UserError: there is no such folder, no run in it or none that matches, or the file cannot be written there.
    """
    target = None if output is None else require_json(output)
    if not Path(folder).is_dir():
        raise UserError(f"there is no folder {folder}; 'zoo fit' makes runs/, or where is it? zoo runs FOLDER")
    every = [read_run(run) for run in find_runs(folder)]
    rows = [row for row in every if _matches(row, pattern)]
    if not rows:
        raise UserError(f"no run of {len(every)} in {folder} matches '{pattern}'" if every else f"no run in {folder}")
    rows.sort(key=lambda row: natural(row.path))
    sortable = [row for row in rows if getattr(row, sort) is not None]
    sortable.sort(key=lambda row: _key(getattr(row, sort)), reverse=sort in DOWNWARDS)
    rows = sortable + [row for row in rows if getattr(row, sort) is None]
    if target is not None:
        write_json(target, [asdict(row) for row in rows])
    # Plain columns, as 'zoo list' has them: a path is copied, and must be whole.
    _print_columns([RUN_COLUMNS, *(_cells(row) for row in rows)])
    if groups := group_lines(rows):
        print("\nruns that differ in seed or fold only, mean ± standard deviation:")
        _print_columns([GROUP_COLUMNS, *groups])
    sys.stdout.flush()
    for row in rows:
        if row.note is not None:
            print(f"warning: {row.path}: {row.note}", file=sys.stderr)
    return rows


def _print_columns(lines: Sequence[tuple[str, ...]]) -> None:
    widths = [max(map(len, column)) for column in zip(*lines, strict=True)]
    for line in lines:
        print("  ".join(cell.ljust(width) for cell, width in zip(line, widths, strict=True)).rstrip())


def find_runs(folder: str | Path) -> Iterator[Run]:
    """Yield the run folders in a folder, itself included: those that hold a run's files, or are named like one.

    Links are not followed, hidden folders left out.
    """
    for path, folders, files in os.walk(folder):
        folders[:] = [name for name in folders if not name.startswith(".")]
        trained = "metrics.csv" in files or "checkpoints" in folders
        if ("config.yaml" in files and trained) or re.fullmatch(r"version_\d+", os.path.basename(path)):
            folders.clear()
            yield Run(Path(path))


def read_run(run: Run) -> Row:
    """Return what a run's files hold, and what is wrong with the first that is missing or damaged."""
    row = Row(str(run.path), size=size_of(run.path))
    for read in (_read_config, _read_metrics, _read_state, _read_results):
        try:
            read(run, row)
        except Exception as error:  # damaged files raise nearly anything
            row.state = "damaged"
            reason = str(error) if isinstance(error, UserError) else f"{read.__name__[6:]}: {error!r}"
            row.note = row.note or " ".join(reason.split())
    return row


def _read_config(run: Run, row: Row) -> None:
    config = read_config(run.config)
    for option in NAMED_OPTIONS:
        if option.short:
            name = config[option.section][option.kind]
            setattr(row, option.section, name if isinstance(name, str) else str(name["name"]))
    epochs, seed, fold = config["trainer"]["max_epochs"], config.get("seed_everything"), config["data"].get("fold")
    for key, value in (("trainer.max_epochs", epochs), ("seed_everything", seed), ("data.fold", fold)):
        if not isinstance(value, int | None):
            raise UserError(f"{run.config}: {key} is {repr(value)[:60]}; allowed is a whole number")
    row.max_epochs, row.seed, row.fold, row.recipe = epochs, seed, fold, recipe(config)
    row.date = datetime.fromtimestamp(run.config.stat().st_mtime).astimezone().isoformat(timespec="seconds")


def _read_metrics(run: Run, row: Row) -> None:
    history = History.of(run)
    row.epochs = history.trained
    row.val = history.best(Monitor.of(read_config(run.config))).get("val/accuracy")


def _read_state(run: Run, row: Row) -> None:
    last_state, begun = state(run)
    row.date = datetime.fromisoformat(begun).astimezone().isoformat(timespec="seconds") if begun else row.date
    row.device = trained_on(run)
    if row.state is None:
        enough = row.max_epochs is not None and (row.epochs or 0) >= row.max_epochs >= 0
        row.state = last_state or ("finished" if enough and not begun else None)


def _read_results(run: Run, row: Row) -> None:
    if results := read_record(run.results):
        row.test = float(results["test/accuracy"])


def _matches(row: Row, pattern: str) -> bool:
    texts = [text.casefold() for text in (row.data, row.model, row.state, row.path) if text is not None]
    pattern = pattern.casefold()
    if "*" in pattern or "?" in pattern:
        return any(fnmatchcase(text, pattern) for text in texts)
    return any(pattern in text for text in texts)


def _cells(row: Row) -> tuple[str, ...]:
    def share(value: float | None) -> str:
        return "-" if value is None else f"{value:.1%}"

    of = f"/{row.max_epochs}" if row.max_epochs is not None and row.max_epochs > 0 else ""
    done = "-" if row.epochs is None else f"{row.epochs}{of}"
    date = "-" if row.date is None else row.date[:16].replace("T", " ")
    names, size = (row.data or "-", row.model or "-"), "-" if row.size is None else size_text(row.size)
    return (*names, share(row.val), share(row.test), done, date, row.state or "-", row.device or "-", size, row.path)


def _key(value: Any) -> Any:
    return natural(value) if isinstance(value, str) else value
