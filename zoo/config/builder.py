"""ZooCLI: LightningCLI with registered names; options and config files become a checked configuration."""

from __future__ import annotations

import os
import secrets
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

import torch
import yaml
from lightning.fabric.utilities.exceptions import MisconfigurationException
from lightning.pytorch import Trainer
from lightning.pytorch.callbacks import Checkpoint
from lightning.pytorch.cli import LightningArgumentParser, LightningCLI, ReduceLROnPlateau
from lightning.pytorch.plugins import Precision
from torch.optim import Optimizer
from torch.optim.lr_scheduler import LRScheduler

from zoo.config.builder_options import add_builder
from zoo.config.class_names import use_class_paths
from zoo.config.class_rule import checked_classes
from zoo.config.fine_tuning import FINE_TUNING_EPOCHS, parser_defaults
from zoo.config.help import HelpFormatter, own_options_first
from zoo.config.messages import null_error
from zoo.config.options import TRAINING_OPTIONS
from zoo.config.outputs import require_inside
from zoo.config.parser_internals import prefer_int, without_unserializable
from zoo.config.parsing import parse
from zoo.config.processes import Processes
from zoo.config.recorded_split import complete_data, old_run, recorded_augmentation, recorded_split
from zoo.config.resolve import ConfigSources
from zoo.config.trainer_options import require_possible
from zoo.core import registry
from zoo.core.code_file import use_code
from zoo.core.console import print_stderr
from zoo.core.errors import UserError
from zoo.data.datamodule import ImageDataModule
from zoo.models.checkpoint import read_checkpoint, require_same_architecture, spec_of
from zoo.models.pretrained import Weights, find_weights
from zoo.runs.config_file import NAMED_OPTIONS
from zoo.runs.folder import Run
from zoo.training.checkpoints import AtomicCheckpointIO
from zoo.training.fast_loop import FastTrainingLoop
from zoo.training.fast_settings import (
    NoProfiler,
    cannot_clip,
    default_precision,
    flush_denormals,
    keep_freed_memory,
    skip_cuda_driver_search,
)
from zoo.training.head_start import Start
from zoo.training.lightning_internals import clip_unscaled
from zoo.training.task import ImageClassifier
from zoo.training.tasks import build_task, load_task

#: Where neither epochs, steps nor time are given: enough for LeNet-5 to pass 96 % on digits with any of four seeds.
DEFAULT_EPOCHS = 40

#: Recorded in every config.yaml, so that every run can be repeated.
DEFAULT_SEED = 0

TRAINER_DEFAULTS = {
    "default_root_dir": "runs",
    # Each process of a launcher, or of Lightning, trains on one; several are asked for.
    "devices": 1,
    "enable_model_summary": False,
    # Validation runs the same step as training, whose first batch fails just as early.
    "num_sanity_val_steps": 0,
    # zoo's loaders share the work themselves, without repeating images in evaluation.
    "use_distributed_sampler": False,
}


class ZooCLI(LightningCLI):
    """Data, model and trainer of one command, as LightningCLI builds them, with builders known by name.

    Args:
        command: what follows ``zoo``.
        sources: what the configuration is made of.
        run: the run to resume or evaluate; None for a new one.

    Raises:
        UserError: an option, its value, a name or a file is wrong.
    """

    model: ImageClassifier
    datamodule: ImageDataModule
    #: What the network starts from; None where a checkpoint or fresh weights do.
    weights: Weights | None = None
    #: Whether torch.compile is to speed the network up, or in which of its modes.
    compile: bool | str = False
    #: How the last layer starts; None where nothing says so.
    head_start: Start | None = None
    #: Whether the user says how long to train.
    length_chosen = True
    #: Decay of the moving average of the weights; None keeps no average.
    ema: float | None = None
    #: Whether the seed is random.
    random_seed = False
    #: Those that train or evaluate together.
    processes = Processes()
    #: Options of Trainer that the parser takes as they are.
    untyped: tuple[str, ...] = ()
    usage = "RUN"
    description = ""

    def __init__(self, command: str, sources: ConfigSources, run: Run | None) -> None:
        flush_denormals()  # threads inherit it, so it comes before torch starts any
        require_inside(sources, run)
        use_code(sources.code)
        use_class_paths(sources)
        self.sources, self.run = sources, run
        self.checkpoint: dict[str, Any] | None = None
        self.checkpoint_path: Path | None = None
        super().__init__(
            ImageClassifier,
            ImageDataModule,
            args=sources.args,
            run=False,
            save_config_callback=None,
            seed_everything_default=DEFAULT_SEED,
            load_from_checkpoint_support=False,
            parser_kwargs={
                "prog": f"zoo {command}",
                "usage": f"zoo {command} {self.usage} [options]",
                "description": self.description,
                "formatter_class": HelpFormatter,
                "exit_on_error": False,
                "allow_abbrev": False,
            },
        )

    def add_core_arguments_to_parser(self, parser: LightningArgumentParser) -> None:
        """Add the options of trainer, model and data, with those of the chosen builders."""
        skip: set[str | int] = set(self.untyped)
        # As LightningCLI adds them, but for those that are skipped.
        parser.add_class_arguments(
            Trainer, "trainer", skip=skip, instantiate=False, fail_untyped=False, sub_configs=True
        )
        for name in self.untyped:
            parser.add_argument(f"--trainer.{name}", type=Any, default=None)
        prefer_int(parser)
        parser.set_defaults({f"trainer.{key}": value for key, value in TRAINER_DEFAULTS.items()})
        # What builds model and data is read as plain values: only instantiate_classes has the spec they share.
        skip = {"spec", "architecture", "loss", "optimizer", "lr_scheduler"}
        parser.add_class_arguments(ImageClassifier, "model", skip=skip, instantiate=False)
        skip = {"spec", "like", "dataset", "seed"}
        parser.add_class_arguments(ImageDataModule, "data", skip=skip, instantiate=False)
        load_task(self.sources.names["task"], self.sources.origins["task"])
        for named in NAMED_OPTIONS:
            name, origin = self.sources.names[named.kind], self.sources.origins[named.kind]
            add_builder(parser, named.kind, named.key, name, origin)
        parser.add_optimizer_args((Optimizer,), "optimizer")
        parser.add_lr_scheduler_args((LRScheduler, ReduceLROnPlateau), "lr_scheduler")
        parser.set_defaults(parser_defaults(self.sources))
        for option, kind, text, settings in TRAINING_OPTIONS:
            parser.add_argument(option, type=kind, help=text, **({"default": None} | settings))

    def parse_arguments(self, parser: LightningArgumentParser, args: Any) -> None:
        """Parse; an error is one line."""
        own_options_first(parser, self.sources.names)
        self.config = parse(parser, args, self.sources)
        if self.config.optimizer is None:
            raise null_error("optimizer", Optimizer, self.sources)
        seed = self.config.seed_everything
        self.random_seed = seed is True
        if self.random_seed:
            self.config.seed_everything = self.processes.ranks.agree("seed", lambda: secrets.randbelow(2**32))
        if not isinstance(seed, bool) and not 0 <= seed < 2**32:
            raise UserError(f"seed_everything is {seed}; allowed is 0 to {2**32 - 1}, or true for a random one")

    def before_instantiate_classes(self) -> None:
        """Fill in what the run must record, and read the checkpoint before anything is built."""
        trainer, data = self.config.trainer, self.config.data
        require_possible(trainer)
        self.length_chosen = trainer.max_epochs is not None or trainer.max_steps != -1 or trainer.max_time is not None
        if not self.length_chosen:
            trainer.max_epochs = FINE_TUNING_EPOCHS if self.config.model.weights is not None else DEFAULT_EPOCHS
        if self.config.seed_everything is False:
            self.config.seed_everything = DEFAULT_SEED
        complete_data(data, self.run)
        weights = self.config.model.weights
        if weights is not None and os.path.exists(weights):
            self.config.model.weights = str(Path(weights).absolute())
        if self.run is None and data.new_images is None and old_run(data.split, self.config.model.weights) is not None:
            data.new_images = "train"
        if (teacher := self.config.model.teacher) is not None:
            self.config.model.teacher = str(Path(teacher).absolute())
        start = self.config.pop("ckpt_path")
        if start and weights is not None and self.run is None:
            raise UserError("--ckpt_path and --model.weights both say what to start from; leave one out")
        start = self.check_config(start)
        self.checkpoint_path = Path(start) if start else self.default_checkpoint()
        if self.checkpoint_path is not None:
            self.checkpoint = read_checkpoint(self.checkpoint_path)
            architecture = self.config.model.architecture.as_dict()
            architecture["name"] = registry.recorded("architecture", architecture["name"])["name"]
            require_same_architecture(self.checkpoint, self.checkpoint_path, architecture)

    def check_config(self, start: str | None) -> str | None:
        """Refuse, by a UserError, a configuration that the run cannot follow.

        Args:
            start: the checkpoint to start from, where one is named.

        Returns:
            The checkpoint to start from; None for the run's own.
        """
        return start

    def default_checkpoint(self) -> Path | None:
        """Return the checkpoint to start from where --ckpt_path names none."""
        return None

    def instantiate_classes(self) -> None:
        """Build data, model and trainer; the spec comes from the checkpoint, else from the data and the weights."""
        keep_freed_memory()
        skip_cuda_driver_search()
        optimizer, trainer = self.config.optimizer.get("init_args") or {}, self.config.trainer
        if cannot_clip(trainer.precision, trainer.gradient_clip_val, optimizer):
            optimizer["fused"] = False
            print_stderr("optimizer.fused is false: a fused optimizer cannot clip the scaled gradients of 16-mixed")
        with checked_classes(self.sources):
            self.config_init = self.parser.instantiate(self.config)
        config = self.config.as_dict()
        weights, spec = config["model"].pop("weights"), None
        self.compile, self.ema = config["model"].pop("compile"), config["model"].pop("ema")
        self.head_start = config["model"].pop("head_start")
        if self.checkpoint is not None and self.checkpoint_path is not None:
            spec = spec_of(self.checkpoint, self.checkpoint_path)  # pretrained weights went into the checkpoint
        elif weights is not None:
            self.weights = find_weights(config["model"]["architecture"], weights)
        like = None if self.weights is None else self.weights.spec
        if self.run is not None:
            config["data"] |= recorded_split(self.run, config["data"]) | recorded_augmentation(config["data"])
        self.datamodule = ImageDataModule(**config["data"], seed=config["seed_everything"], spec=spec, like=like)
        self.build(config)

    def build(self, config: dict[str, Any]) -> None:
        """Build model and trainer out of the configuration, ``self.datamodule`` being there."""
        raise NotImplementedError

    def task(self, config: dict[str, Any]) -> Callable[..., ImageClassifier]:
        """Take the task out of the configuration, and return what builds it out of the arguments of ImageClassifier."""
        options = config["model"].pop("task")
        return partial(build_task, options.pop("name"), self.sources.origins["task"], options)

    def make_trainer(self, **changes: Any) -> Trainer:
        """Build the trainer the configuration describes, with atomic checkpoints, in a precision that suits the device.

        Args:
            **changes: arguments of Trainer that differ; ``callbacks`` are added to the configured ones.
        """
        config = vars(self.config_init.trainer) | changes
        configured = _as_list(self.config_init.trainer.callbacks)
        if config["enable_checkpointing"] is False:  # Lightning refuses what saves checkpoints, such as a training did
            configured = [callback for callback in configured if not isinstance(callback, Checkpoint)]
        config["callbacks"] = [*configured, *changes.get("callbacks", [])]
        config |= self.processes.trainer_options([AtomicCheckpointIO(), *_as_list(config["plugins"])])
        if self.run is not None:  # on SLURM, Lightning starts from a checkpoint that it finds in this folder
            config["default_root_dir"] = str(self.run.path)
        gpu = config["accelerator"] in ("auto", "gpu", "cuda") and torch.cuda.is_available()
        if config["precision"] is None and not any(isinstance(plugin, Precision) for plugin in config["plugins"]):
            config["precision"] = default_precision("cuda" if gpu else "cpu")
        if gpu and config["benchmark"] is None and not config["deterministic"]:
            config["benchmark"] = True  # cuDNN tries its ways once for each size: the whole batches' and the last one's
        config["profiler"] = config["profiler"] or NoProfiler()
        try:
            trainer = Trainer(**config)
        except (MisconfigurationException, ValueError, TypeError, ImportError) as error:
            raise UserError(f"trainer: {' '.join(str(error).split())}") from error
        self.processes.check(trainer, self.config.trainer.devices)
        clip_unscaled(trainer)
        FastTrainingLoop.install(trainer)
        return trainer

    def resolved_config(self) -> str:
        """Return the whole configuration as YAML, registered names first in their sections."""
        content = without_unserializable(yaml.safe_load(self.parser.dump(self.config, skip_unset=False)))
        content.pop("config", None)
        for named in NAMED_OPTIONS:
            section = content[named.section]
            builder = section[named.kind] | registry.recorded(named.kind, self.sources.names[named.kind])
            section[named.kind] = {key: builder[key] for key in dict.fromkeys(["name", "from", *builder])}
        content["code"] = [file.record for file in self.sources.code] or None
        return yaml.safe_dump(content, sort_keys=False, allow_unicode=True)


def _as_list(value: Any) -> list[Any]:
    """Return what an option of Trainer means that takes one object, several or none."""
    if value is None or isinstance(value, bool):
        return []
    return list(value) if isinstance(value, list) else [value]
