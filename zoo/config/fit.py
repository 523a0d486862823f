"""zoo fit: trains a new run, or resumes one where it stopped."""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager, nullcontext, redirect_stderr, redirect_stdout
from pathlib import Path
from typing import Any

import torch
from lightning.pytorch.callbacks import Callback

from zoo.config.builder import ZooCLI
from zoo.config.help import FIT
from zoo.config.resolve import ConfigSources, resolve
from zoo.config.resume import require_resumable
from zoo.core import registry
from zoo.core.console import is_first_process, print_stderr
from zoo.core.errors import ImageError, RunError, UserError
from zoo.core.file_builder import FileBuilder
from zoo.data.sampling import balanced_weights
from zoo.models.checkpoint import load_weights, read_checkpoint
from zoo.reports.evaluation import Predictions
from zoo.reports.report import ReportContext, warn_on_error, write_report
from zoo.runs.config_file import read_config
from zoo.runs.files import write_atomically
from zoo.runs.folder import Run
from zoo.runs.status import require_free, training
from zoo.training.checkpoints import RunCheckpoints
from zoo.training.early_stopping import EarlyStopping
from zoo.training.ema import MovingAverage
from zoo.training.epoch_metrics import EpochMetrics, MetricsLogger
from zoo.training.feature_cache import FeatureCache
from zoo.training.graceful_stop import GracefulStop, Interrupted
from zoo.training.loggers import named_loggers
from zoo.training.predictions import predict_batches
from zoo.training.progress_bar import EpochProgressBar, show_result, show_summary
from zoo.training.starting_weights import init_from_data
from zoo.training.summary import training_summary
from zoo.training.task import ImageClassifier


class FitCLI(ZooCLI):
    """Builds a fresh or resumed training; the run folder is made last, when everything else works.

    Args:
        command: the word after ``zoo``.
        sources: what the configuration is made of.
        run: the run to resume; None for a new one.
        callbacks: run beside zoo's own.
        quiet: print nothing, errors apart.
        own_process: whether a second Ctrl-C may end the process.
    """

    usage = "[RUN] [--model NAME] [--data NAME] [--config FILE]"
    description = FIT
    run: Run
    stop: GracefulStop
    #: Optimizer steps in the checkpoint it starts from; None where it starts from fresh weights.
    first_step: int | None = None
    #: Whether the run was there before.
    resumed: bool

    def __init__(
        self,
        command: str,
        sources: ConfigSources,
        run: Run | None,
        *,
        callbacks: Sequence[Callback] = (),
        quiet: bool = False,
        own_process: bool = True,
    ) -> None:
        self.callbacks, self.quiet, self.own_process = callbacks, quiet, own_process
        super().__init__(command, sources, run)

    def default_checkpoint(self) -> Path | None:
        """Return the resumed run's last checkpoint, or None where it was stopped before its first."""
        return self.run.last if self.run is not None and self.run.last.is_file() else None

    def notify(self, text: str) -> None:
        """Print a line to stderr, where it is not quiet."""
        if not self.quiet:
            print_stderr(text)

    def build_model(self, config: dict[str, Any]) -> None:
        """Build the model, with its pretrained weights where some are asked for."""
        if config["model"]["class_weights"] == "balanced":
            weights = balanced_weights(self.datamodule.train_labels(), self.datamodule.spec.classes)
            config["model"]["class_weights"] = weights
        self.model = ImageClassifier(
            self.datamodule.spec,
            **config["model"],
            optimizer=config["optimizer"],
            lr_scheduler=config["lr_scheduler"],
        )
        if self.compile:
            self.model.network.compile()
        if self.weights is None and self.checkpoint is None:
            init_from_data(self.model, self.datamodule.source("train"))
        if self.weights is not None:
            self.notify(self.weights.summary(self.weights.load_into(self.model.network, self.model.spec)))
            self.weights = None  # training must not hold them beside the network

    def build(self, config: dict[str, Any]) -> None:
        """Build the model and the trainer."""
        self.build_model(config)
        if self.checkpoint is not None and self.checkpoint_path is not None:
            load_weights(self.model, self.checkpoint, self.checkpoint_path)
            self.first_step = self.checkpoint["global_step"]
            # Training reads it once more, and must not hold its optimizer's state beside its own.
            self.checkpoint = None
        self.datamodule.train_dataloader()
        self.datamodule.val_dataloader()
        self.resumed = self.run is not None
        if not self.resumed:
            self.run = self._new_run()
        try:
            self.trainer = self.make_trainer(**self._trainer_changes())
            if is_first_process():
                self._keep_network_file()
                write_atomically(self.run.config, self.resolved_config())
        except BaseException:
            self.discard_new_run()
            raise

    def _trainer_changes(self) -> dict[str, Any]:
        metrics, checkpoints = EpochMetrics(), RunCheckpoints(self.run)
        self.stop = GracefulStop(self.run, self.own_process)
        trainer = self.config_init.trainer
        lines = EpochProgressBar(metrics, checkpoints, bar=trainer.enable_progress_bar is not False)
        if self.quiet:
            lines.disable()
        loggers = trainer.logger if isinstance(trainer.logger, list) else [trainer.logger]
        added = [logger for logger in loggers if logger is not None and not isinstance(logger, bool)]
        patience, done = self.config.early_stopping, self.first_step or 0
        added += named_loggers(self.config.logger, self.run, done if self.resumed else 0)
        # The average stands before what may save a checkpoint in the same step.
        aids: list[Callback] = [] if self.ema is None else [MovingAverage(self.ema, trainer.precision)]
        aids += [] if patience is None else [EarlyStopping(patience, trainer.limit_val_batches)]
        return {
            "logger": [MetricsLogger(self.run, self.first_step if self.resumed else None), *added],
            "callbacks": [*self.callbacks, FeatureCache(done), *aids, metrics, lines, self.stop, checkpoints],
            "enable_progress_bar": True,
        }

    def _new_run(self) -> Run:
        root = Path(self.config.trainer.default_root_dir or "runs")
        if not is_first_process():  # only the first process writes: in the others no file is made of the path
            return Run(root)
        return Run.create(root, self.sources.names["data"], self.model.architecture["name"])

    def _keep_network_file(self) -> None:
        """Copy a network that is one file into the run, which goes on with the copy."""
        entry = registry.find("architecture", self.sources.names["model"], self.model.architecture["from"])
        if isinstance(entry, FileBuilder):
            write_atomically(self.run.path / entry.path.name, entry.content)

    def discard_new_run(self) -> None:
        """Remove a new run's folder, in which nothing is trained."""
        if not self.resumed and is_first_process():
            self.run.discard()


def fit(args: Sequence[str]) -> Run:
    """Train a new run, or resume one when the first argument is its folder; print the run folder last.

    Args:
        args: the command line after ``zoo fit``; with ``--quiet`` nothing else is printed, errors apart.

    Returns:
        The run; errors as ``train``.
    """
    quiet, args = "--quiet" in args, [arg for arg in args if arg != "--quiet"]
    resume = args.pop(0) if args and not args[0].startswith("-") else None
    run = train(args, resume=resume, quiet=quiet, own_process=True)
    if is_first_process():
        print(run.path)
    return run


def train(
    args: Sequence[str] = (),
    *configs: tuple[str, Mapping[str, Any]],
    resume: str | os.PathLike[str] | None = None,
    callbacks: Sequence[Callback] = (),
    quiet: bool = False,
    own_process: bool = False,
) -> Run:
    """Train a new run, or resume one.

    Args:
        args: options as on the command line.
        *configs: name and content of configurations; options win over them.
        resume: the folder of a run to go on with.
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
    run = None if resume is None else Run.open(Path(resume))
    if run is not None:
        require_resumable(run, args, [content for _, content in configs])
        if is_first_process():
            require_free(run)
        configs = ((str(run.config), read_config(run.config)), *configs)
    sources, silent = resolve(args, *configs), quiet and own_process
    with _dropped_output(silent, redirect_stderr):
        cli = FitCLI("fit", sources, run, callbacks=callbacks, quiet=quiet, own_process=own_process)
    with _failures(cli), _dropped_output(silent, redirect_stderr, redirect_stdout):
        _train(cli)
    if cli.stop.signum is not None:  # it came after the last step: the run is complete all the same
        raise Interrupted(cli.stop.signum)
    with _dropped_output(silent, redirect_stderr):
        _report(cli)
        if not quiet:
            show_result(cli.run)
    return Run(cli.trainer.strategy.broadcast(cli.run.path))


def _train(cli: FitCLI) -> None:
    """Show what is trained, and train; the process that writes locks the run and records its state."""
    checkpoint_path = None if cli.checkpoint_path is None else str(cli.checkpoint_path)
    with training(cli.run) if is_first_process() else nullcontext():
        seed = str(cli.config.seed_everything)
        seed += "" if cli.first_step is None else f", from step {cli.first_step:,}"
        if not cli.quiet:
            rows = training_summary(cli.model, cli.datamodule, cli.trainer)
            show_summary(rows | {"seed": seed, "run": str(cli.run.path)})
        cli.trainer.fit(cli.model, cli.datamodule, ckpt_path=checkpoint_path)
        if cli.trainer.global_step == 0:
            cli.discard_new_run()
            limits = "--trainer.limit_train_batches, ..."
            raise UserError(f"nothing was trained: the trainer's limits ({limits}) leave no step")


@contextmanager
def _dropped_output(
    wanted: bool, *redirects: type[redirect_stdout[Any]] | type[redirect_stderr[Any]]
) -> Iterator[None]:
    """Drop what is printed to these streams, where that is wanted."""
    with open(os.devnull, "w") as nowhere, ExitStack() as stack:
        for redirect in redirects if wanted else ():
            stack.enter_context(redirect(nowhere))
        yield


def _report(cli: FitCLI) -> None:
    """Write the run's report, of its best checkpoint on the validation split; the run is trained whatever happens."""
    if cli.trainer.world_size > 1:
        cli.notify(f"several processes write no report; make it with: zoo report {cli.run.path}")
        return
    with warn_on_error(cli.run):
        for optimizer in cli.trainer.optimizers:  # makes room for the checkpoint, which holds the same
            optimizer.zero_grad()
            optimizer.state.clear()
        path = cli.run.trained()
        checkpoint = read_checkpoint(path)
        load_weights(cli.model, checkpoint, path)
        device, fitted = cli.trainer.strategy.root_device, cli.trainer.global_step != cli.first_step
        batches = predict_batches(cli.trainer, cli.model, cli.datamodule, "val")
        predictions = Predictions(len(cli.model.spec.classes), batches)
        context = ReportContext(cli.run, cli.model, cli.datamodule, device, checkpoint["epoch"])
        cli.notify(f"report: {write_report(context, 'val', predictions, fitted=fitted)}")


@contextmanager
def _failures(cli: FitCLI) -> Iterator[None]:
    """Say of what stops a training what to do about it."""
    kept = f"resume with: zoo fit {cli.run.path}" if cli.run is not None else ""
    try:
        yield
    except Interrupted:
        print_stderr(f"interrupted at step {cli.trainer.global_step}; {kept}")
        raise
    except SystemExit:  # Ctrl-C or SIGTERM while no step is done: GracefulStop listens to the others
        print_stderr(f"interrupted while not training; {kept}")
        raise
    except ImageError as error:
        raise RunError(f"{error}; then {kept}") from error
    except (RuntimeError, MemoryError) as error:
        if isinstance(error, torch.OutOfMemoryError | MemoryError) or "not enough memory" in str(error):
            size = cli.datamodule.batch_size
            raise RunError(
                f"out of memory at batch size {size}; the last checkpoint is kept; "
                f"try a smaller batch: --data.batch_size {max(1, size // 2)}"
            ) from error
        if type(error).__module__.startswith(("torch._dynamo", "torch._inductor")):
            reason = _first_line(error)
            raise RunError(f"the network cannot be compiled: {reason}; leave --model.compile out") from error
        if "DataLoader worker" in str(error):
            raise RunError(f"a process that reads images died: {_first_line(error)}; {kept}") from error
        raise


def _first_line(error: BaseException) -> str:
    return next(iter(str(error).strip().splitlines()), type(error).__name__)
