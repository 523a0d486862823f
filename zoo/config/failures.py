"""What the user can do where a training stops."""

from __future__ import annotations

import re
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING

from zoo.core.blame import unforeseen
from zoo.core.console import print_stderr
from zoo.core.errors import (
    CheckpointError,
    ImageError,
    RunError,
    Stopped,
    UserError,
    ZooError,
    brief,
    first_line,
    is_out_of_memory,
)
from zoo.core.foreign import is_users_stop
from zoo.core.part_setting import part_of
from zoo.data.image_data import ImageData
from zoo.data.worker_deaths import ReaderDiedError
from zoo.training.graceful_stop import Interrupted
from zoo.training.lightning_internals import restored_field
from zoo.training.optimizer_check import is_of_optimizer

if TYPE_CHECKING:
    from zoo.config.fit_cli import FitCLI

#: What torch's means of communication say where another process has gone.
LOST = re.compile(r"connection closed|connection reset|gloo|nccl|broken pipe|store->|recvValue", re.IGNORECASE)


@contextmanager
def explained_failures(cli: FitCLI) -> Iterator[None]:
    """Add to what stops a training what the user can do."""
    remedy = f"resume with: zoo fit {cli.run.path}" if cli.run is not None else ""
    try:
        yield
    except Interrupted:
        print_stderr(f"interrupted at step {cli.trainer.global_step}; saved: {cli.run.last}; {remedy}")
        raise
    except Stopped:  # Ctrl-C or SIGTERM while no step is done: GracefulStop listens to the others
        saved = f"saved before: {cli.run.last}" if cli.run.last.is_file() else "no checkpoint was saved yet"
        print_stderr(f"interrupted while not training; {saved}; {remedy}")
        raise
    except BaseException as error:
        if is_users_stop(error) or (explained := _explained(error, cli, remedy)) is None:
            raise
        raise explained from error


@contextmanager
def restoring(cli: FitCLI) -> Iterator[None]:
    """Name the field of a checkpoint from which a training cannot go on; CheckpointError."""
    try:
        yield
    except ZooError:
        raise
    except Exception as error:
        field = restored_field(error)
        if field is None and cli.trainer.global_step == cli.first_step and is_of_optimizer(error):
            field = "optimizer_states"  # they were restored, and the first step cannot use them
        if field is None:
            raise
        raise CheckpointError(
            f"{cli.checkpoint_path}: no training can go on from its {field}, which is damaged or of another training; "
            "start from another checkpoint (--ckpt_path), or train a new run"
        ) from error


@contextmanager
def explained_memory(data: ImageData) -> Iterator[None]:
    """Turn full memory into a RunError that suggests a smaller batch."""
    try:
        yield
    except (RuntimeError, MemoryError, OSError) as error:
        if not is_out_of_memory(error):
            raise
        raise RunError(out_of_memory(data)) from error


def out_of_memory(data: ImageData) -> str:
    """Return one line about a step that had no room: its batch size, and a smaller one."""
    whole = data.global_batch
    option, size = ("batch_size", data.batch_size) if whole is None else ("global_batch", whole)
    smaller = f"try a smaller batch: --data.{option} {size // 2}" if size > 1 else "try smaller images or networks"
    return f"out of memory at {'batch size' if whole is None else 'global batch'} {size}; {smaller}"


def _explained(error: BaseException, cli: FitCLI, remedy: str) -> RunError | None:
    """Return what an error of a training means; None where it says it itself."""
    if isinstance(error, SystemExit) and isinstance(error.__context__, KeyboardInterrupt):
        error = error.__context__  # which Lightning turns into an exit
    reason = first_line(error)
    if isinstance(error, ImageError | ReaderDiedError):
        return RunError(f"{error}; then {remedy}")
    if is_out_of_memory(error):
        kept = "the last checkpoint is kept" if cli.run.last.is_file() else "there is no checkpoint yet"
        return RunError(f"{out_of_memory(cli.datamodule)}; {kept}; {remedy}")
    if isinstance(error, UserError) and cli.trainer.global_step > (cli.first_step or 0):
        return RunError(f"{error}; {remedy}")
    if cli.trainer.world_size > 1 and LOST.search(str(error)):
        return RunError(f"another process of this training has ended; {remedy}")
    if type(error).__module__.startswith(("torch._dynamo", "torch._inductor")):
        return RunError(f"the network cannot be compiled: {reason}; leave --model.compile out")
    if isinstance(error, ZooError):
        return None
    if title := part_of(error, cli.parts):
        return RunError(f"{title} raises {brief(error)}; mend it or leave it out; {remedy}")
    return RunError(f"{unforeseen(error)}; {remedy}")
