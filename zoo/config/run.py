"""zoo validate, test and report: a run's best checkpoint on a split, without repeating an option."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Literal

import torch
from rich.console import Console
from rich.table import Table

from zoo.config.builder import ZooCLI
from zoo.config.failures import explained_memory
from zoo.config.processes import Processes, joined
from zoo.config.resolve import ConfigSources, resolve
from zoo.config.run_sources import run_sources, show_split_notes
from zoo.config.temperature import record_temperature
from zoo.core.console import is_first_process, print_stderr
from zoo.core.errors import RunError, UserError
from zoo.core.trust import restricted
from zoo.core.version import __version__
from zoo.data.items import item_names
from zoo.models.checkpoint import classifier_of, last_epoch
from zoo.models.tta import TestTimeAugmentation
from zoo.reports.evaluation import Predictions
from zoo.reports.page import require_page
from zoo.reports.predictions_csv import PredictionsCsv, write_predictions
from zoo.reports.report import ReportContext, warn_on_error, write_report
from zoo.runs.files import write_json
from zoo.runs.folder import Run
from zoo.runs.records import read_record
from zoo.training.fast_settings import device_facts
from zoo.training.predictions import CollectPredictions, CountImages, GatheredPredictions, predict_batches

#: Options that come before the user's where one process works, whatever trained the run.
ALONE = ("--trainer.devices=1", "--trainer.num_nodes=1", "--trainer.strategy=auto")


class EvaluateCLI(ZooCLI):
    """Builds the model of a checkpoint, its data, and a trainer that writes nothing."""

    description = "Evaluate a run."
    run: Run
    checkpoint: dict[str, Any]
    checkpoint_path: Path

    def __init__(self, command: str, sources: ConfigSources, run: Run, processes: Processes) -> None:
        self.processes = processes
        super().__init__(command, sources, run)

    def default_checkpoint(self) -> Path:
        """Return the run's best checkpoint, else its last."""
        return self.run.trained()

    def build(self, config: dict[str, Any]) -> None:
        """Build the model of the checkpoint, and the trainer."""
        parts = {name: config["model"][name] for name in ("loss", "metrics")}
        build = self.task(config)
        self.model = classifier_of(self.checkpoint, self.checkpoint_path, build, self.run.path, **parts)
        self.model.temperature = self.run.temperature(self.checkpoint["global_step"])
        self.trainer = self.make_trainer(logger=False, enable_checkpointing=False, enable_progress_bar=False)


def evaluate(
    command: Literal["validate", "test"],
    args: Sequence[str],
    *configs: tuple[str, Mapping[str, Any]],
    tta: TestTimeAugmentation | None = None,
) -> dict[str, float]:
    """Measure a run, print a table and, after a test, write results.json, predictions.csv and the report.

    Args:
        command: which split: ``validate`` takes val, ``test`` takes test.
        args: the run folder, then options that override its configuration.
        *configs: as ``opened``.
        tta: flip averages each image and its mirror image.

    Returns:
        Metrics by name, such as ``{"test/accuracy": 0.91}``.

    Raises:
        UserError: the run, an option or the data is wrong, or the run has no checkpoint.
        RunError: a figure is not finite; no file is written.
    """
    with joined(resolve(args[1:], *configs)) as processes:
        cli = opened(command, args, *configs, processes=processes)
        cli.model.tta, trainer = tta, cli.trainer
        tested, alone = command == "test", trainer.world_size == 1
        counted, gathered = CountImages(), GatheredPredictions()
        with _predictions_csv(cli, "test" if tested and is_first_process() else None) as table:
            predictions = Predictions(len(cli.model.spec.classes), table=table, temperature=cli.model.temperature)
            collected = [CollectPredictions(predictions.add if alone else gathered.add)] if tested else []
            trainer.callbacks += [counted, *collected]  # type: ignore[attr-defined]  # set by a connector
            with explained_memory(cli.datamodule):
                getattr(trainer, command)(cli.model, cli.datamodule, verbose=False)
            results = {name: float(value) for name, value in trainer.callback_metrics.items()}
            _require_finite(results, cli.checkpoint_path)
            if tested and not alone:
                for batch in gathered.of_all(cli.datamodule.source("test")):
                    predictions.add(*batch)
        # Without damaged images and those beyond a limit of batches.
        images = torch.tensor(counted.images, device=trainer.strategy.root_device)
        count = int(trainer.strategy.reduce(images, reduce_op="sum"))
        if is_first_process():
            _show_and_write(command, cli, results, count, predictions)
    return results


def _require_finite(results: Mapping[str, float], checkpoint: Path) -> None:
    """Refuse, by a RunError, figures that are not finite, before a file is written."""
    for name, value in results.items():
        if not math.isfinite(value):
            raise RunError(
                f"{checkpoint}: {name} is {value}: the network answers with numbers that are not finite; "
                "nothing was written"
            )


def _show_and_write(
    command: str, cli: EvaluateCLI, results: dict[str, float], count: int, predictions: Predictions
) -> None:
    """Print the figures of ``count`` images; of a test, write them, with the report."""
    run = cli.run
    show_results(f"{run.path}: {'test' if command == 'test' else 'val'} split, {count:,} images", results)
    if command != "test":
        return
    write_json(run.results, dict(sorted(results.items())) | training_facts(cli, count))
    print_stderr(f"predictions: {run.predictions}")
    with warn_on_error(run):
        print_stderr(f"report: {write_report(_report_context(cli), 'test', predictions)}")


def report(args: Sequence[str], output: str | None = None) -> Path:
    """Write a run's report anew, of the test split once the run was tested, else of the validation split.

    Of the test split, predictions.csv is written where it is missing.

    Args:
        args: the run folder, then options that override its configuration.
        output: the page, where it is not to be RUN/report.html.

    Returns:
        The page.

    Raises:
        UserError: the run, an option or the data is wrong, or the run has no checkpoint.
        RunError: the page cannot be written.
    """
    page = None if output is None else require_page(output)
    cli = opened("report", [*args[:1], *ALONE, *args[1:]])
    if cli.trainer.world_size > 1:
        raise UserError("a report is made by one process; leave --trainer.devices and --trainer.num_nodes out")
    split: Literal["val", "test"] = "test" if cli.run.results.is_file() else "val"
    if split == "test":  # as it was tested
        cli.model.tta = read_record(cli.run.results).get("tta")
    complete = output is not None or cli.run.predictions.exists()
    with _predictions_csv(cli, None if complete else split) as table:
        batches = predict_batches(cli.trainer, cli.model, cli.datamodule, split)
        fit_on = len(cli.datamodule.source("val")) if split == "val" else 0
        classes, temperature = len(cli.model.spec.classes), cli.model.temperature
        predictions = Predictions(classes, batches, table, temperature, fit_on)
    page = write_report(_report_context(cli), split, predictions, output=page)
    if split == "val":
        record_temperature(cli.run, cli.checkpoint, cli.checkpoint_path, predictions)
    return page


@restricted()
def opened(
    command: str,
    args: Sequence[str],
    *configs: tuple[str, Mapping[str, Any]],
    own_data: bool = True,
    processes: Processes | None = None,
) -> EvaluateCLI:
    """Return a run's model, data and trainer.

    Args:
        command: the word after ``zoo``, for errors.
        args: the run folder, then options that override its configuration.
        *configs: name and content of configurations that override it as well; options win over them.
        own_data: whether the command reads the run's own data, of which it names what has changed.
        processes: those that work together; None for this one alone.

    Raises:
        UserError: the run or an option is wrong, or the run has no checkpoint.
    """
    run, sources = run_sources(command, args, *configs)
    cli = EvaluateCLI(command, sources, run, processes or Processes())
    if own_data:
        show_split_notes(command, run, cli.datamodule.splits)
    return cli


@contextmanager
def _predictions_csv(cli: EvaluateCLI, split: Literal["val", "test"] | None) -> Iterator[PredictionsCsv | None]:
    """Give the run's predictions.csv to write where the split is test, else None."""
    if split != "test":
        yield None
        return
    names = item_names(cli.datamodule, split)
    with write_predictions(cli.run.predictions, cli.model.spec.classes, names) as table:
        yield table


def _report_context(cli: EvaluateCLI) -> ReportContext:
    device = cli.trainer.strategy.root_device
    return ReportContext(cli.run, cli.model, cli.datamodule, device, last_epoch(cli.checkpoint))


def show_results(title: str, results: Mapping[str, float]) -> None:
    """Print a table of metrics under a title."""
    console = Console(highlight=False, emoji=False, markup=False)
    console.print(title, soft_wrap=True)
    table = Table()
    table.add_column("metric")
    table.add_column("value", justify="right")
    for name, value in sorted(results.items()):
        table.add_row(name, f"{value:.4f}")
    console.print(table)


def training_facts(cli: EvaluateCLI, count: int) -> dict[str, Any]:
    """Return what a file of results says of the network that it is about, and how many images were tested."""
    return {
        "images": count,
        "classes": list(cli.model.spec.classes),
        "checkpoint": cli.checkpoint_path.name,
        "epoch": cli.checkpoint["epoch"],
        "step": cli.checkpoint["global_step"],
        **device_facts(cli.trainer),
        "zoo_version": __version__,
        **({} if cli.model.tta is None else {"tta": cli.model.tta}),
    }
