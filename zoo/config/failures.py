"""What the user can do where a training stops."""

from __future__ import annotations

import re
from collections.abc import Iterator
from contextlib import contextmanager

from zoo.config.fit_cli import FitCLI
from zoo.core.console import print_stderr
from zoo.core.errors import CheckpointError, ImageError, RunError, ZooError, first_line, is_out_of_memory
from zoo.core.part_setting import part_of
from zoo.training.graceful_stop import Interrupted
from zoo.training.lightning_internals import restored_field
from zoo.training.optimizer_check import is_of_optimizer

#: What torch's means of communication say where another process has gone.
LOST = re.compile(r"connection closed|connection reset|gloo|nccl|broken pipe|store->|recvValue", re.IGNORECASE)


@contextmanager
def explained_failures(cli: FitCLI) -> Iterator[None]:
    """Add to what stops a training what the user can do."""
    remedy = f"resume with: zoo fit {cli.run.path}" if cli.run is not None else ""
    try:
        yield
    except Interrupted:
        print_stderr(f"interrupted at step {cli.trainer.global_step}; {remedy}")
        raise
    except SystemExit:  # Ctrl-C or SIGTERM while no step is done: GracefulStop listens to the others
        print_stderr(f"interrupted while not training; {remedy}")
        raise
    except Exception as error:
        if (explained := _explained(error, cli, remedy)) is None:
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


def _explained(error: Exception, cli: FitCLI, remedy: str) -> RunError | None:
    """Return what an error of a training means; None where it says it itself."""
    reason = first_line(error)
    if isinstance(error, ImageError):
        return RunError(f"{error}; then {remedy}")
    if is_out_of_memory(error):
        whole = cli.datamodule.global_batch
        option, size = ("batch_size", cli.datamodule.batch_size) if whole is None else ("global_batch", whole)
        return RunError(
            f"out of memory at {'batch size' if whole is None else 'global batch'} {size}; the last checkpoint is "
            f"kept; try a smaller batch: --data.{option} {max(1, size // 2)}"
        )
    if cli.trainer.world_size > 1 and LOST.search(str(error)):
        return RunError(f"another process of this training has ended; {remedy}")
    if type(error).__module__.startswith(("torch._dynamo", "torch._inductor")):
        return RunError(f"the network cannot be compiled: {reason}; leave --model.compile out")
    if "DataLoader worker" in str(error):
        return RunError(f"a process that reads images died: {reason}; {remedy}")
    if not isinstance(error, ZooError) and (title := part_of(error, cli.parts)):
        return RunError(f"{title} raises {type(error).__name__}: {reason}; mend it or leave it out; {remedy}")
    return None
