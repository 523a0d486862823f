"""Distillation: a trained network, the teacher, shows a smaller one how alike the classes are in each image.

    images ─┬─► network that trains ──► logits ─┐
            └─► teacher ─────────────► logits ─┴─► T² · KL(softmax(teacher / T) ‖ softmax(network / T))

Source: G. Hinton, O. Vinyals, J. Dean, "Distilling the Knowledge in a Neural Network" (2015),
https://arxiv.org/abs/1503.02531
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Self

import torch
from torch import Tensor, nn

from zoo import runtime
from zoo.core.errors import UserError
from zoo.core.spec import InputSpec
from zoo.images.files import as_user_errors
from zoo.models.checkpoint import load_classifier

#: By default; usual values for image classifiers.
TEMPERATURE, WEIGHT = 4.0, 0.9

#: Classes that an error names; there may be hundreds.
LISTED = 6


class Distillation:
    """The loss of a network to its teacher, which is no part of the network and does not train.

    Args:
        teacher: a run folder, a checkpoint file or an exported ``.onnx`` file. It scales the images to its own size.
        temperature: divides the logits of both; the higher, the more the unlikely classes count.
        weight: share of this loss in the loss that training minimises, in (0, 1]; the rest is that to the labels.
        spec: of the network that trains.

    Raises:
        UserError: a number is not allowed, there is no such teacher, or it lacks a class or takes other channels.
    """

    def __init__(self, teacher: str, temperature: float, weight: float, spec: InputSpec) -> None:
        if not 0 < temperature < float("inf"):
            raise UserError(f"model.teacher_temperature is {temperature}; allowed is more than 0 (1 to 10 is usual)")
        if not 0 < weight <= 1:
            raise UserError(f"model.teacher_weight is {weight}; allowed is more than 0 and at most 1")
        self.temperature, self.weight = temperature, weight
        try:
            self._logits, own = _exported(teacher) if teacher.endswith(".onnx") else _trained(teacher)
        except UserError as error:
            raise UserError(f"model.teacher: {error}") from error
        if missing := [name for name in spec.classes if name not in own.classes]:
            more = "" if len(missing) <= LISTED else f", ... ({len(missing)} in all)"
            raise UserError(
                f"model.teacher is '{teacher}', which does not know the classes {', '.join(missing[:LISTED])}{more}; "
                "its classes must include those of the data"
            )
        if own.channels != spec.channels:
            raise UserError(
                f"model.teacher is '{teacher}', for images of {own.channels} channel(s); the data's have "
                f"{spec.channels} (--data.channels {own.channels} reads them so)"
            )
        self._columns = torch.tensor([own.classes.index(name) for name in spec.classes])

    def __deepcopy__(self, memo: object) -> Self:
        """Return the teacher itself: copies of the network, such as its moving average, share it."""
        return self

    def combined(self, loss: Tensor, logits: Tensor, images: Tensor) -> Tensor:
        """Return the weighted sum of a loss to the labels and that to the teacher, a scalar.

        Args:
            loss: to the labels.
            logits: of the network that trains, floating ``(batch, classes)``.
            images: uint8 ``(batch, height, width, channels)``, as the network saw them.
        """
        with torch.no_grad():
            taught = self._logits(images).index_select(1, self._columns.to(images.device))
        temperature = self.temperature
        likeness = nn.functional.kl_div(
            (logits.float() / temperature).log_softmax(1),
            (taught.float() / temperature).log_softmax(1),
            reduction="batchmean",
            log_target=True,
        )
        # The gradients of the soft targets shrink with the square of the temperature.
        return (1 - self.weight) * loss + self.weight * temperature**2 * likeness


def _trained(path: str) -> tuple[Callable[[Tensor], Tensor], InputSpec]:
    """Return the logits of a run or checkpoint, computed on the device of the images, and what it was trained for."""
    classifier = load_classifier(path).requires_grad_(False)

    def logits(images: Tensor) -> Tensor:
        if classifier.preprocess.scale.device != images.device:
            classifier.to(images.device)
        result: Tensor = classifier(images)
        return result

    return logits, classifier.spec


def _exported(path: str) -> tuple[Callable[[Tensor], Tensor], InputSpec]:
    """Return the logits of an exported file, computed on the CPU, and what it was trained for."""
    with as_user_errors():
        model = runtime.Classifier(path)

    def logits(images: Tensor) -> Tensor:
        with as_user_errors():
            return torch.from_numpy(model.logits(images.cpu().numpy())).to(images.device)

    return logits, InputSpec.from_dict(model.input_spec)
