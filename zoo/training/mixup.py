"""Training images that are blended or pasted into each other, with targets shared accordingly.

mixup: H. Zhang et al., "mixup: Beyond Empirical Risk Minimization", 2017, https://arxiv.org/abs/1710.09412; CutMix: S.
Yun et al., "CutMix: Regularization Strategy to Train Strong Classifiers with Localizable Features", 2019,
https://arxiv.org/abs/1905.04899. Both are torchvision's; an image is mixed with its neighbour in the shuffled batch.
"""

from __future__ import annotations

from torch import Tensor
from torchvision.transforms import v2

from zoo.core.errors import UserError


class Mixing:
    """Mixes a batch, anew at each call; what it draws comes from torch's global generator of the CPU.

    Args:
        mixup: alpha of the Beta distribution, the larger the more alike the shares; None leaves mixup out.
        cutmix: the same for CutMix. Of both, one is drawn for each batch.
        classes: how many there are.

    Raises:
        UserError: an alpha is not above 0.
    """

    def __init__(self, mixup: float | None, cutmix: float | None, classes: int) -> None:
        ways: list[v2.Transform] = []
        for name, alpha, kind in (("mixup", mixup, v2.MixUp), ("cutmix", cutmix, v2.CutMix)):
            if alpha is not None and not 0 < alpha < float("inf"):
                raise UserError(f"model.{name} is {alpha}; allowed is more than 0 (0.2 and 1 are usual)")
            if alpha is not None:
                ways.append(kind(alpha=alpha, num_classes=classes))
        self.way = ways[0] if len(ways) == 1 else v2.RandomChoice(ways)

    def __call__(self, inputs: Tensor, labels: Tensor) -> tuple[Tensor, Tensor]:
        """Return a mixed batch and its targets.

        Args:
            inputs: floating ``(batch, channels, height, width)``, what the network is given.
            labels: int64 ``(batch,)``.

        Returns:
            Inputs as they came, mixed, and floating shares ``(batch, classes)`` that sum to 1.
        """
        mixed, targets = self.way(inputs, labels)
        return mixed, targets
