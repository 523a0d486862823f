"""What an architecture's builder says of the pretrained weights it offers; read by ``zoo.models.pretrained``."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import unquote, urlsplit

from zoo.core.errors import UserError
from zoo.core.spec import InputSpec


def _same(key: str) -> str | None:
    return key


def _unchanged(content: dict[str, Any]) -> dict[str, Any]:
    return content


@dataclass(frozen=True)
class PublishedWeights:
    """Weights that an architecture's author offers.

    A builder offers them by an attribute ``weights``, a function without arguments that returns a mapping from names to
    these; the name ``DEFAULT`` is what most users should take.

    Args:
        url: address of the file.
        checksum: as in RemoteFile: ``sha256:`` and hexadecimal digits. Where nobody but the publisher's server states
            it, a function that asks the server and returns ``sha256:`` and all 64 digits, or raises DownloadError. It
            is called only for a file that is not in the cache: one that is there bears the first 8 digits in its name,
            as torch's own files do, and is verified against them without a network.
        spec: what they were trained for: class names, channels, size, mean, std, resize rule.
        size: of the file, for people.
        key: gives a key of the file the name it has in the network, or None where the network has no use for it.
        name: of the file, where many addresses end alike (``model.safetensors``); else it is what the address ends in.
        convert: makes what the file holds a ``state_dict`` of the network built for ``spec``, or raises UserError; for
            files whose tensors differ by more than the names of their keys.
    """

    url: str
    checksum: str | Callable[[], str]
    spec: InputSpec
    size: str = ""
    key: Callable[[str], str | None] = _same
    name: str = ""
    convert: Callable[[dict[str, Any]], dict[str, Any]] = _unchanged

    @property
    def file_name(self) -> str:
        """Name of the file, before the digits of a checksum that its publisher's server states."""
        return self.name or last_part(self.url)

    def has_name(self, name: str) -> bool:
        """Tell whether a file of this name is this one; it may bear the first 8 digits of its checksum."""
        return self.file_name in (name, re.sub(r"-[0-9a-f]{8}(?=\.[^.]*$)", "", name))


def offered_weights(builder: Any) -> Mapping[str, PublishedWeights]:
    """Return the weights that an architecture's builder offers, by name; nothing where it offers none.

    Raises:
        UserError: it breaks the contract of ``PublishedWeights``.
    """
    offered: Any = getattr(builder, "weights", None)
    if not callable(offered):  # a class may have a property of that name
        return {}
    try:
        found = offered()
        kept = isinstance(found, Mapping) and all(isinstance(offer, PublishedWeights) for offer in found.values())
    except TypeError:
        kept = False
    if not kept:
        raise UserError(
            "the architecture breaks the contract: its builder's weights() takes no argument and returns a mapping of "
            "names to PublishedWeights"
        )
    return found  # type: ignore[no-any-return]  # a mapping of them, as tested above


def last_part(url: str) -> str:
    """Return the file's name in an address, which cannot lead out of a folder."""
    return Path(unquote(urlsplit(url).path)).name
