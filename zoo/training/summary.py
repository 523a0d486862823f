"""The table that zoo prints before training: network, data, device."""

from __future__ import annotations

from collections.abc import Mapping

from lightning.pytorch import Trainer

from zoo.core.spec import WHITE_LEVELS, Resize
from zoo.data.contract import Split
from zoo.data.image_data import ImageData
from zoo.images.left_out import in_one_line
from zoo.models.classifier import Classifier
from zoo.models.layers import layers

#: Splits that a training reads.
TRAINED_WITH: tuple[Split, ...] = ("train", "val")

#: FLOPs are counted of networks with up to this many modules, which takes 0.2 s at most on two cores.
MAX_MODULES = 400


def training_summary(classifier: Classifier, data: ImageData, trainer: Trainer) -> dict[str, str]:
    """Return the rows of the table, texts by their titles.

    FLOPs are left out for networks of more than MAX_MODULES modules, and for those that fail on the meta device.
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
    counts = [f"{len(data.source(split)):,} {split}" for split in TRAINED_WITH]
    if (tested := data.splits.count("test")) is not None:
        counts.append(f"{tested:,} test")
    sizes = f"{', '.join(counts[:-1])} and {counts[-1]} images"
    left_out: Mapping[str, int] = getattr(data.opened("train"), "left_out", dict)()
    return rows | {
        "data set": f"{data.dataset_name}: {sizes}",
        **({"left out": in_one_line(left_out)} if left_out else {}),
        "images": ", ".join(
            [
                f"{spec.height}x{spec.width}x{spec.channels}",
                f"{len(spec.classes):,} classes",
                *([spec.resize.fit] if spec.resize.fit != Resize().fit else []),
                *([f"white level {spec.white_level:,}"] if spec.white_level < WHITE_LEVELS[-1] else []),
            ]
        ),
        "device": ", ".join(
            [
                trainer.strategy.root_device.type,
                f"precision {trainer.precision}",
                f"channels {'last' if classifier.channels_last else 'first'}",
                "compiled" if classifier.network._compiled_call_impl is not None else "not compiled",
            ]
        ),
    }


def _flops(classifier: Classifier) -> int | None:
    """Return the network's floating-point operations for one image, or None, as above."""
    if sum(1 for _ in classifier.network.modules()) > MAX_MODULES:
        return None
    try:
        return sum(layer.flops for layer in layers(classifier.network, classifier.spec))
    except Exception:  # the network's own code may raise anything here, and still train
        return None
