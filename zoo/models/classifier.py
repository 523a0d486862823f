"""Classifier: a network with its preprocessing, ready to classify images; what ``zoo.load`` returns.

    uint8 images ──► Preprocess(spec) ──► network(spec) ──► logits

A plain module, without Lightning; ``zoo.training.task`` adds loss, metrics and optimizer.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Self

import torch
from torch import Tensor, nn

from zoo.core import registry
from zoo.core.spec import InputSpec
from zoo.images.preprocess import Preprocess
from zoo.models import layers, prediction
from zoo.models.contract import network_errors, require_logits, require_module
from zoo.models.memory_format import memory_format, set_memory_format
from zoo.models.prediction import ImageInput, PredictionTable
from zoo.models.tta import TestTimeAugmentation, evaluated
from zoo.runs.folder import Run


class Classifier(nn.Module):
    """A network of any registered architecture, with the preprocessing of its images.

    Args:
        spec: what the network must know of its data (or its JSON form).
        architecture: a registered name, or ``{"name": ..., hyperparameter: value, ...}``; a checkpoint adds ``from``,
            the distribution that registers the name.
        freeze: what does not train, as ``zoo.models.layers.freeze`` takes it: a number of first layers, a module ...
        channels_last: whether images and features are in channels-last memory format, which is faster; by default if
            the network supports it.

    Attributes:
        network: from float32 ``(batch, channels, height, width)`` to logits ``(batch, classes)``.
        frozen: its frozen modules, which are always in evaluation mode.
        run: the run it was loaded from, if any.
        temperature: the number by which logits are divided before they become probabilities.
        tta: flip averages the logits of each image and its mirror image; None, the default, sees it once.

    Raises:
        UserError: the name is unknown, or a value is not allowed.
    """

    def __init__(
        self,
        spec: InputSpec | Mapping[str, Any],
        architecture: str | Mapping[str, Any] = "lenet5",
        freeze: int | str | None = None,
        channels_last: bool | None = None,
    ) -> None:
        super().__init__()
        self.spec = spec if isinstance(spec, InputSpec) else InputSpec.from_dict(spec)
        hyperparameters = {"name": architecture} if isinstance(architecture, str) else dict(architecture)
        name, origin = hyperparameters.pop("name"), hyperparameters.pop("from", "")
        self.architecture = {**registry.recorded("architecture", name, origin), **hyperparameters}
        network = registry.call("architecture", name, (self.spec,), hyperparameters, origin)
        self.network = require_module(self.architecture["name"], network)
        self.channels_last = set_memory_format(self.network, self.spec, channels_last, self._require_of_one)
        self.preprocess = Preprocess(self.spec, memory_format(self.channels_last))
        self.run: Run | None = None
        self.temperature = 1.0
        self.tta: TestTimeAugmentation | None = None
        self.frozen: list[nn.Module] = []
        #: Layers that train although a frozen one comes after them.
        self.trained_before: list[str] = []
        if freeze is not None:
            frozen = layers.freeze(self.network, self.spec, freeze)
            self.frozen, self.trained_before = frozen.modules, frozen.trained_before
            self.train()  # Lightning keeps the modes that modules have when training begins

    def train(self, mode: bool = True) -> Self:
        """Set the mode of every module; frozen ones stay in evaluation mode."""
        super().train(mode)
        for module in self.frozen:
            module.eval()
        return self

    def forward(self, images: Tensor) -> Tensor:
        """Return logits, floating ``(batch, classes)``, of uint8 images ``(batch, height, width, channels)``."""
        logits = self.answer(self.preprocess(images))
        return self.require_contract(logits, len(images)) if self.gives_logits else logits

    def answer(self, inputs: Tensor) -> Tensor:
        """Return the logits of preprocessed images, floating ``(batch, channels, height, width)``.

        Raises:
            UserError: the network raises an error; the message names the distribution that registers it.
        """
        network = evaluated(self.network, self.tta)
        if torch.compiler.is_compiling():  # what traces the network says itself what fails
            logits: Tensor = network(inputs)
            return logits
        with network_errors(self.architecture["name"]):
            return network(inputs)  # type: ignore[no-any-return]

    def require_contract(self, logits: Any, images: int, *, trained: bool = False) -> Tensor:
        """Return what the network gave for a batch; errors as ``zoo.models.contract.require_logits``."""
        if torch.compiler.is_compiling():
            return logits  # type: ignore[no-any-return]
        name, classes = self.architecture["name"], len(self.spec.classes)
        return require_logits(name, self.network, logits, images, classes, trained=trained)

    @property
    def gives_logits(self) -> bool:
        """Whether all that the network returns is logits: a task with a step of its own may take anything."""
        return True

    def _require_of_one(self, logits: Any) -> None:
        if self.gives_logits:
            self.require_contract(logits, 1)

    def probabilities(self, logits: Tensor) -> Tensor:
        """Return the probabilities of logits, float32 ``(batch, classes)``, by the temperature."""
        return (logits.float() / self.temperature).softmax(dim=1)

    def predict(self, images: ImageInput | Sequence[ImageInput], top_k: int = 5) -> PredictionTable:
        """Return the likeliest classes of images; the result displays itself as a table.

        Where an image is far from all that the run was trained on, it warns with ``zoo.runtime.UnlikeTrainingImages``.

        Args:
            images: one or several, each an image file, a folder of them, a PIL image, or a uint8 array
                ``(height, width, channels)`` of any size; several arrays also as ``(batch, height, width, channels)``.
            top_k: classes of each, at most all of them.

        Raises:
            UserError: top_k is below 1, or an array is no such image.
            ImageError: a file cannot be read; it is named.
        """
        return prediction.predict(self, images, top_k)

    def _repr_html_(self) -> str:
        return prediction.summary_html(self)
