"""FitCLI: builds what zoo fit trains, out of the configuration."""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import yaml
from lightning.pytorch.callbacks import Callback, ModelCheckpoint
from lightning.pytorch.loggers.logger import Logger

from zoo.config.builder import ZooCLI
from zoo.config.fine_tuning import batch_norm_mode
from zoo.config.head_plan import HeadPlan, idle_options, plan_head
from zoo.config.help import FIT
from zoo.config.new_run import keep_code, new_run, record
from zoo.config.processes import Processes, require_one_device
from zoo.config.resolve import ConfigSources
from zoo.config.resume import require_same_config, without_repetitions
from zoo.config.time_limit import MOST_EPOCHS, TimeLimit, set_length, without_length
from zoo.config.tracking import closing_loggers
from zoo.core.console import is_first_process, print_stderr
from zoo.core.errors import UserError, listed
from zoo.core.part_setting import build_parts
from zoo.data.sampling import balanced_weights
from zoo.models.checkpoint import last_epoch, load_weights
from zoo.models.checkpoint_fields import require_state
from zoo.models.pretrained import FreshHead
from zoo.reports.evaluation import Predictions
from zoo.runs.config_file import read_config
from zoo.runs.files import write_atomically
from zoo.runs.folder import Run
from zoo.runs.metrics import Monitor
from zoo.runs.status import held
from zoo.training.checkpoints import RunCheckpoints
from zoo.training.early_stopping import MonitorEarlyStopping
from zoo.training.ema import MovingAverage
from zoo.training.epoch_metrics import EpochMetrics, MetricsLogger
from zoo.training.feature_cache import FeatureCache
from zoo.training.graceful_stop import GracefulStop
from zoo.training.head_start import HeadStart
from zoo.training.loggers import named_loggers
from zoo.training.progress_bar import EpochProgressBar
from zoo.training.resumed_state import require_resumable_state
from zoo.training.shared_steps import SharedSteps
from zoo.training.starting_weights import init_from_data
from zoo.training.time_budget import Length, TimeBudget

#: Names of layers in a line that lists some.
LISTED = 6


class FitCLI(ZooCLI):
    """Builds a fresh or resumed training; the run folder is made last, when everything else works.

    Args:
        command: the word after ``zoo``.
        sources: what the configuration is made of.
        run: the run to resume; None for a new one.
        name: of the folder of a new run; by default data set, architecture and version. A run that is resumed by its
            name must have the same configuration.
        group: the folder in which the run is one of several folds or seeds.
        limit: the time by which a new run's training ends; epochs of config files give way to it.
        callbacks: run beside zoo's own.
        quiet: print nothing, errors apart.
        own_process: whether a second Ctrl-C may end the process.
        processes: those that train together; None for this one alone.
        restarted: whether a launcher starts the same command again, whose run goes on.
    """

    usage = "[RUN] [--model NAME] [--data NAME] [--config FILE]"
    description = FIT
    run: Run
    metrics: EpochMetrics
    lines: EpochProgressBar
    stop: GracefulStop
    checkpoints: RunCheckpoints
    #: Optimizer steps in the checkpoint it starts from; None where it starts from fresh weights.
    first_step: int | None = None
    #: The epoch in which that checkpoint was saved, from 0; -1 where it is of a solved last layer.
    first_epoch: int = 0
    #: Rows that metrics.csv had then; None where the checkpoint does not say.
    first_rows: int | None = None
    #: How the last layer starts.
    head_plan = HeadPlan()
    #: Computes its first weights; None where it keeps those that it has.
    head: HeadStart | None = None
    #: Of the validation images by the trained network, where they are there before the report.
    predictions: Predictions | None = None
    #: Whether the run was there before.
    resumed: bool

    def __init__(
        self,
        command: str,
        sources: ConfigSources,
        run: Run | None,
        *,
        name: str | None = None,
        group: Path | None = None,
        limit: TimeLimit | None = None,
        callbacks: Sequence[Callback] = (),
        quiet: bool = False,
        own_process: bool = True,
        processes: Processes | None = None,
        restarted: bool = False,
    ) -> None:
        self.processes, self.restarted = processes or Processes(), restarted
        #: Keeps other processes out of the run until it is closed.
        self.lock = ExitStack()
        self.name, self.group, self.limit = name, group, limit
        self.callbacks, self.quiet, self.own_process = callbacks, quiet, own_process
        #: Loggers and callbacks that the configuration names, by kind, name and distribution.
        self.parts: dict[str, Logger | Callback] = {}
        super().__init__(command, sources, run)

    def default_checkpoint(self) -> Path | None:
        """Return the resumed run's last checkpoint, or None where it was stopped before its first."""
        return self.run.last if self.run is not None and self.run.last.is_file() else None

    def check_config(self, start: str | None) -> str | None:
        """Refuse to resume a run by its name with another configuration; drop lengths where the time decides them."""
        if self.limit is not None:
            without_length(self.config)
        if self.run is None:
            return start
        recorded = read_config(self.run.config)
        self.config.trainer.callbacks = without_repetitions(self.config.trainer.callbacks)
        if self.random_seed:
            self.config.seed_everything = recorded["seed_everything"]
        if self.restarted or self.name is None:
            return None if self.restarted else start
        if start is not None:
            raise UserError(f"run {self.run.path} goes on from its own checkpoint; leave --ckpt_path {start} out")
        if self.config.data.augmentation is None:
            self.config.data.augmentation = recorded["data"].get("augmentation")
        require_same_config(self.run, recorded, yaml.safe_load(self.resolved_config()))
        return None

    def notify(self, text: str) -> None:
        """Print a line to stderr, where it is not quiet."""
        if not self.quiet:
            print_stderr(text)

    def build_model(self, config: dict[str, Any]) -> None:
        """Build the model, with its pretrained weights where some are asked for."""
        if config["model"]["class_weights"] == "balanced":
            weights = balanced_weights(self.datamodule.train_labels(), self.datamodule.spec.classes)
            config["model"]["class_weights"] = weights
        if self.run is None and config["model"]["batch_norm"] is None:
            mode = batch_norm_mode(self.weights is not None, lambda: len(self.datamodule.source("train")))
            config["model"]["batch_norm"] = self.config.model.batch_norm = mode
        build = self.task(config)
        self.model = build(
            spec=self.datamodule.spec,
            **config["model"],
            optimizer=config["optimizer"],
            lr_scheduler=config["lr_scheduler"],
        )
        if before := self.model.trained_before:
            self.notify(
                f"layers before the frozen ones still train: {listed(before, LISTED)}; --model.freeze N freezes the "
                "first N layers"
            )
        if self.compile:
            self.model.compile_network(self.compile)
        if self.weights is None and self.checkpoint is None:
            init_from_data(self.model, self.datamodule.source("train"))
        fresh = None
        if self.weights is not None:
            start = self.weights.unwrapped(self.model.network)
            fresh = start.load_into(self.model.network, self.model.spec)
            self.notify(start.summary(fresh, self.model.spec))
            self.weights = None  # training must not hold them beside the network
        if self.checkpoint is None:
            self._plan_head(fresh)

    def _plan_head(self, fresh: FreshHead | None) -> None:
        """Decide how the last layer starts; without epochs where solving it is the whole training."""
        self.head_plan = plan_head(self.head_start, fresh, self.model)
        self.config.model.head_start = self.head_plan.start
        if self.head_plan.note:
            self.notify(self.head_plan.note)
        alone = self.head_plan.alone and not self.model.has_own_step
        if self.head_plan.start == "solve" and alone and not self.length_chosen:
            self.config.trainer.max_epochs = self.config_init.trainer.max_epochs = 0
            self.limit = None
            if idle := idle_options(self.config.model):
                self.notify(f"{', '.join(idle)}: no effect without epochs; --trainer.max_epochs N trains N of them")

    def build(self, config: dict[str, Any]) -> None:
        """Build the model and the trainer."""
        self.build_model(config)
        if self.checkpoint is not None and self.checkpoint_path is not None:
            load_weights(self.model, self.checkpoint, self.checkpoint_path)
            require_state(self.checkpoint, self.checkpoint_path)
            if self.run is not None and self.datamodule.global_batch is None:
                self.datamodule.global_batch = self.checkpoint.get("global_batch")
            self.first_step, self.first_epoch = self.checkpoint["global_step"], last_epoch(self.checkpoint)
            self.first_rows = self.checkpoint["callbacks"].get(EpochMetrics.state_key, {}).get("rows")
        self.model.require_optimizer()
        self.config.data.augmentation = self.datamodule.augmentation_setting()
        self.datamodule.train_dataloader()
        self.datamodule.val_dataloader()
        self.resumed = self.run is not None
        if not self.resumed:
            root = self.group or Path(self.config.trainer.default_root_dir or "runs")
            names = self.sources.names["dataset"], self.model.architecture["name"]
            self.run = new_run(self.processes.ranks, root, self.name, *names)
        if is_first_process():
            self.lock.enter_context(held(self.run))
        self.recorded = self.run.config.read_bytes() if self.resumed else b""
        try:
            self.trainer = self.make_trainer(**self._trainer_changes())
            if self.checkpoint is not None and self.checkpoint_path is not None:
                start = self.checkpoint, self.checkpoint_path
                require_resumable_state(*start, self.model, self.trainer, resumed=self.resumed)
            # Training reads it once more, and must not hold its optimizer's state beside its own.
            self.checkpoint = None
            if self.group is not None:
                require_one_device(self.trainer)
            if self.trainer.world_size > 1:
                self.trainer.callbacks.append(SharedSteps(self.datamodule.seed))  # type: ignore[attr-defined]  # set by a connector
                self.processes.ranks.share()
            if is_first_process():
                keep_code(self.run, self.sources, self.model.architecture["from"])
                record(self.run, self.resolved_config(), None if self.resumed else self.datamodule)
                self.processes.ranks.remember("run", str(self.run.path.absolute()))
        except BaseException:
            with closing_loggers(self.loggers), self.lock:
                self.discard_new_run()
            raise

    def _trainer_changes(self) -> dict[str, Any]:
        monitor = self.monitor()
        self.metrics, self.checkpoints = EpochMetrics(), RunCheckpoints(self.run, monitor)
        self.stop = GracefulStop(self.run, self.own_process, by_name=self.name is not None)
        trainer = self.config_init.trainer
        bar = trainer.enable_progress_bar is not False
        self.lines = EpochProgressBar(self.metrics, self.checkpoints, bar=bar)
        if self.quiet:
            self.lines.disable()
        loggers = trainer.logger if isinstance(trainer.logger, list) else [trainer.logger]
        added = [logger for logger in loggers if logger is not None and not isinstance(logger, bool)]
        configured = trainer.callbacks if isinstance(trainer.callbacks, list) else [trainer.callbacks]
        named = build_parts("callback", self.config.callbacks, {}, Callback)
        self.parts |= named
        for callback in (*configured, *self.callbacks, *named.values()):
            if isinstance(callback, ModelCheckpoint) and callback.dirpath is None:
                callback.dirpath = str(self.run.last.parent.absolute())  # Lightning's is that of no named run
        patience, done = self.config.early_stopping, self.first_step or 0
        if is_first_process():
            self.parts |= named_loggers(self.config.logger, self.run, done if self.resumed else 0)
        added += self.loggers
        # The average stands before what may save a checkpoint in the same step.
        aids: list[Callback] = [] if self.ema is None else [MovingAverage(self.ema, trainer.precision)]
        aids += [] if patience is None else [MonitorEarlyStopping(patience, trainer.limit_val_batches, monitor)]
        first: list[Callback] = [FeatureCache(done)]
        if (head := self.head_plan.callback(trainer.max_epochs, quiet=self.quiet)) is not None:
            self.head = head
            first.append(head)
        own, length = [self.metrics, self.lines, self.stop, self.checkpoints], {}
        if self.limit is not None:  # behind the others: the time that they take is over when the speed is measured
            solved = self.head is not None and self.head.solved
            limit = self.limit.seconds, self.limit.begin
            first.append(TimeBudget(self.run, *limit, self._keep_length, self.notify, solved=solved))
            length = {"max_epochs": MOST_EPOCHS}
        return length | {
            "logger": [MetricsLogger(self.run, self.first_step if self.resumed else None, self.first_rows), *added],
            "callbacks": [*self.callbacks, *named.values(), *first, *aids, *own],
            "enable_progress_bar": True,
        }

    def _keep_length(self, length: Length) -> None:
        """Write into config.yaml how long the run trains, which a resumed run keeps."""
        set_length(self.config.trainer, length)
        write_atomically(self.run.config, self.resolved_config())

    @property
    def loggers(self) -> list[Logger]:
        """Those that --logger names."""
        return [part for part in self.parts.values() if isinstance(part, Logger)]

    @property
    def solves_all(self) -> bool:
        """Whether the solved head is the whole training."""
        return self.head is not None and self.head.solved and self.trainer.max_epochs == 0

    def monitor(self) -> Monitor:
        """Return the figure that chooses best.ckpt; UserError where validation does not measure it."""
        return Monitor.chosen(self.config.monitor, self.model.val_metrics.names)

    def discard_new_run(self) -> None:
        """Remove a new run's folder, in which nothing is trained; a resumed one gets its config.yaml back."""
        if is_first_process() and not self.resumed:
            self.run.discard()
        elif is_first_process() and self.run.config.read_bytes() != self.recorded:
            write_atomically(self.run.config, self.recorded)
