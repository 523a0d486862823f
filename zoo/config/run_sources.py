"""The configuration of a run that is there, with the options that a command takes. No Lightning."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from zoo.config.resolve import ConfigSources, resolve
from zoo.core.console import is_first_process, print_stderr
from zoo.core.errors import UserError
from zoo.data.contract import Split
from zoo.data.splits import DatasetSplits
from zoo.runs.config_file import read_config
from zoo.runs.folder import Run

#: How options begin that only a training follows.
TRAINING: tuple[str, ...] = ("--model.", "--optimizer", "--lr_scheduler", "--monitor", "--early_stopping")
TRAINING += ("--logger", "--callbacks", "--code", "--tf32")


def run_sources(
    command: str, args: Sequence[str], *configs: tuple[str, Mapping[str, Any]]
) -> tuple[Run, ConfigSources]:
    """Return a run and what its configuration is made of.

    Args:
        command: the word after ``zoo``, for errors.
        args: the run folder, then options that override its configuration.
        *configs: name and content of configurations that override it as well; options win over them.

    Raises:
        UserError: there is no such run, or an option says how to train.
    """
    if not args or args[0].startswith("-"):
        raise UserError(f"which run? zoo {command} RUN, where RUN is the folder that 'zoo fit' printed")
    run = Run.open(args[0])
    _refuse_training_options(command, run, args[1:])
    own = (str(run.config), read_config(run.config))
    sources = resolve(args[1:], own, *configs)
    if sources.names != resolve([], own).names:
        raise UserError(f"run {run.path} knows its model and data; leave --model and --data out")
    return run, sources


def show_split_notes(command: str, run: Run, splits: DatasetSplits) -> None:
    """Name the images that are no longer what the run recorded, of those that the command reads."""
    if not run.split.is_file() or not is_first_process():
        return
    read: list[Split] = ["val"] if command == "validate" else ["val", "test"]
    for note in [*splits.changes(read), *splits.notes]:
        print_stderr(note)


def _refuse_training_options(command: str, run: Run, args: Sequence[str]) -> None:
    """Refuse, by a UserError, options that say how to train: they would change nothing."""
    for option in (arg.partition("=")[0] for arg in args):
        if option.startswith(TRAINING):
            raise UserError(
                f"{option} says how to train, and 'zoo {command}' takes run {run.path} as it was trained; leave it out "
                "(--data.*, --trainer.* and --ckpt_path have an effect)"
            )
