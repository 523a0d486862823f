"""A setting that takes several registered names: a name, a name with its options, or a list of these."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from traceback import walk_tb
from typing import Any

from zoo.core import registry
from zoo.core.errors import UserError
from zoo.core.kinds import KINDS, Kind

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


def named_parts(kind: Kind, setting: PartSetting | None) -> list[tuple[str, dict[str, Any]]]:
    """Return name and options of each registered part in a setting.

    Raises:
        UserError: as ``parse_parts``, or a name is unknown or stands twice.
    """
    facts, parsed = KINDS[kind], parse_parts(KINDS[kind].use, setting)
    names = [name for name, _ in parsed]
    for name in names:
        registry.find(kind, name)
        if names.count(name) > 1:
            raise UserError(f"{facts.use} lists '{name}' twice; name each {facts.title} once")
    return parsed


def build_parts(
    kind: Kind, setting: PartSetting | None, passed: Mapping[str, tuple[Any, ...]], base: type
) -> dict[str, Any]:
    """Build the parts in a setting.

    Args:
        kind: of the parts.
        setting: as the user gave it.
        passed: what zoo passes to each builder, by the part's name; nothing where a name is missing.
        base: the class of which each part must be.

    Returns:
        The parts by their titles: kind, name and distribution.

    Raises:
        UserError: as ``named_parts`` and ``registry.call``, or a builder returns something else.
    """
    parts = {}
    for name, options in named_parts(kind, setting):
        title = registry.find(kind, name).title
        part = registry.call(kind, name, passed.get(name, ()), options)
        if not isinstance(part, base):
            raise UserError(
                f"{title} breaks the contract: it must return a {base.__module__.partition('.')[0]} {base.__name__}, "
                f"received {type(part).__name__}"
            )
        parts[title] = part
    return parts


def part_of(error: BaseException, parts: Mapping[str, Any]) -> str:
    """Return the title of the part whose code raised an error, or an empty string.

    Args:
        error: with its traceback.
        parts: objects by title.
    """
    modules = {type(part).__module__: title for title, part in parts.items()}
    raised = ""
    for frame, _ in walk_tb(error.__traceback__):
        raised = modules.get(frame.f_globals.get("__name__", ""), raised)
    # A method with other parameters than its caller's raises where it is called.
    called = (title for title, part in parts.items() if f"{type(part).__qualname__}." in str(error))
    return raised or (next(called, "") if isinstance(error, TypeError) else "")


def _parsed(option: str, entry: Any) -> tuple[str, dict[str, Any]]:
    if isinstance(entry, str):
        return entry, {}
    if isinstance(entry, Mapping) and isinstance(name := entry.get("name"), str):
        return name, {key: value for key, value in entry.items() if key != "name"}
    raise UserError(f"{option} has {entry!r}; allowed is a name, {{name: ..., option: ...}}, or a list of these")
