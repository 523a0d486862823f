"""A setting that takes several registered names: a name, a name with its options, or a list of these."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from zoo.core.errors import UserError

#: ``accuracy``, ``{"name": "kappa", "weights": "linear"}``, or a list of these.
PartSetting = str | Mapping[str, Any] | Sequence[str | Mapping[str, Any]]


def parse_parts(option: str, setting: PartSetting | None) -> list[tuple[str, dict[str, Any]]]:
    """Return name and options of each part in a setting.

    Args:
        option: the key that holds the setting, for errors.
        setting: as the user gave it; None has no parts.

    Raises:
        UserError: the setting has another form.
    """
    if setting is None:
        return []
    entries = [setting] if isinstance(setting, str | Mapping) else list(setting)
    return [_parsed(option, entry) for entry in entries]


def _parsed(option: str, entry: Any) -> tuple[str, dict[str, Any]]:
    if isinstance(entry, str):
        return entry, {}
    if isinstance(entry, Mapping) and isinstance(name := entry.get("name"), str):
        return name, {key: value for key, value in entry.items() if key != "name"}
    raise UserError(f"{option} has {entry!r}; allowed is a name, {{name: ..., option: ...}}, or a list of these")
