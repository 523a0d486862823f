"""Pretrained weights: found by name, path or address, read without running anything, and fitted to a network.

DEFAULT, IMAGENET1K_V1           ─┐                           ┌─► spec: size, mean, std, resize rule, class names
file.pth, file.safetensors, .ckpt ├─► find_weights ─► Weights ┤
https://…/file.pth#sha256=…      ─┘                           └─► load_into(network): all but a head of another size
"""

from __future__ import annotations

import os
import re
from collections.abc import Mapping
from dataclasses import dataclass
from glob import escape
from pathlib import Path
from typing import Any

import torch
import torch.hub
from safetensors.torch import load_file
from torch import Tensor, nn

from zoo.core import registry
from zoo.core.download import RemoteFile, fetch
from zoo.core.errors import DownloadError, UserError, did_you_mean
from zoo.core.spec import InputSpec
from zoo.models.checkpoint import reading
from zoo.models.layers import layers
from zoo.models.weights import PublishedWeights, last_part, offered_weights

#: Keys that an error shows of each kind; a network may have hundreds.
SHOWN_KEYS = 6


@dataclass(frozen=True)
class Weights:
    """Weights that were read.

    Args:
        name: as the user gave it.
        architecture: registered name of the network they are for.
        state: tensors by the network's own keys.
        spec: what they were trained for; None where nobody knows.
        assumed: the published weights whose spec and key names are taken to be theirs; empty where they are known.
    """

    name: str
    architecture: str
    state: Mapping[str, Tensor]
    spec: InputSpec | None
    assumed: str = ""

    def load_into(self, network: nn.Module, spec: InputSpec, *, replace_head: bool = True) -> str:
        """Put the weights into a network.

        Args:
            network: built for ``spec``.
            spec: the data's.
            replace_head: let the last layer, or each of several heads, keep its fresh weights where the weights are for
                other classes.

        Returns:
            The layers that kept their fresh weights, and both numbers of classes; empty where all weights came over.

        Raises:
            UserError: a tensor is missing, left over or of another shape; the keys are listed.
        """
        own = network.state_dict()
        # Files from before 2018 lack the count, and BatchNorm starts it at 0.
        missing = [key for key in own if key not in self.state and not key.endswith("num_batches_tracked")]
        extra = [key for key in self.state if key not in own]
        other = [key for key in own if key in self.state and own[key].shape != self.state[key].shape]
        foreign = self.spec is not None and not self.assumed and self.spec.classes != spec.classes
        # Some networks have several heads, as distilled ones do: what differs in the number of classes alone.
        resized = {key for key in other if own[key].shape == (len(spec.classes), *self.state[key].shape[1:])}
        found = layers(network, spec) if replace_head and (other or foreign) else []
        heads = [layer for layer in found if layer is found[-1] or resized & set(layer.parameters)]
        left = [key for head in heads for key in head.parameters]
        if missing or extra or not set(other) <= set(left):
            raise UserError(
                f"weights {self.name} do not fit architecture '{self.architecture}': "
                f"missing: {_listed(missing)}; not in the network: {_listed(extra)}; of another shape: "
                + _listed([f"{key} {tuple(self.state[key].shape)} for {tuple(own[key].shape)}" for key in other])
            )
        network.load_state_dict({key: value for key, value in self.state.items() if key not in left}, strict=False)
        if not heads:
            return ""
        names = " and ".join(head.name for head in heads)
        return f"{names} of {len(self.state[left[-1]])} classes replaced by a fresh one of {len(own[left[-1]])}"

    def summary(self, replaced: str = "") -> str:
        """Return one line: what of them was not used, as ``load_into`` returned it, and how images are prepared."""
        line = f"weights {self.name}" + (f": layer {replaced}" if replaced else "")
        if self.assumed:
            line += f"; images are prepared as for {self.assumed}, because the file does not say how"
        elif self.spec is None:
            line += "; images are normalised by the data's own mean, because the file does not say how"
        return line


def find_weights(architecture: str | Mapping[str, Any], given: str) -> Weights:
    """Return the weights that ``--model.weights`` names, downloading and verifying them where they are not here yet.

    Downloads go where torchvision keeps its own, ``$TORCH_HOME/hub/checkpoints``, by default under ``~/.cache/torch``.

    Args:
        architecture: registered name of the network they are for, or ``{"name": ..., hyperparameter: value, ...}``,
            with which a checkpoint must agree.
        given: the name of published weights such as ``DEFAULT``; a ``.safetensors`` file, a file of ``torch.save`` or a
            zoo checkpoint; or an ``http(s)`` address that ends in ``#sha256=`` and 64 digits.

    Raises:
        UserError: there are no such weights, or the file holds none.
        DownloadError: they cannot be downloaded, or the file is not what its checksum says.
    """
    wanted = {"name": architecture} if isinstance(architecture, str) else architecture
    published = offered_weights(registry.load("architecture", wanted["name"]))
    if given in published:
        chosen = published[given]
        return _fitting(given, wanted, _of_publisher(chosen), {given: chosen})
    if "://" in given:
        return _fitting(given, wanted, _from_address(given), published)
    path = Path(given).expanduser()
    if not os.path.isfile(path):
        offered = f"{', '.join(published)}" if published else f"architecture '{wanted['name']}' has none"
        raise UserError(
            f"model.weights is '{given}'; there is no such file, and no published weights of that name ({offered})"
            f"{did_you_mean(given, published)}; allowed is such a name, a file, or an address ending in #sha256=..."
        )
    return _fitting(given, wanted, path, published)


def _from_address(given: str) -> Path:
    """Return the verified file behind an address."""
    url, _, fragment = given.partition("#")
    digits = fragment.removeprefix("sha256=").lower()
    if not url.startswith(("http://", "https://")) or not re.fullmatch(r"[0-9a-f]{64}", digits):
        raise UserError(
            f"model.weights is '{given}'; allowed is an http or https address that ends in #sha256= and the file's "
            "SHA-256, 64 hexadecimal digits ('sha256sum FILE' prints it)"
        )
    name = last_part(url) or "weights.pth"
    return _fetched(RemoteFile([url], f"sha256:{digits}"), name if digits[:8] in name else _bearing(name, digits))


def _of_publisher(offer: PublishedWeights) -> Path:
    """Return the verified file of published weights.

    A file whose checksum only the publisher's server states is verified as a whole when it comes, and by the 8 digits
    in its name from then on: with a network or without, nothing that is damaged or half there is opened.
    """
    if isinstance(offer.checksum, str):
        return _fetched(RemoteFile([offer.url], offer.checksum, offer.size), offer.file_name)
    stem, suffix = os.path.splitext(offer.file_name)
    here = list(_cache().glob(f"{escape(stem)}-{'[0-9a-f]' * 8}{suffix}"))
    if here:  # several where the publisher replaced the file and the user removed nothing
        newest = max(here, key=os.path.getmtime)
        return _fetched(RemoteFile([offer.url], f"sha256:{newest.stem[-8:]}", offer.size), newest.name)
    try:
        checksum = offer.checksum()
        if not re.fullmatch(r"sha256:[0-9a-f]{64}", checksum):
            raise DownloadError(f"{offer.url}: its server states no SHA-256, but '{checksum}'")
    except DownloadError as error:
        raise DownloadError(
            f"{_cache() / offer.file_name} is not there and cannot be downloaded ({error}); fetch {offer.url} on a "
            f"machine with a network and put it at {_cache() / _bearing(offer.file_name, 'XXXXXXXX')}, where XXXXXXXX "
            "are the first 8 digits of its SHA-256 ('sha256sum FILE' prints it)"
        ) from error
    digits = checksum.removeprefix("sha256:")
    return _fetched(RemoteFile([offer.url], checksum, offer.size), _bearing(offer.file_name, digits))


def _bearing(name: str, digits: str) -> str:
    """Return a file's name with the first digits of its SHA-256, as torch names files: no two share a name then."""
    stem, suffix = os.path.splitext(name)
    return f"{stem}-{digits[:8]}{suffix}"


def _cache() -> Path:
    return Path(torch.hub.get_dir()) / "checkpoints"


def _fetched(remote: RemoteFile, name: str) -> Path:
    """Return a file of torch's cache, downloaded where it is not there; one that is there is verified too."""
    path = _cache() / name
    there = path.is_file()
    fetch(remote, path)
    if there and not remote.matches(path):
        raise DownloadError(
            f"{path} ({path.stat().st_size:,} bytes) does not match its checksum {remote.checksum}; remove it to have "
            "it downloaded again"
        )
    return path


def _fitting(given: str, wanted: Mapping[str, Any], path: Path, published: Mapping[str, PublishedWeights]) -> Weights:
    """Read a file and say what its weights were trained for."""
    content, name = _read(path), wanted["name"]
    if "hyper_parameters" in content and "state_dict" in content:
        return _of_checkpoint(given, wanted, path, content)
    names = [known for known, offer in published.items() if offer.has_name(path.name)]
    chosen = published[names[0]] if names else published.get("DEFAULT")
    if names:
        content = published[names[0]].convert(content)
    if not _is_state(content):
        keys = ", ".join(map(str, list(content)[:SHOWN_KEYS]))
        raise UserError(f"weights {path} hold no state_dict (keys: {keys or 'none'}); save model.state_dict() alone")
    if chosen is None:
        return Weights(given, name, content, None)
    state = {new: value for old, value in content.items() if (new := chosen.key(old)) is not None}
    assumed = "" if names else next(known for known, offer in published.items() if offer == chosen)
    return Weights(given, name, state, chosen.spec, assumed)


def _is_state(content: Any) -> bool:
    """Tell whether this is what ``state_dict()`` returns: tensors by texts, at least one."""
    if not isinstance(content, dict) or not content:
        return False
    return all(isinstance(key, str) and hasattr(value, "shape") for key, value in content.items())


def _read(path: Path) -> dict[str, Any]:
    """Return what a file holds, tensors on the CPU; nothing in it is run."""
    with reading(path, "file of weights"):
        if path.suffix == ".safetensors":
            return load_file(path)
        content = torch.load(path, map_location="cpu", weights_only=True)
    if not isinstance(content, dict):
        raise UserError(f"{path} holds a {type(content).__name__}, no state_dict; save model.state_dict()")
    return content


def _of_checkpoint(given: str, wanted: Mapping[str, Any], path: Path, content: dict[str, Any]) -> Weights:
    """Return the network's weights of a zoo checkpoint."""
    try:
        found = dict(content["hyper_parameters"]["architecture"])
        spec = InputSpec.from_dict(content["hyper_parameters"]["spec"])
        name = found["name"]
    except (KeyError, TypeError, ValueError) as error:
        raise UserError(f"{path} is a checkpoint, but not one of this zoo: {error}") from error
    if not _is_state(content["state_dict"]):
        raise UserError(f"{path} is a checkpoint, but not one of this zoo: its state_dict holds no weights")
    if name != registry.recorded("architecture", wanted["name"])["name"]:
        raise UserError(f"{path} is of architecture '{name}', --model is '{wanted['name']}'; use one and the same")
    differing = [key for key in found if key in wanted and key not in ("name", "from") and found[key] != wanted[key]]
    if differing:
        theirs = ", ".join(f"{key} {found[key]!r}" for key in differing)
        ours = ", ".join(f"{key} {wanted[key]!r}" for key in differing)
        raise UserError(f"{path} is of '{name}' with {theirs}, the configuration says {ours}; make them equal")
    prefix = "network."
    state = {key.removeprefix(prefix): value for key, value in content["state_dict"].items() if key.startswith(prefix)}
    return Weights(given, name, state, spec)


def _listed(keys: list[str]) -> str:
    more = f", ... ({len(keys)} in all)" if len(keys) > SHOWN_KEYS else ""
    return ", ".join(keys[:SHOWN_KEYS]) + more if keys else "none"
