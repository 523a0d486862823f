"""fgsm: a task, training on images that are changed to mislead the network (Goodfellow 2014, arXiv:1412.6572)."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor

import zoo


class FastGradientSign(zoo.ImageClassifier):
    """Add to each pixel a step in the direction that raises the loss, and learn the label all the same.

    Args:
        epsilon: size of the step, in levels of 255.
    """

    def __init__(self, *args: Any, epsilon: float = 8.0, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.epsilon = epsilon

    def training_step(self, batch: tuple[Tensor, Tensor], batch_idx: int) -> dict[str, Tensor]:
        """Return the loss of the changed images, their logits and their labels."""
        images, labels = batch
        inputs = self.preprocess(images).requires_grad_()
        loss = self.loss(self.network(inputs), labels)
        [direction] = torch.autograd.grad(loss, inputs)
        step = self.epsilon / 255 / torch.tensor(self.spec.std, device=inputs.device)[:, None, None]
        logits = self.network(inputs.detach() + step * direction.sign())
        return {"loss": self.loss(logits, labels), "logits": logits.detach(), "labels": labels}
