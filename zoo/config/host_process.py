"""What a training must leave alone in a Python process that does other things too: signal handlers, logs, warnings."""

from __future__ import annotations

import logging
import signal
import threading
import warnings
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager


@contextmanager
def host_signals() -> Iterator[None]:
    """Let Ctrl-C and SIGTERM leave a training in order, and give the host process its own handlers back."""
    from zoo.training.graceful_stop import Interrupted

    if threading.current_thread() is not threading.main_thread():
        yield
        return

    def leave(signum: int, _: object) -> None:
        raise Interrupted(signum)

    # Lightning would ignore SIGINT from then on and leave the process, were it a KeyboardInterrupt.
    handlers = {number: signal.signal(number, leave) for number in (signal.SIGINT, signal.SIGTERM)}
    try:
        yield
    except Interrupted as error:
        if error.exit_status == 128 + signal.SIGINT:
            raise KeyboardInterrupt(str(error)) from error
        raise SystemExit(error.exit_status) from error
    finally:
        for number, handler in handlers.items():
            signal.signal(number, handler)


@contextmanager
def quiet_lightning() -> Iterator[None]:
    """Keep Lightning's notices and warnings away: what a user must know, zoo says itself."""
    import lightning.pytorch  # noqa: F401  # its import sets these levels

    loggers = [logging.getLogger(f"lightning.{name}") for name in ("pytorch", "fabric")]
    levels = [logger.level for logger in loggers]
    with ExitStack() as stack:
        if threading.current_thread() is threading.main_thread():  # the filters are the process's
            stack.enter_context(warnings.catch_warnings())
            warnings.filterwarnings("ignore", module=r"lightning\.")
        for logger, level in zip(loggers, levels, strict=True):
            stack.callback(logger.setLevel, level)
            logger.setLevel(logging.ERROR)
        yield
