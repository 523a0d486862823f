"""zoo check --labels: rank the labels of a run's data, by what networks answer for images they were not trained on."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Sequence
from pathlib import Path
from shlex import join
from typing import Literal

import numpy as np

from zoo.config.run import EvaluateCLI, opened
from zoo.core.console import print_stderr
from zoo.core.errors import UserError
from zoo.data.contract import Split
from zoo.data.image_data import ImageData
from zoo.data.items import files_root
from zoo.reports.label_check import (
    COLUMNS,
    ClassifiedSplit,
    LabelRanking,
    RankedLabel,
    unranked,
    write_label_page,
    write_labels,
)
from zoo.runs.files import require_folder
from zoo.runs.folder import Run
from zoo.training.predictions import predict_batches

SPLITS: tuple[Split, ...] = ("train", "val", "test")

#: Whatever trained the run; and each image is read once, so that none need stay in memory.
OPTIONS = ("--trainer.devices=1", "--trainer.num_nodes=1", "--trainer.strategy=auto", "--data.memory_gib=0")


def check_labels(folder: str, args: Sequence[str], output: str | None = None) -> tuple[list[RankedLabel], list[str]]:
    """Rank the labels of a run's data and write them as a table and a page.

    Of a run, the images of val and test are ranked; of a folder of folds, every image, by the fold that tests it.
    Images that the network was trained on stand in the table, but are not ranked.

    Args:
        folder: a run, or a folder with the runs of folds.
        args: options that override a run's configuration, such as ``--data.root``.
        output: the table, a new ``.csv`` file; by default labels.csv in ``folder``. The page has its name, with .html.

    Returns:
        The rows of the table, and sentences about them.

    Raises:
        UserError: the run, an option or the data is wrong, or the table is there already.
        RunError: a file cannot be written.
    """
    table = _new_table(folder, output)
    runs, folds = _runs(Path(folder))
    classified: list[ClassifiedSplit] = []
    for run in runs:
        cli = opened("check", [str(run.path), *OPTIONS, *args])
        classified += _classify(cli, ("test",) if folds else ("val", "test"))
        data = cli.datamodule  # of the last: all have the same images
        redrawn = data.splits.keys is not None and bool(data.splits.parts) and not run.split.is_file()
    if not classified:
        raise UserError(f"{folder} has neither a val nor a test image whose label could be checked")
    ranking = LabelRanking(data.spec.classes, classified)
    rest = unranked(data, [split for split in SPLITS if data.has(split)], ranking.rows)
    notes = _notes(folds, runs[0], ranking, rest)
    if redrawn:
        notes.append(
            "The run recorded no split: if files were added or removed since it was trained, it may have been "
            "trained on some of these images."
        )
    command = None if data.paths("train") is None else _command(table, data)
    write_labels(table, [*ranking.rows, *rest], COLUMNS[:-1] if folds else COLUMNS)
    page = table.with_suffix(".html")
    title = f"Labels of {data.dataset_name}, checked by {'folds' if folds else runs[0].title}"
    write_label_page(page, title, ranking, notes, command)
    notes += [f"table: {table}", f"page: {page}"] + ([f"after your corrections: {command}"] if command else [])
    return [*ranking.rows, *rest], notes


def _new_table(folder: str, output: str | None) -> Path:
    table = Path(folder) / "labels.csv" if output is None else require_folder("--output", output)
    if table.suffix.lower() != ".csv":
        raise UserError(f"--output is '{output}'; allowed with --labels are names that end in .csv")
    if table.exists():
        raise UserError(f"{table} is there already, perhaps with your corrections; name another file with --output")
    return table


def _runs(folder: Path) -> tuple[list[Run], bool]:
    """Return the run in a folder, or the runs of folds, and whether they are folds."""
    folds = [path for path in folder.glob("fold_*") if (path / "config.yaml").is_file()]
    if folds and not (folder / "config.yaml").exists():
        return [Run(path) for path in sorted(folds, key=lambda path: int(path.name.removeprefix("fold_")))], True
    return [Run.open(folder)], False


def _classify(cli: EvaluateCLI, splits: Sequence[Literal["val", "test"]]) -> Iterator[ClassifiedSplit]:
    for split in splits:
        if not cli.datamodule.has(split):
            continue
        positions: list[int] = []
        labels, probabilities = [], []
        for _, batch_labels, logits, batch_positions in predict_batches(cli.trainer, cli.model, cli.datamodule, split):
            positions += batch_positions
            labels.append(batch_labels.numpy())
            probabilities.append(logits.float().softmax(dim=1).cpu().numpy())
        print_stderr(f"{cli.run.path}: {split} split, {len(positions):,} images classified")
        if positions:
            yield ClassifiedSplit(
                cli.datamodule, split, np.array(positions), np.concatenate(labels), np.concatenate(probabilities)
            )


def _notes(folds: bool, run: Run, ranking: LabelRanking, rest: Sequence[RankedLabel]) -> list[str]:
    """Return sentences on what is ranked, and what is not and why."""
    count, suspect = len(ranking.order), int(ranking.suspect.sum())
    counts = Counter(row.split for row in rest)
    if folds:
        notes = [f"{count:,} images are ranked, each by the fold that tests it, whose network was not trained on it."]
        if rest:
            notes.append(f"{len(rest):,} images are not ranked: no fold that is there tests them, or they are damaged.")
    else:
        notes = [
            f"{count:,} images of val and test are ranked by {run.title}, which was not trained on them; it was chosen "
            "by val."
        ]
        if trained := counts.pop("train", 0):
            notes.append(
                f"{trained:,} images of train are not ranked, because the network was trained on them. Folds rank all: "
                "zoo fit --folds 5, then zoo check --labels with the folder that it prints."
            )
        if counts:
            notes.append(f"{counts.total():,} other images are not ranked: they are damaged, or a limit left them out.")
    return [*notes, f"{suspect:,} labels are suspect."]


def _command(table: Path, data: ImageData) -> str:
    root = files_root(data)
    return join(["zoo", "fit", "--data", "table", "--data.dataset.path", str(table), "--data.root", str(root)])
