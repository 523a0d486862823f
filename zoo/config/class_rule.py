"""Which classes a config file may name: subclasses of what options of zoo take, of allowed packages.

Functions, and classes of other kinds, could do anything when they are called: torch.hub.load executes a download.
"""

from __future__ import annotations

import inspect
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from lightning.fabric.plugins import CheckpointIO, ClusterEnvironment
from lightning.pytorch.accelerators import Accelerator
from lightning.pytorch.callbacks import Callback
from lightning.pytorch.loggers.logger import Logger
from lightning.pytorch.plugins import LayerSync, Precision
from lightning.pytorch.profilers import Profiler
from lightning.pytorch.strategies import Strategy
from torch.optim import Optimizer
from torch.optim.lr_scheduler import LRScheduler

from zoo.config.parser_internals import checked_imports, imported
from zoo.config.resolve import ConfigSources
from zoo.core.errors import UserError
from zoo.core.trust import is_allowed, is_granted, require_import

#: What options take objects of.
OPTION_TYPES = (
    *(Accelerator, Callback, CheckpointIO, ClusterEnvironment, LayerSync, Logger, LRScheduler, Optimizer),
    *(Precision, Profiler, Strategy),
)


def require_class(path: str) -> None:
    """Refuse, by a UserError, an import path that a config file may not name; what is allowed is imported.

    Raises:
        UserError: its package is neither allowed nor granted, or it is no class that an option takes.
    """
    require_import(path)
    if not is_allowed(path):
        return
    try:
        value = imported(path)
    except (ImportError, AttributeError, ValueError):
        return  # the parser says what is missing
    if not (inspect.isclass(value) and issubclass(value, OPTION_TYPES)) and not is_granted(path):
        kind = "class" if inspect.isclass(value) else type(value).__name__
        raise UserError(
            f"{path} is a {kind}; files may name subclasses of {', '.join(kind.__name__ for kind in OPTION_TYPES)}; if "
            f"you trust who wrote the file, add --trust {path}"
        )


@contextmanager
def checked_classes(sources: ConfigSources) -> Iterator[None]:
    """Check each class that values name before it is imported, and say why one was refused where parsing fails.

    Args:
        sources: what is parsed, for the names of its files.
    """
    with checked_imports(require_class) as refusals:
        try:
            yield
        except (UserError, ImportError) as error:
            if not refusals:
                raise
            text = str(refusals[0])
            file = next((f"{file}: " for file in _files_with(sources, text.partition(" ")[0])), "")
            raise UserError(file + text) from error


def _files_with(sources: ConfigSources, path: str) -> Iterator[str]:
    for file, config in zip(sources.files, sources.configs, strict=True):
        if path in _texts(config):
            yield file


def _texts(value: Any) -> Iterator[str]:
    if isinstance(value, str):
        yield value
    for item in value.values() if isinstance(value, dict) else value if isinstance(value, list) else ():
        yield from _texts(item)
