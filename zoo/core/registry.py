"""Names become builders: finds, loads and calls what a name of a network, data set, model or command means.

    pyproject.toml of any distribution                 zoo
    [project.entry-points."zoo.architectures"]
    lenet5 = "zoo.architectures.lenet:lenet5"   ───►   load("architecture", "lenet5") is lenet5

A family is one entry point with many names: ``torchvision/resnet18`` is the member ``resnet18`` of the family
``torchvision``. Its value has ``names() -> Iterable[str]`` and ``builder(name) -> builder``; a family with more names
than it can list (a hub) also has ``accepts(name) -> bool``.

To list single names nothing is imported; to list a family's names the family is. If two distributions register a name,
neither gets it: the error names both, and ``distribution:name`` selects one. zoo's own names are entry points too, and
no other distribution can replace them.
"""

from __future__ import annotations

import contextlib
import inspect
import os
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from importlib import metadata
from typing import Any

from zoo.core.code_file import CodeEntry, code_entries
from zoo.core.distributions import scan_distributions
from zoo.core.entry_points import OWN_DISTRIBUTION, Entry, entries, normalised, refresh
from zoo.core.errors import UserError, ZooError, did_you_mean, text_of
from zoo.core.file_builder import FileBuilder, is_file_name, is_file_origin, open_file
from zoo.core.foreign import errors_of
from zoo.core.imported_builder import ImportedBuilder, is_import_path
from zoo.core.kinds import FAMILY_KINDS, KINDS, PLUGINS, Kind

__all__ = [
    "FAMILY_KINDS",
    "KINDS",
    "OWN_DISTRIBUTION",
    "Entry",
    "Kind",
    "Option",
    "call",
    "entries",
    "errors_of",
    "find",
    "has",
    "kinds",
    "list_names",
    "load",
    "options",
    "recorded",
    "refresh",
    "titled",
]


def kinds(name: str) -> list[Kind]:
    """Return the kinds that have a name, from metadata alone; of ``family/name`` the kinds that have the family.

    Where several kinds have a family of that name, it is imported to tell in which of them it has the member.
    """
    if is_file_name(name):
        return ["architecture"]
    having = [kind for kind in KINDS if _candidates(kind, name)]
    if "/" not in name or len(having) < 2:
        return having
    return [kind for kind in having if name.rpartition(":")[2] in list_names(kind)] or having


def has(kind: Kind, name: str) -> bool:
    """Tell from metadata alone whether a distribution registers a name, or the family of ``family/name``."""
    return bool(_candidates(kind, name))


def find(kind: Kind, name: str, origin: str = "") -> Entry | FileBuilder | ImportedBuilder | CodeEntry:
    """Return the entry of ``name``, or of ``distribution:name``; of ``family/name`` the family's.

    An architecture's name may also be that of a Python file (zoo.core.file_builder); that of a kind with ``by_path``
    may be the import path of a builder (zoo.core.imported_builder).

    Args:
        kind: of the name.
        name: as users write it.
        origin: the ``distribution==version`` that had it when it was recorded; an error names it.

    Raises:
        UserError: no distribution registers the name, or several do and none of them is zoo itself; or the file cannot
            be read, or differs from its origin.
    """
    if kind == "architecture" and is_file_name(name):
        return open_file(name, origin)
    candidates = _candidates(kind, name)
    for entry in candidates:
        if isinstance(entry, CodeEntry):
            entry.require(origin)
    own = [entry for entry in candidates if entry.distribution == OWN_DISTRIBUTION]
    if own or len(candidates) == 1:
        return (own or candidates)[0]
    if candidates:
        bare = name.rpartition(":")[2]
        owners = ", ".join(f"{entry.distribution}:{bare}" for entry in candidates)
        raise UserError(
            f"{KINDS[kind].title} '{name}' is registered by {len(candidates)} distributions; select one of: {owners}"
        )
    if is_import_path(kind, name):
        return ImportedBuilder(kind, name)
    raise _unknown(kind, name, origin)


def titled(kind: Kind, name: str) -> str:
    """Return a name for errors, with its distribution where another than zoo's registers it."""
    try:
        entry = find(kind, name)
    except UserError:
        return f"{KINDS[kind].title} '{name}'"
    own = isinstance(entry, FileBuilder) or entry.distribution == OWN_DISTRIBUTION
    return f"{KINDS[kind].title} '{name}'" if own else entry.title


def load(kind: Kind, name: str, origin: str = "") -> Callable[..., Any]:
    """Import and return the builder of a name; arguments as ``find``.

    Raises:
        UserError: as ``find`` and ``Entry.load``, or a family has no such member or fails to build it.
    """
    entry = find(kind, name, origin)
    value = entry.load()
    if not isinstance(entry, Entry) or not entry.family:
        return value  # type: ignore[no-any-return]
    member = name.rpartition(":")[2].partition("/")[2]
    accepts = getattr(value, "accepts", None)
    if f"{entry.name}/{member}" not in entry.members() and not (accepts is not None and accepts(member)):
        raise _unknown(kind, name, origin)
    return value.builder(member)  # type: ignore[no-any-return]


def recorded(kind: Kind, name: str, origin: str = "") -> dict[str, str]:
    """Return what a run records of a name: ``{"name": ..., "from": origin}``; errors as ``find``."""
    entry = find(kind, name, origin)
    return {"name": entry.name if isinstance(entry, FileBuilder) else name, "from": entry.origin}


def own_command(name: str) -> Callable[..., Any] | None:
    """Return a built-in command, or None; it reads zoo's own metadata alone, which is faster than all."""
    points = metadata.distribution(OWN_DISTRIBUTION).entry_points.select(group=KINDS["command"].group, name=name)
    return next((point.load() for point in points), None)


def list_names(kind: Kind) -> list[str]:
    """Return the registered names of a kind, sorted, each once; a family that fails to list its names adds none."""
    names = {entry.name for entry in entries(kind)} | {entry.name for entry in code_entries(kind)}
    for family in entries(kind, family=True):
        with contextlib.suppress(UserError):  # zoo list prints it
            names.update(family.members())
    return sorted(names)


@dataclass(frozen=True)
class Option:
    """One keyword parameter of a builder, which is one option of the command line."""

    name: str
    type: str
    default: Any


def options(kind: Kind, builder: Callable[..., Any]) -> list[Option]:
    """Return the options of a builder: its parameters without those that zoo passes."""
    facts = KINDS[kind]
    parameters = list(inspect.signature(builder).parameters.values())[len(facts.passed) :]
    named = (inspect.Parameter.POSITIONAL_ONLY, inspect.Parameter.POSITIONAL_OR_KEYWORD)
    return [
        Option(parameter.name, _type_name(parameter.annotation), parameter.default)
        for parameter in parameters
        if parameter.kind == parameter.KEYWORD_ONLY or (parameter.kind in named and not facts.keyword_only)
    ]


def call(
    kind: Kind, name: str, passed: tuple[Any, ...], arguments: Mapping[str, Any], origin: str = "", variant: str = ""
) -> Any:
    """Call a builder after checking the user's options against its signature.

    Args:
        kind: of the name.
        name: as users write it.
        passed: the values that zoo passes, in the order of KINDS.
        arguments: the user's options, by name.
        origin: as ``find``.
        variant: attribute of the builder that is called in its place, if it has it.

    Raises:
        UserError: as ``load``; the builder has no such option; it refuses a value by ValueError; or it raises
            anything else, which then names the distribution.
    """
    builder = load(kind, name, origin)
    builder = getattr(builder, variant, builder) if variant else builder
    try:
        inspect.signature(builder).bind(*passed, **arguments)
    except TypeError as error:
        names = [option.name for option in options(kind, builder)]
        wrong = next((key for key in arguments if key not in names), "")
        raise UserError(
            f"{KINDS[kind].title} '{name}': {error}; its options are {', '.join(names) or 'none'}"
            f"{did_you_mean(wrong, names)}"
        ) from error
    with errors_of(find(kind, name, origin).title):
        try:
            return builder(*passed, **arguments)
        except ValueError as error:
            if isinstance(error, ZooError):
                raise
            raise UserError(f"{titled(kind, name)}: {text_of(error)}") from error


def _candidates(kind: Kind, name: str) -> list[Entry | CodeEntry]:
    """Return the entries that a name, or ``distribution:name``, may stand for; of ``family/name`` the families."""
    distribution, _, bare = name.rpartition(":")
    first, slash, _ = bare.partition("/")
    candidates = [entry for entry in entries(kind, family=bool(slash)) if entry.name == first]
    if distribution:
        return [entry for entry in candidates if entry.distribution == normalised(distribution)]
    return [*candidates, *(entry for entry in code_entries(kind) if entry.name == name)]


def _unknown(kind: Kind, name: str, origin: str) -> UserError:
    if is_file_origin(origin):
        return UserError(
            f"{KINDS[kind].title} '{name}' is of {origin}, a file in the run's folder: open it by zoo.load(RUN)"
        )
    if origin:
        return UserError(f"{KINDS[kind].title} '{name}' is of {origin}, which is not installed: pip install '{origin}'")
    listing = "zoo --help" if kind == "command" else f"zoo list {KINDS[kind].plural}"
    count = len(scan_distributions().broken)
    left_out = f"; broken metadata of {count} installed packages is left out: 'zoo doctor' names it" if count else ""
    return UserError(f"unknown {KINDS[kind].title} '{name}'{_hint(kind, name)} ('{listing}' shows all){left_out}")


def _hint(kind: Kind, name: str) -> str:
    """Return what an unknown name may have meant, as the end of a sentence; empty where nothing is near."""
    names, facts = list_names(kind), KINDS[kind]
    if members := " or ".join(f"'{member}'" for member in names if member.endswith(f"/{name}")):
        return f"; did you mean {members}?"
    plugin = PLUGINS.get((kind, name.partition("/")[0]))
    if plugin is not None and not any(near.partition("/")[0] == name.partition("/")[0] for near in names):
        return f"; the plugin {plugin} brings it: pip install ./plugins/{plugin} in a clone of zoo"
    if facts.of_folder and os.path.isdir(name):
        return f"; did you mean {facts.of_folder.format(name)}?"
    return did_you_mean(name, names)


def _type_name(annotation: Any) -> str:
    if annotation is inspect.Parameter.empty:
        return "any"
    return annotation if isinstance(annotation, str) else inspect.formatannotation(annotation)
