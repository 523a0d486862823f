"""Classify image files by a run's network, or by a pretrained network as it was published."""

from __future__ import annotations

import sys
from collections.abc import Sequence

from zoo.config.resolve import ConfigSources
from zoo.core.errors import UserError
from zoo.models.checkpoint import load_classifier
from zoo.models.classifier import Classifier
from zoo.models.pretrained import find_weights, pretrained_classifier


def classify(model: str | ConfigSources, files: Sequence[str], top_k: int) -> list[list[tuple[str, float]]]:
    """Return the ``top_k`` likeliest ``(class, probability)`` pairs of each file.

    Args:
        model: a run folder or a checkpoint file, or the configuration of a network with pretrained weights.
        files: image files.
        top_k: classes of each, at most all of them.

    Raises:
        UserError: the model is wrong.
        ImageError: a file cannot be read; it is named.
    """
    classifier = load_classifier(model) if isinstance(model, str) else _as_published(model)
    return classifier.predict(files, top_k).predictions


def _as_published(arguments: ConfigSources) -> Classifier:
    """Return a network with the weights, the preprocessing and the classes it was published with, evaluating.

    Args:
        arguments: names the architecture and, as ``model.weights``, the weights.

    Raises:
        UserError: an option is wrong, or the weights do not fit or do not say which classes they tell apart.
        DownloadError: the weights cannot be downloaded.
    """
    from zoo.config.builder import ZooCLI

    class PretrainedCLI(ZooCLI):
        """Builds the model alone."""

        def instantiate_classes(self) -> None:
            config = self.config.as_dict()["model"]
            name, given = self.sources.names["model"], config["weights"]
            if given is None:
                raise UserError(f"'{name}' without weights knows nothing; add --model.weights, or give a run instead")
            weights = find_weights(config["architecture"], given)
            self.classifier = pretrained_classifier(weights, config["architecture"], config["channels_last"])
            print(weights.summary(), file=sys.stderr)

    return PretrainedCLI("predict", arguments, None).classifier
