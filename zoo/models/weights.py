"""Pretrained weights that an architecture offers, and that files hold; ``zoo.models.pretrained`` loads them."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import unquote, urlsplit

from zoo.core.errors import UserError
from zoo.core.spec import InputSpec

#: Letters of a downloaded file's name; disks take 255 bytes, of which some go to the digits of the checksum.
LONGEST_NAME = 100

#: Names under which training programs save a ``state_dict`` beside other things; averaged weights are the better ones.
STATE_NAMES = (
    *("state_dict_ema", "model_ema", "ema_state_dict", "state_dict", "model_state_dict", "model", "network", "net"),
    *("teacher", "student", "weights"),
)


@dataclass(frozen=True)
class PublishedWeights:
    """Weights that an architecture's author offers.

    A builder offers them by an attribute ``weights``, a function without arguments that returns a mapping from names to
    these objects; most users should take the name ``DEFAULT``.

    Args:
        url: address of the file.
        checksum: as in RemoteFile: ``sha256:`` and hexadecimal digits. Where only the publisher's server states it, a
            function that asks the server and returns ``sha256:`` and all 64 digits, or raises DownloadError. zoo calls
            it only if the file is not in the cache: a cached file has the first 8 digits in its name, as torch's own
            files do, and is verified against them without a network.
        spec: what they were trained for: class names, channels, size, mean, std, resize rule.
        size: of the file, for people.
        key: returns the network's name for a key of the file, or None if the network does not use it.
        name: of the file, where many addresses end alike (``model.safetensors``); by default the end of the address.
        convert: turns the content of the file into a ``state_dict`` of the network built for ``spec``, or raises
            UserError; for files in which more than the keys differ.
        predicts: whether an application gets the published answers by ``spec``. Else the weights are there to train
            from: the names of their classes are not known (``spec`` then has numbers, at least two), or the resize
            rule only comes close.
    """

    url: str
    checksum: str | Callable[[], str]
    spec: InputSpec
    size: str = ""
    key: Callable[[str], str | None] = str
    name: str = ""
    convert: Callable[[dict[str, Any]], dict[str, Any]] = dict
    predicts: bool = True

    @property
    def file_name(self) -> str:
        """Name of the file, without the digits of a checksum that the publisher's server states."""
        return self.name or last_part(self.url)

    def has_name(self, name: str) -> bool:
        """Tell whether this is the name of the file, with or without the first 8 digits of its checksum."""
        return self.file_name in (name, re.sub(r"-[0-9a-f]{8}(?=\.[^.]*$)", "", name))


def offered_weights(builder: Any) -> Mapping[str, PublishedWeights]:
    """Return the weights that an architecture's builder offers, by name; an empty mapping if it offers none.

    Raises:
        UserError: it breaks the contract of ``PublishedWeights``.
    """
    function: Any = getattr(builder, "weights", None)
    if not callable(function):  # a class may have a property of that name
        return {}
    try:
        offers: Any = function()
    except TypeError:  # it takes arguments
        offers = None
    if not isinstance(offers, Mapping) or not all(isinstance(offer, PublishedWeights) for offer in offers.values()):
        raise UserError(
            "the architecture breaks the contract: its builder's weights() takes no argument and returns a mapping of "
            "names to PublishedWeights"
        )
    return offers


def last_part(url: str) -> str:
    """Return the file's name in an address, which cannot lead out of a folder; empty where no file can be called so."""
    name = Path(unquote(urlsplit(url).path)).name
    return name if name.isprintable() and name != ".." and len(name) <= LONGEST_NAME else ""


def unpacked(content: dict[str, Any]) -> tuple[dict[str, Any], tuple[str, ...]]:
    """Return the ``state_dict`` in what a training program saved, and the keys that it lay under, the outer first."""
    taken_off: tuple[str, ...] = ()
    while not is_state(content):
        inner = [name for name in STATE_NAMES if isinstance(content.get(name), dict) and content[name]]
        if not inner:
            break
        content, taken_off = content[inner[0]], (*taken_off, inner[0])
    return content, taken_off


def is_state(content: Any) -> bool:
    """Tell whether this is a ``state_dict``: at least one tensor, by names."""
    if not isinstance(content, dict) or not content:
        return False
    return all(isinstance(key, str) and hasattr(value, "shape") for key, value in content.items())
