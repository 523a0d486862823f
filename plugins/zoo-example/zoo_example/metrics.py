"""lead: a metric, by which --monitor can choose the best checkpoint too."""

from __future__ import annotations

from torch import Tensor
from torchmetrics import MeanMetric

from zoo import InputSpec


class Lead(MeanMetric):
    """Mean difference of the right class's logit and the mean of all."""

    def update(self, logits: Tensor, labels: Tensor) -> None:  # type: ignore[override]  # zoo passes these
        """Add a batch: logits ``(batch, classes)``, int64 labels ``(batch,)``."""
        super().update(logits.gather(1, labels[:, None])[:, 0] - logits.mean(dim=1))


def lead(spec: InputSpec) -> Lead:
    """How far the right class's logit is above the mean of all; where lower is better, a name ends in error or loss.

    Args:
        spec: of the data.
    """
    return Lead()
