"""The weights timm publishes for a network: by timm's own tags, with their preprocessing and class names.

All of it is in timm itself, so that it is listed without a network. Weights are offered to train from alone where timm
does not know the names of their classes, such as DINO's and CLIP's, or where zoo only comes close to the preparation:
timm pads with the mean colour where zoo pads with black, and some crops reach beyond the image.

Of two addresses the one whose file name bears the beginning of its SHA-256 is taken, because timm pins that checksum;
other files come from the Hugging Face hub as safetensors, whose server states the checksum.
"""

from __future__ import annotations

import math
import os
import re
from collections import Counter
from collections.abc import Mapping
from functools import cache, partial
from typing import TYPE_CHECKING, Any, Literal, get_args

from zoo import DownloadError, InputSpec, Interpolation, PublishedWeights, Resize, UserError

if TYPE_CHECKING:
    from timm.models import PretrainedCfg

Fit = Literal["cover", "stretch", "letterbox"]

#: An address whose file name ends in 8 or more digits of the file's SHA-256, as torch.hub names and checks files.
PINNED = re.compile(r".*-([0-9a-f]{8,})\.pth")

#: What zoo calls timm's ways to bring images to a size.
FITS: Mapping[str, Fit] = {"center": "cover", "squash": "stretch", "border": "letterbox"}

#: Longest part of timm's message that an error shows; one about shapes lists every tensor.
SHOWN = 200


def published(name: str) -> Mapping[str, PublishedWeights]:
    """Return the weights timm publishes for a network by tag, ``DEFAULT`` last: those of timm's default tag.

    Args:
        name: timm's name of the network.
    """
    from timm.models import get_arch_pretrained_cfgs, get_pretrained_cfg

    offers = {known.tag: _offer(name, known) for known in get_arch_pretrained_cfgs(name).values() if known.tag}
    found = {tag: offer for tag, offer in offers.items() if offer is not None}
    default = get_pretrained_cfg(name)
    return found if default is None or default.tag not in found else {**found, "DEFAULT": found[default.tag]}


def _offer(name: str, known: PretrainedCfg) -> PublishedWeights | None:
    """Return one of timm's weights as zoo describes it; None where there is no file to verify."""
    if known.interpolation not in get_args(Interpolation):
        return None
    spec, exact = _spec(known)
    tagged = f"{name}.{known.tag}"
    convert = partial(_converted, tagged)
    # custom_load is of files in other formats than torch's, which only these addresses have; the hub's are timm's own.
    pinned = None if known.custom_load else PINNED.fullmatch(str(known.url))
    if pinned:
        return PublishedWeights(pinned[0], f"sha256:{pinned[1]}", spec, convert=convert, predicts=exact)
    if not known.hf_hub_id:
        return None
    os.environ.setdefault("HF_HUB_DISABLE_TELEMETRY", "1")  # the hub's library reads it when it is imported
    from huggingface_hub import hf_hub_url

    address = hf_hub_url(known.hf_hub_id, "model.safetensors")
    ask = partial(_stated_checksum, address)
    return PublishedWeights(address, ask, spec, name=f"{tagged}.safetensors", convert=convert, predicts=exact)


def _spec(known: PretrainedCfg) -> tuple[InputSpec, bool]:
    """Return what weights were trained for, and whether an application gets the same answers by it."""
    names = _classes(known)
    classes = names or tuple(map(str, range(max(2, known.num_classes))))
    channels, height, width = known.input_size
    # timm rounds the scaled size down, zoo to the nearest: of 421 weights it differs, 248 for 249 at 224 and 0.9.
    crop = min(1.0, height / math.floor(height / known.crop_pct))
    resize = Resize(crop, known.interpolation, FITS[known.crop_mode])  # type: ignore[arg-type]  # one of both
    exact = bool(names) and known.crop_pct <= 1 and known.crop_mode != "border"
    return InputSpec(classes, channels, height, width, known.mean, known.std, resize), exact


def _classes(known: PretrainedCfg) -> tuple[str, ...]:
    """Return the class names by timm's own guess from their number; none where it knows no such set of ImageNet."""
    from timm.data.imagenet_info import infer_imagenet_subset

    subset = infer_imagenet_subset(known)
    # A thousand is also what timm assumes where nobody said: self-supervised networks whose head was never trained.
    if subset is None or (subset == "imagenet-1k" and "in1k" not in str(known.tag)):
        return ()
    return _imagenet(subset)


@cache
def _imagenet(subset: str) -> tuple[str, ...]:
    """Return the names of ImageNet's classes, with the synset of those that share one: ``crane (n03126707)``."""
    from timm.data.imagenet_info import ImageNetInfo

    info = ImageNetInfo(subset)
    names = info.label_descriptions()
    count = Counter(names)
    synsets = info.label_names()  # type: ignore[no-untyped-call]  # a list of texts
    pairs = zip(names, synsets, strict=True)
    return tuple(name if count[name] == 1 else f"{name} ({synset})" for name, synset in pairs)


def _stated_checksum(address: str) -> str:
    """Ask the Hugging Face hub for a file's SHA-256, which is the etag of large files.

    Source: https://huggingface.co/docs/huggingface_hub/package_reference/file_download

    Raises:
        DownloadError: the hub cannot be reached, or does not have the file.
    """
    from huggingface_hub import get_hf_file_metadata
    from huggingface_hub.errors import HTTPError  # type: ignore[attr-defined]  # of the HTTP library it uses

    try:
        return f"sha256:{get_hf_file_metadata(address).etag}"
    except (OSError, HTTPError) as error:
        raise DownloadError(f"{address}: {_line(error)}") from error


def _converted(tagged: str, content: dict[str, Any]) -> dict[str, Any]:
    """Return what a file of weights holds as timm itself would load it: by the keys and shapes of today's network.

    Args:
        tagged: timm's name of the weights, ``resnet18.a1_in1k``.
        content: tensors by key, or a dict with them inside, as their authors saved it.

    Returns:
        The ``state_dict`` of the network at the weights' own size and classes.

    Raises:
        UserError: they do not fit.
    """
    import timm

    try:
        network = timm.create_model(tagged, pretrained=True, pretrained_cfg_overlay={"state_dict": content})
    except (RuntimeError, LookupError, TypeError, ValueError, AttributeError) as error:  # by many filters of old keys
        raise UserError(f"the file does not hold the weights timm/{tagged}: {_line(error)}") from error
    return network.state_dict()


def _line(error: Exception) -> str:
    line = " ".join(str(error).split()) or type(error).__name__
    return line if len(line) <= SHOWN else f"{line[:SHOWN]}..."
