"""Pretrained weights: found by name, path or address, read safely, and loaded into a network.

DEFAULT, IMAGENET1K_V1           ─┐                           ┌─► spec: size, mean, std, resize rule, class names
file.pth, file.safetensors, .ckpt ├─► find_weights ─► Weights ┤
https://…/file.pth#sha256=…      ─┘                           └─► load_into(network): all but a head of another size
"""

from __future__ import annotations

import os
import re
from collections.abc import Mapping
from dataclasses import dataclass, replace
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
from zoo.models.checkpoint import reading, require_same_architecture, spec_of
from zoo.models.classifier import Classifier
from zoo.models.layers import layers
from zoo.models.weights import PublishedWeights, is_state, last_part, offered_weights, unpacked

#: Keys of each kind that an error lists; a network may have hundreds.
SHOWN_KEYS = 6


@dataclass(frozen=True)
class Weights:
    """Weights read from a file.

    Args:
        name: as the user typed it.
        architecture: registered name of the network they are for.
        state: tensors by the network's own keys.
        spec: what they were trained for; None if unknown.
        assumed: the published weights whose spec and key names zoo assumes for this file; empty if the file is known.
        taken_off: the keys of the file that the weights lay under, and the prefix of their own keys.
    """

    name: str
    architecture: str
    state: Mapping[str, Tensor]
    spec: InputSpec | None
    assumed: str = ""
    taken_off: tuple[str, ...] = ()

    def unwrapped(self, network: nn.Module) -> Weights:
        """Return the weights without the prefix that all their keys have, if those of the network then are there.

        Training programs wrap a network: DataParallel saves ``module.conv.weight``, torch.compile ``_orig_mod.``.
        """
        own = {key for key in network.state_dict() if not key.endswith("num_batches_tracked")}
        keys, prefix = list(self.state), ""
        while keys and not own <= set(keys):
            first = keys[0].partition(".")[0] + "."
            if not all(key.startswith(first) for key in keys):
                return self
            keys, prefix = [key.removeprefix(first) for key in keys], prefix + first
        if not prefix or not keys:
            return self
        return replace(
            self,
            state={key.removeprefix(prefix): value for key, value in self.state.items()},
            taken_off=(*self.taken_off, prefix),
        )

    def load_into(self, network: nn.Module, spec: InputSpec, *, replace_head: bool = True) -> str:
        """Load the weights into a network.

        Args:
            network: built for ``spec``.
            spec: the data's.
            replace_head: where the weights are for other classes, keep the fresh weights of the last layer, or of each
                of several heads.

        Returns:
            The layers that keep their fresh weights, with both numbers of classes; empty if all weights are loaded.

        Raises:
            UserError: a tensor is missing, unknown to the network or of another shape; it lists the keys.
        """
        if (weights := self.unwrapped(network)) is not self:
            return weights.load_into(network, spec, replace_head=replace_head)
        own = network.state_dict()
        # Files from before 2018 have no such count, and BatchNorm starts it at 0.
        missing = [key for key in own if key not in self.state and not key.endswith("num_batches_tracked")]
        extra = [key for key in self.state if key not in own]
        other = [key for key in own if key in self.state and own[key].shape != self.state[key].shape]
        foreign = self.spec is not None and not self.assumed and self.spec.classes != spec.classes
        # Some networks have several heads, as distilled ones do: only the number of classes differs in them.
        resized = {key for key in other if own[key].shape == (len(spec.classes), *self.state[key].shape[1:])}
        numbered = layers(network, spec) if replace_head and (other or foreign) else []
        heads = [layer for layer in numbered if layer is numbered[-1] or resized & set(layer.parameters)]
        fresh = [key for head in heads for key in head.parameters]
        if missing or extra or not set(other) <= set(fresh):
            raise UserError(
                f"weights {self.name} do not fit architecture '{self.architecture}': "
                f"missing: {_listed(missing)}; not in the network: {_listed(extra)}; of another shape: "
                + _listed([f"{key} {tuple(self.state[key].shape)} for {tuple(own[key].shape)}" for key in other])
            )
        network.load_state_dict({key: value for key, value in self.state.items() if key not in fresh}, strict=False)
        if not heads:
            return ""
        names = " and ".join(head.name for head in heads)
        return f"{names} of {len(self.state[fresh[-1]])} classes replaced by a fresh one of {len(own[fresh[-1]])}"

    def summary(self, replaced: str = "") -> str:
        """Return one line: which layers were replaced, as ``load_into`` returned it, and how images are prepared."""
        line = f"weights {self.name}" + (f": layer {replaced}" if replaced else "")
        if self.taken_off:
            line += f"; taken off their keys: {', '.join(self.taken_off)}"
        if self.assumed:
            line += f"; images are prepared as for {self.assumed}, because the file does not say how"
        elif self.spec is None:
            line += "; images are normalised by the data's own mean, because the file does not say how"
        return line


def pretrained_classifier(
    weights: Weights, architecture: str | Mapping[str, Any], channels_last: bool | None = None
) -> Classifier:
    """Return a network with all of its published weights, on the CPU, evaluating; arguments as for ``Classifier``.

    Raises:
        UserError: the weights do not fit, or do not say which classes they tell apart.
    """
    if weights.spec is None:
        raise UserError(f"weights {weights.name} do not say which classes they tell apart; train a run from them first")
    classifier = Classifier(weights.spec, architecture, channels_last=channels_last).eval()
    weights.load_into(classifier.network, weights.spec, replace_head=False)
    return classifier


def find_weights(architecture: str | Mapping[str, Any], source: str) -> Weights:
    """Return the weights that ``--model.weights`` names; missing files are downloaded and verified.

    Downloads go to torchvision's folder, ``$TORCH_HOME/hub/checkpoints``, by default under ``~/.cache/torch``.

    Args:
        architecture: registered name of the network, or ``{"name": ..., hyperparameter: value, ...}``, with which a
            checkpoint must agree.
        source: a name of published weights such as ``DEFAULT``; a ``.safetensors`` file, a file of ``torch.save`` or a
            zoo checkpoint; or an ``http(s)`` address that ends in ``#sha256=`` and 64 digits.

    Raises:
        UserError: there are no such weights, or the file holds none.
        DownloadError: they cannot be downloaded, or the file does not match its checksum.
    """
    wanted = {"name": architecture} if isinstance(architecture, str) else architecture
    published = offered_weights(registry.load("architecture", wanted["name"]))
    if source in published:
        chosen = published[source]
        return _load(source, wanted, _published_file(chosen), {source: chosen})
    if "://" in source:
        return _load(source, wanted, _address_file(source), published)
    path = Path(source).expanduser()
    if not os.path.isfile(path):
        offered = f"{', '.join(published)}" if published else f"architecture '{wanted['name']}' has none"
        raise UserError(
            f"model.weights is '{source}'; there is no such file, and no published weights of that name ({offered})"
            f"{did_you_mean(source, published)}; allowed is such a name, a file, or an address ending in #sha256=..."
        )
    return _load(source, wanted, path, published)


def _address_file(source: str) -> Path:
    """Return the verified file behind an address."""
    url, _, fragment = source.partition("#")
    digits = fragment.removeprefix("sha256=").lower()
    if not url.startswith(("http://", "https://")) or not re.fullmatch(r"[0-9a-f]{64}", digits):
        raise UserError(
            f"model.weights is '{source}'; allowed is an http or https address that ends in #sha256= and the file's "
            "SHA-256, 64 hexadecimal digits ('sha256sum FILE' prints it)"
        )
    name = last_part(url) or "weights.pth"
    return _cached(RemoteFile([url], f"sha256:{digits}"), name if digits[:8] in name else _tagged(name, digits))


def _published_file(offer: PublishedWeights) -> Path:
    """Return the verified file of published weights.

    Where only the publisher's server states the checksum, the whole checksum verifies the download, and later the 8
    digits in the file's name: with or without a network, zoo opens no damaged or partial file.
    """
    if isinstance(offer.checksum, str):
        return _cached(RemoteFile([offer.url], offer.checksum, offer.size), offer.file_name)
    stem, suffix = os.path.splitext(offer.file_name)
    cached = list(_cache().glob(f"{escape(stem)}-{'[0-9a-f]' * 8}{suffix}"))
    if cached:  # several, if the publisher has replaced the file
        newest = max(cached, key=os.path.getmtime)
        return _cached(RemoteFile([offer.url], f"sha256:{newest.stem[-8:]}", offer.size), newest.name)
    try:
        checksum = offer.checksum()
        if not re.fullmatch(r"sha256:[0-9a-f]{64}", checksum):
            raise DownloadError(f"{offer.url}: its server states no SHA-256, but '{checksum}'")
    except DownloadError as error:
        raise DownloadError(
            f"{_cache() / offer.file_name} is not there and cannot be downloaded ({error}); fetch {offer.url} on a "
            f"machine with a network and put it at {_cache() / _tagged(offer.file_name, 'XXXXXXXX')}, where XXXXXXXX "
            "are the first 8 digits of its SHA-256 ('sha256sum FILE' prints it)"
        ) from error
    digits = checksum.removeprefix("sha256:")
    return _cached(RemoteFile([offer.url], checksum, offer.size), _tagged(offer.file_name, digits))


def _tagged(name: str, digits: str) -> str:
    """Return a file's name with the first digits of its SHA-256, as torch names files, so that names differ."""
    stem, suffix = os.path.splitext(name)
    return f"{stem}-{digits[:8]}{suffix}"


def _cache() -> Path:
    return Path(torch.hub.get_dir()) / "checkpoints"


def _cached(remote: RemoteFile, name: str) -> Path:
    """Return a verified file of torch's cache, downloaded if it is missing."""
    path = _cache() / name
    cached = path.is_file()
    fetch(remote, path)
    if cached and not remote.matches(path):
        raise DownloadError(
            f"{path} ({path.stat().st_size:,} bytes) does not match its checksum {remote.checksum}; remove it to have "
            "it downloaded again"
        )
    return path


def _load(source: str, wanted: Mapping[str, Any], path: Path, published: Mapping[str, PublishedWeights]) -> Weights:
    """Read a file, and find out what its weights were trained for."""
    content = _read(path)
    if "state_dict" in content and "spec" in (content.get("hyper_parameters") or ()):
        return _from_checkpoint(source, wanted, path, content)
    names = [name for name, offer in published.items() if offer.has_name(path.name)]
    chosen = published[names[0]] if names else published.get("DEFAULT")
    if names:
        content = published[names[0]].convert(content)
    content, taken_off = unpacked(content)
    if not is_state(content):
        keys = ", ".join(map(str, list(content)[:SHOWN_KEYS]))
        raise UserError(f"weights {path} hold no state_dict (keys: {keys or 'none'}); save model.state_dict() alone")
    if chosen is None:
        return Weights(source, wanted["name"], content, None, taken_off=taken_off)
    state = {new: value for old, value in content.items() if (new := chosen.key(old)) is not None}
    assumed = "" if names else next(name for name, offer in published.items() if offer == chosen)
    return Weights(source, wanted["name"], state, chosen.spec, assumed, taken_off)


def _read(path: Path) -> dict[str, Any]:
    """Return the content of a file, tensors on the CPU; nothing in it is run."""
    with reading(path, "file of weights"):
        if path.suffix == ".safetensors":
            return load_file(path)
        content = torch.load(path, map_location="cpu", weights_only=True)
    if not isinstance(content, dict):
        raise UserError(f"{path} holds a {type(content).__name__}, no state_dict; save model.state_dict()")
    return content


def _from_checkpoint(source: str, wanted: Mapping[str, Any], path: Path, content: dict[str, Any]) -> Weights:
    """Return the network's weights in a zoo checkpoint."""
    spec = spec_of(content, path)
    require_same_architecture(content, path, {**wanted, **registry.recorded("architecture", wanted["name"])})
    if not is_state(content["state_dict"]):
        raise UserError(f"{path} is not a checkpoint of this zoo: its state_dict holds no weights")
    prefix = "network."
    state = {key.removeprefix(prefix): value for key, value in content["state_dict"].items() if key.startswith(prefix)}
    return Weights(source, wanted["name"], state, spec)


def _listed(keys: list[str]) -> str:
    more = f", ... ({len(keys)} in all)" if len(keys) > SHOWN_KEYS else ""
    return ", ".join(keys[:SHOWN_KEYS]) + more if keys else "none"
