"""Training images that are blended or pasted into each other, with targets shared accordingly.

mixup: H. Zhang et al., "mixup: Beyond Empirical Risk Minimization", 2017, https://arxiv.org/abs/1710.09412; CutMix: S.
Yun et al., "CutMix: Regularization Strategy to Train Strong Classifiers with Localizable Features", 2019,
https://arxiv.org/abs/1905.04899. Both are torchvision's; each image is mixed with its neighbour in the shuffled batch.
"""

from __future__ import annotations

from torch import Tensor

from zoo.core.errors import UserError


class BatchMixer:
    """Mixes each batch differently, by random numbers of torch's global CPU generator.

    Args:
        mixup: alpha of the Beta distribution; a larger alpha gives more equal shares. None leaves mixup out.
        cutmix: the same for CutMix. With both, one is drawn for each batch.
        classes: number of classes.

    Raises:
        UserError: an alpha is not above 0.
    """

    def __init__(self, mixup: float | None, cutmix: float | None, classes: int) -> None:
        from torchvision.transforms import v2  # only who mixes needs it

        transforms: list[v2.Transform] = []
        for name, alpha, transform in (("mixup", mixup, v2.MixUp), ("cutmix", cutmix, v2.CutMix)):
            if alpha is not None and not 0 < alpha < float("inf"):
                raise UserError(f"model.{name} is {alpha}; allowed is more than 0 (0.2 and 1 are usual)")
            if alpha is not None:
                transforms.append(transform(alpha=alpha, num_classes=classes))
        self.transform = transforms[0] if len(transforms) == 1 else v2.RandomChoice(transforms)

    def __call__(self, inputs: Tensor, labels: Tensor) -> tuple[Tensor, Tensor]:
        """Return a mixed batch and its targets.

        Args:
            inputs: network input, floating ``(batch, channels, height, width)``.
            labels: int64 ``(batch,)``.

        Returns:
            Mixed inputs of the same shape, and floating shares ``(batch, classes)`` that sum to 1.
        """
        mixed, targets = self.transform(inputs, labels)
        return mixed, targets
