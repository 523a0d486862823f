"""zoo fit: trains a new run, or resumes one where it stopped."""

from __future__ import annotations

import os
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager, nullcontext, redirect_stderr, redirect_stdout
from pathlib import Path
from typing import Any

from lightning.pytorch.callbacks import Callback

from zoo.config.failures import explained_failures, restoring
from zoo.config.fine_tuning import summary_row
from zoo.config.fit_cli import FitCLI
from zoo.config.grown import compare_with_old
from zoo.config.processes import choose_run, joined
from zoo.config.recorded_split import old_run
from zoo.config.resolve import resolve
from zoo.config.resume import is_over
from zoo.config.temperature import record_temperature
from zoo.config.time_limit import TimeLimit, require_no_length
from zoo.config.tracking import closing_loggers, log_config, log_results
from zoo.core.console import is_first_process, print_stderr
from zoo.core.errors import RunError, UserError, first_line, is_out_of_memory
from zoo.core.trust import restricted
from zoo.data.datamodule import ImageDataModule
from zoo.data.splits import SPLITS
from zoo.data.training_images import describe_training_images
from zoo.models.checkpoint import last_epoch, load_weights, read_checkpoint
from zoo.reports.evaluation import Predictions
from zoo.runs.config_file import read_config
from zoo.runs.files import write_json
from zoo.runs.folder import Run
from zoo.runs.status import training
from zoo.training.fast_settings import device_facts, tf32_products
from zoo.training.graceful_stop import Interrupted
from zoo.training.predictions import CollectPredictions, PredictedBatch, predict_batches
from zoo.training.progress_bar import show_result, show_summary
from zoo.training.slurm import requeued_before_training
from zoo.training.summary import training_summary


@restricted()
def train(
    args: Sequence[str] = (),
    *configs: tuple[str, Mapping[str, Any]],
    resume: str | os.PathLike[str] | None = None,
    name: str | None = None,
    group: Path | None = None,
    limit: TimeLimit | None = None,
    callbacks: Sequence[Callback] = (),
    quiet: bool = False,
    own_process: bool = False,
) -> Run:
    """Train a new run, or resume one.

    Args:
        args: options as on the command line.
        *configs: name and content of configurations; options win over them.
        resume: the folder of a run to go on with.
        name: of the run's folder inside trainer.default_root_dir; a run that is there is resumed.
        group: the folder in which the run is one of several folds or seeds.
        limit: the time by which a new run is trained, its report included; a run that is resumed keeps its epochs.
        callbacks: run beside zoo's own.
        quiet: print nothing, errors apart.
        own_process: whether the process does nothing else: a second Ctrl-C ends it at once, and where it is quiet, what
            libraries print is dropped as well.

    Returns:
        The run.

    Raises:
        UserError: an option, a file or a name is wrong; nothing was trained.
        RunError: the training failed; its checkpoints are kept.
        Interrupted: by Ctrl-C or SIGTERM, after a checkpoint was saved.
    """
    if wrong := [callback for callback in callbacks if not isinstance(callback, Callback)]:
        raise UserError(f"callbacks: received {wrong[0]!r}; allowed are objects of lightning's Callback")
    joining = joined(resolve(args, *configs))
    with requeued_before_training(os.environ, by_name=name is not None), joining as processes:
        run, restarted = choose_run(processes.ranks, args, configs, resume, name, group)
        limit = limit and _limit_of_new(run, limit, args, configs, by_path=resume is not None, quiet=quiet)
        if run is not None:
            configs = ((str(run.config), read_config(run.config)), *configs)
        silent = quiet and own_process
        settings: dict[str, Any] = {"callbacks": callbacks, "quiet": quiet, "own_process": own_process}
        settings |= {"name": name, "group": group, "limit": limit, "processes": processes, "restarted": restarted}
        with _dropped_output(silent, redirect_stderr):
            try:
                cli = FitCLI("fit", resolve(args, *configs), run, **settings)
            except (RuntimeError, MemoryError, OSError) as error:
                if not is_out_of_memory(error):
                    raise
                raise RunError(
                    f"out of memory before the first step: {first_line(error)}; take a smaller network, smaller images "
                    "(--data.image_size), a smaller batch (--data.batch_size) or less of the data in memory "
                    "(--data.memory_gib 0)"
                ) from error
        with closing_loggers(cli.loggers), cli.lock:
            return _trained(cli, silent=silent)


def _trained(cli: FitCLI, *, silent: bool) -> Run:
    """Train, and write the report; with ``silent`` drop all that libraries print."""
    if (
        cli.resumed
        and cli.first_step is not None
        and is_over(cli.run, cli.config.trainer, cli.first_epoch, cli.first_step)
    ):
        cli.notify(
            f"run {cli.run.path} is finished: nothing is left to train; train on with: "
            f"zoo fit {cli.run.path} --trainer.max_epochs N"
        )
        return cli.run
    silenced = _dropped_output(silent, redirect_stderr, redirect_stdout)
    with explained_failures(cli), silenced, tf32_products(cli.config.tf32):
        _train(cli)
    if cli.stop.signum is not None:  # it came after the last step: the run is complete all the same
        raise Interrupted(cli.stop.signum)
    if is_first_process():  # the others are done
        with _dropped_output(silent, redirect_stderr):
            _finish(cli, result=not cli.quiet and cli.group is None)
    return cli.run


def _finish(cli: FitCLI, *, result: bool) -> None:
    """Report a trained run, compare it with the one that it grew from, and show its best figure if that is wanted."""
    _report(cli)
    old = old_run(cli.config.data.split, cli.config.model.weights)
    if old is not None and cli.trainer.world_size == 1:
        cli.notify(compare_with_old(old, cli.run))
    if result:
        show_result(cli.run, _has_test_split(cli.datamodule), cli.monitor())


def _train(cli: FitCLI) -> None:
    """Show what is trained, and train; the process that writes records the run's state."""
    checkpoint_path = None if cli.checkpoint_path is None else str(cli.checkpoint_path)
    with training(cli.run, device_facts(cli.trainer)) if is_first_process() else nullcontext():
        seed = str(cli.config.seed_everything)
        seed += "" if cli.first_step is None else f", from step {cli.first_step:,}"
        if not cli.quiet:
            for note in _split_notes(cli) if is_first_process() else []:
                print_stderr(note)
            rows = training_summary(cli.model, cli.datamodule, cli.trainer)
            rows |= summary_row(cli.config, timed=cli.limit is not None)
            show_summary(rows | {"seed": seed, "run": str(cli.run.path)})
        if is_first_process() and not cli.run.training_images.exists():
            write_json(cli.run.training_images, describe_training_images(cli.datamodule))
        if not cli.resumed:
            log_config(cli.loggers, cli.resolved_config())
        try:
            with restoring(cli):
                cli.trainer.fit(cli.model, cli.datamodule, ckpt_path=checkpoint_path)
        except UserError:
            if cli.trainer.global_step in (0, cli.first_step):
                cli.discard_new_run()
            raise
        if cli.solves_all:
            _finish_solved(cli)
        elif cli.trainer.global_step == 0:
            cli.discard_new_run()
            limits = "--trainer.limit_train_batches, ..."
            raise UserError(f"nothing was trained: the trainer's limits ({limits}) leave no step")


def _split_notes(cli: FitCLI) -> list[str]:
    """Return what a user should know about the splits before training; images of a resumed run are compared."""
    splits, train = cli.datamodule.splits, cli.datamodule.opened("train")
    rule = splits.rule
    listed = [] if rule.split is None else [f"split by      {rule.source}"]
    return [
        *getattr(train, "notes", ()),
        *listed,
        *splits.notes,
        # A test names what has changed since its run began; a new run with another's split records the files anew.
        *splits.changes(("train", "val") if cli.resumed else SPLITS),
        *splits.equal_files(),
    ]


def _limit_of_new(
    run: Run | None,
    limit: TimeLimit,
    args: Sequence[str],
    configs: Sequence[tuple[str, Mapping[str, Any]]],
    *,
    by_path: bool,
    quiet: bool,
) -> TimeLimit | None:
    """Return the limit of a new run; a resumed one keeps its epochs.

    Raises:
        UserError: another option says how long to train, or the path of the run to resume was given, so that the time
            can only mean further epochs.
    """
    require_no_length(args, configs)
    if run is None:
        return limit
    if by_path:
        raise UserError(f"run {run.path} keeps its epochs, and --time is for new runs; give --trainer.max_epochs N")
    if not quiet:
        print_stderr(f"run {run.path} keeps its epochs: --time was for its beginning")
    return None


def _finish_solved(cli: FitCLI) -> None:
    """Validate a network whose solved head is the whole training, and write its row and its checkpoints."""
    predictions = _predictions(cli)
    collected = CollectPredictions(predictions.add)
    cli.trainer.callbacks.append(collected)  # type: ignore[attr-defined]  # set by a connector
    cli.trainer.validate(cli.model, cli.datamodule, verbose=False)
    cli.trainer.callbacks.remove(collected)  # type: ignore[attr-defined]
    if cli.trainer.world_size == 1:  # else each process has its own share
        cli.predictions = predictions
    if cli.head is not None and cli.head.figures is not None:
        cli.metrics.add_solved(cli.head.figures)
    for callback in (cli.metrics, cli.lines, cli.checkpoints):
        callback.on_train_epoch_end(cli.trainer, cli.model)


def _has_test_split(data: ImageDataModule) -> bool:
    try:
        return data.has("test")
    except Exception:  # zoo test will report it; this training has succeeded
        return True


@contextmanager
def _dropped_output(
    wanted: bool, *redirects: type[redirect_stdout[Any]] | type[redirect_stderr[Any]]
) -> Iterator[None]:
    """Drop what is printed to these streams, where that is wanted."""
    with open(os.devnull, "w") as nowhere, ExitStack() as stack:
        for redirect in redirects if wanted else ():
            stack.enter_context(redirect(nowhere))
        yield


def _predictions(cli: FitCLI, batches: Iterable[PredictedBatch] = ()) -> Predictions:
    """Return what collects the predictions of the validation images, and has those of the batches."""
    return Predictions(len(cli.model.spec.classes), batches, fit_on=len(cli.datamodule.source("val")))


def _report(cli: FitCLI) -> None:
    """Write the run's report, of its best checkpoint on the validation split; the run is trained whatever happens."""
    from zoo.reports.report import ReportContext, warn_on_error, write_report  # loads matplotlib; no step waits for it

    with warn_on_error(cli.run):
        for optimizer in cli.trainer.optimizers:  # makes room for the checkpoint, which holds the same
            optimizer.zero_grad()
            optimizer.state.clear()
        path = cli.run.trained()
        checkpoint = read_checkpoint(path)
        load_weights(cli.model, checkpoint, path)
        device, fitted = cli.trainer.strategy.root_device, cli.trainer.global_step != cli.first_step
        batches = predict_batches(cli.trainer, cli.model, cli.datamodule, "val")  # which it computes when it is used
        predictions = cli.predictions or _predictions(cli, batches)
        if line := record_temperature(cli.run, checkpoint, path, predictions):
            cli.notify(line)
        context = ReportContext(cli.run, cli.model, cli.datamodule, device, last_epoch(checkpoint))
        cli.notify(f"report: {write_report(context, 'val', predictions, fitted=fitted)}")
        classes, step = cli.model.spec.classes, checkpoint["global_step"]
        for problem in log_results(cli.parts, cli.run, predictions, classes, step):
            cli.notify(problem)
