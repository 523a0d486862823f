"""Files of weights: downloaded and verified, read without running anything in them, and recognised.

DEFAULT, IMAGENET1K_V1  ─► published_file ─┐
https://…#sha256=…      ─► address_file   ─┴─► read_weights ─► content ─► recognised: which published weights they are
"""

from __future__ import annotations

import hashlib
import json
import os
import re
from collections.abc import Mapping
from glob import escape
from pathlib import Path
from typing import Any

import torch
import torch.hub
from torch import Tensor

from zoo.core.download import RemoteFile, fetch
from zoo.core.errors import DownloadError, UserError
from zoo.models.checkpoint import reading
from zoo.models.installed import read_described
from zoo.models.weights import PublishedWeights, last_part


def address_file(source: str) -> Path:
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


def published_file(offer: PublishedWeights) -> Path:
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


def read_weights(path: Path) -> dict[str, Any]:
    """Return the content of a file, tensors on the CPU; nothing in it is run."""
    with reading(path, "file of weights"):
        if path.suffix == ".safetensors":
            return read_described(path)
        content = torch.load(path, map_location="cpu", weights_only=True)
    if not isinstance(content, dict):
        raise UserError(f"{path} holds a {type(content).__name__}, no state_dict; save model.state_dict()")
    return content


def recognised(path: Path, published: Mapping[str, PublishedWeights]) -> str:
    """Return the name of the published weights that a file is, by its name or its SHA-256; empty where it is none."""
    if names := [name for name, offer in published.items() if offer.has_name(path.name)]:
        return names[0]
    pinned = {name: offer.checksum for name, offer in published.items() if isinstance(offer.checksum, str)}
    if not pinned:
        return ""
    with path.open("rb") as file:
        digest = f"sha256:{hashlib.file_digest(file, 'sha256').hexdigest()}"
    return next((name for name, checksum in pinned.items() if digest.startswith(checksum)), "")


def likeliest(path: Path, state: Mapping[str, Tensor], published: Mapping[str, PublishedWeights]) -> str:
    """Return the name of the published weights as which a file of others was most likely trained; empty if none.

    That is the tag in the ``config.json`` that the Hugging Face hub stores beside a file, else ``DEFAULT`` or, where
    the file holds another number of classes, the first weights of that number.
    """
    tag, sizes = _hub_tag(path.with_name("config.json")), {len(value) for value in state.values() if value.ndim == 1}
    fitting = [name for name, offer in published.items() if len(offer.spec.classes) in sizes]
    if tag in published or not published:
        return tag if tag in published else ""
    default = "DEFAULT" if "DEFAULT" in published else next(iter(published))
    chosen = published[default if default in fitting or not fitting else fitting[0]]
    return next(name for name, offer in published.items() if offer == chosen)


def _hub_tag(path: Path) -> str:
    """Return timm's tag in a ``config.json``; empty if there is none."""
    try:
        return str(json.loads(path.read_text(encoding="utf-8"))["pretrained_cfg"]["tag"])
    except (OSError, ValueError, LookupError, TypeError):
        return ""
