"""What is about to be trained, as people are told: network, data, device."""

from __future__ import annotations

from lightning.pytorch import Trainer

from zoo.data.image_data import ImageData
from zoo.models.layers import layers
from zoo.training.task import ImageClassifier

#: Modules of a network whose operations are counted: for up to 400 it takes 0.2 s at most on two cores.
MAX_MODULES = 400


def plan(classifier: ImageClassifier, data: ImageData, trainer: Trainer) -> dict[str, str]:
    """Return what a training is made of, each thing by its name.

    FLOPs are left out of networks of more than MAX_MODULES, and of those that cannot run on shapes alone.
    """
    spec = classifier.spec
    parameters = list(classifier.network.parameters())
    count = sum(parameter.numel() for parameter in parameters)
    trainable = sum(parameter.numel() for parameter in parameters if parameter.requires_grad)
    frozen = f", {count - trainable:,} frozen" if trainable < count else ""
    rows = {"architecture": classifier.architecture["name"], "parameters": f"{count:,}{frozen}"}
    flops = _flops(classifier)
    if flops is not None:
        rows["FLOPs"] = f"{flops / 1e6:,.3f} million an image"
    sizes = f"{len(data.source('train')):,} train and {len(data.source('val')):,} val images"
    return rows | {
        "data set": f"{data.dataset_name}: {sizes}",
        "images": f"{spec.height}x{spec.width}x{spec.channels}, {len(spec.classes):,} classes",
        "device": ", ".join(
            [
                trainer.strategy.root_device.type,
                f"precision {trainer.precision}",
                f"channels {'last' if classifier.channels_last else 'first'}",
                "compiled" if classifier.network._compiled_call_impl is not None else "not compiled",
            ]
        ),
    }


def _flops(classifier: ImageClassifier) -> int | None:
    """Return floating-point operations of the network for one image, as ``zoo info`` counts them; None: see above."""
    if sum(1 for _ in classifier.network.modules()) > MAX_MODULES:
        return None
    try:
        return sum(layer.flops for layer in layers(classifier.network, classifier.spec))
    except Exception:  # whatever a network's own code raises; training it may work all the same
        return None
