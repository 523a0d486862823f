"""Tasks by name: subclasses of ImageClassifier with a ``training_step`` of their own.

The contract of ``zoo.tasks``: a subclass of ``zoo.ImageClassifier``. Its ``training_step(batch, batch_idx)`` returns
the loss to minimise, a floating tensor of one number, or a dict with the key ``loss``; a dict with ``logits`` and
``labels`` besides gives the training accuracy; None skips the batch. Its
``__init__(self, *args, option=..., **kwargs)`` passes on all but its own options, which are keyword-only. Modules that
it adds train with the network, and are in checkpoints.
"""

from __future__ import annotations

import inspect
from typing import Any

from zoo.core import registry
from zoo.core.errors import UserError
from zoo.training.task import ImageClassifier


def load_task(name: str, origin: str = "") -> type[ImageClassifier]:
    """Import a task; UserError where the name is unknown, or its class is no task."""
    value = registry.load("task", name, origin)
    if not (inspect.isclass(value) and issubclass(value, ImageClassifier)):
        received = value.__name__ if inspect.isclass(value) else type(value).__name__
        title = registry.find("task", name, origin).title
        raise UserError(f"{title} breaks the contract: a task is a subclass of zoo.ImageClassifier, not {received}")
    return value


def build_task(name: str, origin: str, options: dict[str, Any], **arguments: Any) -> ImageClassifier:
    """Build a task.

    Args:
        name: as ``zoo list tasks`` shows it.
        origin: the distribution, or the file, that a run recorded.
        options: the task's own.
        **arguments: of ImageClassifier.

    Raises:
        UserError: as ``load_task``, or it refuses an option; or as ImageClassifier.
    """
    load_task(name, origin)
    task: ImageClassifier = registry.call("task", name, (), {**arguments, **options}, origin)
    task.title = registry.find("task", name, origin).title
    return task
