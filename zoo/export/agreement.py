"""Compare a written graph with the checkpoint on real images."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

import numpy as np
import torch
from PIL import Image

from zoo import runtime
from zoo.core.errors import RunError
from zoo.core.spec import InputSpec
from zoo.export.session import GraphSession

if TYPE_CHECKING:
    from zoo.models.classifier import Classifier

#: Largest allowed difference between the file and the checkpoint: of a probability, and of a logit as a share of the
#: largest logit. Twelve networks differed by a tenth of these.
PROBABILITY_TOLERANCE = 1e-4
LOGIT_TOLERANCE = 1e-3

#: Batch sizes that are compared, each at three image sizes.
BATCH_SIZES = (1, 2, 7)


def _test_sizes(spec: InputSpec) -> list[tuple[int, int]]:
    """Return the network's own size, then a larger and a smaller one of other shapes."""
    height, width = spec.height, spec.width
    return [(height, width), (2 * height + 3, 3 * width + 1), (height // 2 + 1, width * 2 // 3 + 1)]


class Answer(NamedTuple):
    """What the checkpoint answers to images, uint8 ``(batch, height, width, channels)``."""

    images: np.ndarray
    logits: np.ndarray
    probabilities: np.ndarray


def expected_answers(classifier: Classifier, images: torch.Tensor, form: runtime.Form, batch: int) -> list[Answer]:
    """Return the checkpoint's answers on real images: in a form's own batch, else at three sizes and batch sizes."""
    answers, any_size = [], form == "any"
    for height, width in _test_sizes(classifier.spec)[: None if any_size else 1]:
        resized = _resize(images, height, width)
        for count in BATCH_SIZES if any_size else (batch,):
            compared = resized[torch.arange(count) % len(resized)]
            with torch.inference_mode():
                logits = classifier(compared).float()
            answers.append(Answer(compared.numpy(), logits.numpy(), classifier.probabilities(logits).numpy()))
    return answers


def difference_to(session: GraphSession, expected: list[Answer]) -> dict[str, float]:
    """Compare a graph with the checkpoint.

    Returns:
        The largest difference of ``logits`` and of ``probabilities``.

    Raises:
        RunError: one of them is above its tolerance.
    """
    largest = {"logits": 0.0, "probabilities": 0.0}
    for answer in expected:
        logits, probabilities = session.run(answer.images)
        difference = {
            "logits": float(np.abs(logits - answer.logits).max()),
            "probabilities": float(np.abs(probabilities - answer.probabilities).max()),
        }
        allowed = LOGIT_TOLERANCE * max(1.0, float(np.abs(answer.logits).max()))
        # Written as "not <=", because a difference of NaN must fail.
        if not (difference["logits"] <= allowed and difference["probabilities"] <= PROBABILITY_TOLERANCE):
            count, height, width, _ = answer.images.shape
            raise RunError(
                f"the ONNX graph differs from the checkpoint by {difference['logits']:.3g} in logits (allowed "
                f"{allowed:.3g}) and {difference['probabilities']:.3g} in probabilities (allowed "
                f"{PROBABILITY_TOLERANCE:g}) for {count} image(s) of {height}x{width}; nothing was written"
            )
        largest = {name: max(value, difference[name]) for name, value in largest.items()}
    return largest


def _resize(images: torch.Tensor, height: int, width: int) -> torch.Tensor:
    """Resize uint8 ``(count, height, width, channels)`` with Pillow, each channel alone."""
    size, bicubic = (width, height), Image.Resampling.BICUBIC
    channels = [
        np.asarray(Image.fromarray(channel.numpy()).resize(size, bicubic))
        for channel in images.permute(0, 3, 1, 2).flatten(0, 1)
    ]
    return torch.from_numpy(np.stack(channels).reshape(len(images), -1, height, width).transpose(0, 2, 3, 1).copy())
