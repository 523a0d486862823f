"""Options that list named parts: ``--logger mlflow``, ``--callbacks [swa,mine]``, ``{name: mine, option: 1}``."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from zoo.core import registry
from zoo.core.errors import UserError
from zoo.core.kinds import KINDS, Kind

#: A name, a mapping of a name and its options, or a list of these.
PartList = str | Mapping[str, Any] | Sequence[str | Mapping[str, Any]]


def parse_parts(kind: Kind, value: PartList | None) -> list[tuple[str, dict[str, Any]]]:
    """Return name and options of each part that an option lists.

    Raises:
        UserError: the value has another form, a name is unknown, or it stands twice.
    """
    facts = KINDS[kind]
    parsed: list[tuple[str, dict[str, Any]]] = []
    for entry in [value] if isinstance(value, str | Mapping) else value or []:
        options = {"name": entry} if isinstance(entry, str) else dict(entry) if isinstance(entry, Mapping) else {}
        name = options.pop("name", None)
        if not isinstance(name, str):
            raise UserError(
                f"{facts.use} has {entry!r}; allowed is a name that 'zoo list {facts.plural}' shows, "
                "{name: ..., option: ...}, or a list"
            )
        registry.find(kind, name)
        if name in (other for other, _ in parsed):
            raise UserError(f"{facts.use} lists '{name}' twice; name each {facts.title} once")
        parsed.append((name, options))
    return parsed


def build_parts(
    kind: Kind, value: PartList | None, passed: Mapping[str, tuple[Any, ...]], base: type
) -> dict[str, Any]:
    """Build the parts that an option lists.

    Args:
        kind: of the parts.
        value: of the option.
        passed: what zoo passes to each builder, by the part's name; nothing where a name is missing.
        base: the class of which each part must be.

    Returns:
        The parts by their titles: kind, name and distribution.

    Raises:
        UserError: as ``parse_parts`` and ``registry.call``, or a builder returns something else.
    """
    parts = {}
    for name, options in parse_parts(kind, value):
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
    raised, trace = "", error.__traceback__
    while trace is not None:
        raised = modules.get(trace.tb_frame.f_globals.get("__name__", ""), raised)
        trace = trace.tb_next
    # A method with other parameters than its caller's raises where it is called.
    called = (title for title, part in parts.items() if f"{type(part).__qualname__}." in str(error))
    return raised or (next(called, "") if isinstance(error, TypeError) else "")
