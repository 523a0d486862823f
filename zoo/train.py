"""zoo fit: trains a new run, or resumes one where it stopped."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import torch
from lightning.fabric.utilities.rank_zero import rank_zero_only
from lightning.pytorch.callbacks import Callback

from zoo.averaging import MovingAverage
from zoo.balance import balanced_weights
from zoo.checkpoint import RunCheckpoints, load_weights
from zoo.classifier import ImageClassifier
from zoo.commandline import ZooCLI
from zoo.config import read_config, resolve
from zoo.errors import ImageError, RunError, UserError
from zoo.features import FrozenFeatures
from zoo.interrupt import GracefulStop, Interrupted
from zoo.loggers import named_loggers
from zoo.progress import EpochLines, MetricsLogger, TrainingFigures, say
from zoo.run import Run, write_atomically
from zoo.stopping import NoProgress

#: What may differ when a run is resumed: how long and where it trains, not what.
RESUME_OPTIONS = (
    *("--trainer.", "--early_stopping", "--logger"),
    *("--data.root", "--data.num_workers", "--data.memory_gib", "--print_config", "--help"),
)


class FitCLI(ZooCLI):
    """Builds a fresh or resumed training; the run folder is made last, when everything else is known to work."""

    usage = "[RUN] [--model NAME] [--data NAME] [--config FILE]"
    description = (
        "Train a new run, or resume RUN. --model NAME is short for --model.architecture NAME, --data NAME for "
        "--data.dataset NAME ('zoo list' shows both); their own options are shown for the names given beside --help."
    )
    run: Run
    stop: GracefulStop
    #: Optimizer steps in the checkpoint it starts from; None where it starts from fresh weights.
    first_step: int | None = None

    def default_checkpoint(self) -> Path | None:
        """Return the resumed run's last checkpoint, or None where it was stopped before its first."""
        return self.run.last if self.run is not None and self.run.last.is_file() else None

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
        if self.weights is not None:
            say(self.weights.summary(self.weights.load_into(self.model.network, self.model.spec)))
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
        resumed = self.run is not None
        if not resumed:
            self.run = self._new_run()
        try:
            self.trainer = self.make_trainer(**self._trainer_changes(resumed))
            if _is_first_process():
                write_atomically(self.run.config, self.resolved_config())
        except BaseException:
            if not resumed and _is_first_process():
                self.run.discard()
            raise

    def _trainer_changes(self, resumed: bool) -> dict[str, Any]:
        figures, self.stop = TrainingFigures(), GracefulStop(self.run)
        trainer = self.config_init.trainer
        lines = EpochLines(figures, bar=trainer.enable_progress_bar is not False)
        loggers = trainer.logger if isinstance(trainer.logger, list) else [trainer.logger]
        added = [logger for logger in loggers if logger is not None and not isinstance(logger, bool)]
        patience, done = self.config.early_stopping, self.first_step or 0
        added += named_loggers(self.config.logger, self.run, done if resumed else 0)
        # The average stands before what may save a checkpoint in the same step.
        aids: list[Callback] = [] if self.ema is None else [MovingAverage(self.ema, trainer.precision)]
        aids += [] if patience is None else [NoProgress(patience, trainer.limit_val_batches)]
        return {
            "logger": [MetricsLogger(self.run, self.first_step if resumed else None), *added],
            "callbacks": [FrozenFeatures(done), *aids, figures, lines, self.stop, RunCheckpoints(self.run)],
            "enable_progress_bar": True,
        }

    def _new_run(self) -> Run:
        root = Path(self.config.trainer.default_root_dir or "runs")
        if not _is_first_process():  # only the first process writes: in the others no file is made of the path
            return Run(root)
        return Run.create(root, self.arguments.names["data"], self.arguments.names["model"])


def fit(args: Sequence[str]) -> Run:
    """Train a new run, or resume one when the first argument is its folder; print the run folder last.

    Args:
        args: what follows ``zoo fit``.

    Returns:
        The run.

    Raises:
        UserError: an option, a file or a name is wrong; nothing was trained.
        RunError: the training failed; its checkpoints are kept.
        Interrupted: by Ctrl-C or SIGTERM, after a checkpoint was saved.
    """
    run = Run.open(args[0]) if args and not args[0].startswith("-") else None
    if run is None:
        arguments = resolve(args)
    else:
        _require_resumable(args[1:], run)
        arguments = resolve(args[1:], read_config(run.config), str(run.config))
    cli = FitCLI("fit", arguments, run)
    checkpoint_path = None if cli.checkpoint_path is None else str(cli.checkpoint_path)
    say(_summary(cli))
    with _failures(cli):
        cli.trainer.fit(cli.model, cli.datamodule, ckpt_path=checkpoint_path)
    if cli.trainer.global_step == 0:
        if run is None and _is_first_process():
            cli.run.discard()
        raise UserError("nothing was trained: the trainer's limits (--trainer.limit_train_batches, ...) leave no step")
    if cli.stop.signum is not None:  # it came after the last step: the run is complete all the same
        raise Interrupted(cli.stop.signum)
    rank_zero_only(print)(cli.run.path)
    return cli.run


def _require_resumable(args: Sequence[str], run: Run) -> None:
    """Refuse options that a resumed run cannot follow: most of what they set is part of its checkpoint."""
    for word in args:
        option = word.partition("=")[0]
        if option.startswith(("--", "-c")) and not option.startswith(RESUME_OPTIONS):
            raise UserError(
                f"run {run.path} keeps what it was trained with, {option} included; resuming takes --trainer.*, "
                "--early_stopping, --logger and where the data is; for anything else train a new run: zoo fit --config "
                f"{run.config} {option} ..."
            )


@contextmanager
def _failures(cli: FitCLI) -> Iterator[None]:
    """Say of what stops a training what to do about it."""
    kept = f"resume with: zoo fit {cli.run.path}" if cli.run is not None else ""
    try:
        yield
    except Interrupted:
        say(f"interrupted at step {cli.trainer.global_step}; {kept}")
        raise
    except SystemExit:  # Ctrl-C or SIGTERM while no step is done: GracefulStop listens to the others
        say(f"interrupted while not training; {kept}")
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
        if "DataLoader worker" in str(error):
            raise RunError(f"a process that reads images died: {str(error).splitlines()[0]}; {kept}") from error
        raise


def _summary(cli: FitCLI) -> str:
    """Return one line: what is trained on what, where."""
    spec, data = cli.model.spec, cli.datamodule
    parameters = list(cli.model.network.parameters())
    frozen = sum(parameter.numel() for parameter in parameters if not parameter.requires_grad)
    weights = f"{sum(parameter.numel() for parameter in parameters):,} parameters"
    if frozen:
        weights += f", {frozen:,} frozen"
    sizes = f"{len(data.source('train')):,} train and {len(data.source('val')):,} val images"
    shape = f"{spec.height}x{spec.width}x{spec.channels}"
    names = cli.arguments.names
    device = cli.trainer.strategy.root_device.type
    begin = "" if cli.first_step is None else f" from step {cli.first_step}"
    return (
        f"{names['model']} ({weights}) on {names['data']}: {sizes} of {shape}, "
        f"{len(spec.classes)} classes; {device}, seed {cli.config.seed_everything}{begin}; {cli.run.path}"
    )


def _is_first_process() -> bool:
    """Tell the process that writes, before there is a trainer that knows."""
    return getattr(rank_zero_only, "rank", 0) == 0
