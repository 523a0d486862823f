"""The metrics of a split: loss, accuracy, macro F1, with more than 5 classes top-5 accuracy, and what is asked for.

The contract of ``zoo.metrics``: ``builder(spec, **options)`` returns a ``torchmetrics.Metric`` with ``update(logits,
labels)``: floating ``(batch, classes)`` and int64 ``(batch,)``; ``compute()`` returns one number. Where lower values
are better, its name ends in ``error`` or ``loss``: by the name ``--monitor`` knows.
"""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor, nn
from torchmetrics import MeanMetric, Metric, MetricCollection

from zoo.core import registry
from zoo.core.errors import UserError
from zoo.core.foreign import errors_of
from zoo.core.part_setting import PartSetting, parse_parts
from zoo.core.spec import InputSpec
from zoo.runs.metrics import Monitor

#: Logits that wait, at most, until they are counted: 4 MiB of float32.
MAX_LOGITS = 2**20


class SplitMetrics(nn.Module):
    """Torchmetrics over all batches of one split, and over all processes.

    Args:
        spec: of the data.
        split: its name comes before the slash in the names of the metrics.
        setting: metrics beside those of every run, or with other options than there.

    Raises:
        UserError: a name is unknown or listed twice, or a metric breaks its contract.
    """

    def __init__(self, spec: InputSpec, split: str, setting: PartSetting | None = None) -> None:
        super().__init__()
        self.split = split
        names = ["accuracy", "f1", *(["top5_accuracy"] if len(spec.classes) > 5 else [])]
        parts: dict[str, tuple[str, dict[str, Any]]] = {name: (name, {}) for name in names}
        own = [(_column(name), name, options) for name, options in parse_parts("model.metrics", setting)]
        columns = [column for column, _, _ in own]
        if twice := [column for column in columns if columns.count(column) > 1]:
            raise UserError(f"model.metrics lists '{twice[0]}' twice; name each metric once")
        parts |= {column: (name, options) for column, name, options in own}
        metrics: dict[str, Metric | MetricCollection] = {
            column: _metric(name, options, spec) for column, (name, options) in parts.items()
        }
        #: What errors call each metric, by its name after the slash.
        self.titles = {column: registry.find("metric", name).title for column, (name, _) in parts.items()}
        # MetricCollection guesses groups from the first batch: if all of it is right, or wrong, top-5 becomes top-1.
        self.figures = MetricCollection(metrics, prefix=f"{split}/", compute_groups=False)
        self.loss = MeanMetric()
        #: Logits, labels and losses of batches that are not counted yet, and the number of those logits.
        self._pending: list[tuple[Tensor, Tensor, Tensor]] = []
        self._pending_logits = 0

    @property
    def names(self) -> list[str]:
        """The names of the metrics, sorted, the split's name before the slash."""
        return sorted([f"{self.split}/loss", *map(str, self.figures.keys())])

    def update(self, logits: Tensor, labels: Tensor, loss: Tensor) -> None:
        """Add a batch: logits ``(batch, classes)``, int64 labels ``(batch,)``, and its mean loss.

        Batches are counted many at once: counting waits for a GPU, and a validation step must not.

        Raises:
            UserError: a metric raises an error.
        """
        self._pending.append((logits.detach(), labels, loss.detach()))
        self._pending_logits += logits.numel()
        if self._pending_logits > MAX_LOGITS:
            self._count()

    def _count(self) -> None:
        """Count the batches that are not counted yet, one by one."""
        pending, self._pending, self._pending_logits = self._pending, [], 0
        for logits, labels, loss in pending:
            for column, metric in self.figures.items(keep_base=True):
                with errors_of(self.titles[str(column)]):
                    metric.update(logits, labels)
            self.loss.update(loss, len(labels))

    def compute_and_reset(self) -> dict[str, Tensor]:
        """Return the metrics by name, and start from zero.

        Raises:
            UserError: a metric raises an error, or computes something else than a number.
        """
        self._count()
        values: dict[str, Tensor] = {f"{self.split}/loss": self.loss.compute()}
        for column, metric in self.figures.items(keep_base=True):
            title = self.titles[str(column)]
            with errors_of(title):
                value = torch.as_tensor(metric.compute())
            if value.numel() != 1:
                raise UserError(
                    f"{title} breaks the contract: compute() must return one number, received {tuple(value.shape)}"
                )
            values[f"{self.split}/{column}"] = value.reshape(())
        self.reset()
        return values

    def reset(self) -> None:
        """Start from zero."""
        self._pending, self._pending_logits = [], 0
        with torch.inference_mode(False):  # sums which the validation of a later fit can add to
            self.figures.reset()
            self.loss.reset()


def _column(name: str) -> str:
    """Return what a metric is called in tables: its name without distribution, family or package."""
    bare = name.rpartition(":")[2].rpartition("/")[2]
    return bare if registry.has("metric", name) else bare.rpartition(".")[2]


def _metric(name: str, options: dict[str, Any], spec: InputSpec) -> Metric:
    """Build a metric; UserError where it breaks its contract."""
    metric, title = registry.call("metric", name, (spec,), options), registry.find("metric", name).title
    if not isinstance(metric, Metric):
        raise UserError(
            f"{title} breaks the contract: it must return a torchmetrics.Metric, received {type(metric).__name__}"
        )
    lower = Monitor(_column(name)).better == "lower"
    if metric.higher_is_better is lower:
        better = "lower" if metric.higher_is_better is False else "higher"
        raise UserError(
            f"{title} breaks the contract: {better} values are better, and a name ends in error or loss only where "
            "lower ones are; rename it"
        )
    return metric
