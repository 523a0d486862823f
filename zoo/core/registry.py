"""Names become builders: lists and loads entry points, reading metadata only until a name is used.

    pyproject.toml of any distribution                 zoo
    [project.entry-points."zoo.architectures"]
    lenet5 = "zoo.architectures.lenet:lenet5"   ───►   load("architecture", "lenet5") is lenet5

A family is one entry point with many names: ``torchvision/resnet18`` is the member ``resnet18`` of the family
``torchvision``. Its value has ``names() -> Iterable[str]`` and ``builder(name) -> builder``; one that has more names
than it can list (a hub's) also has ``accepts(name) -> bool``.

Nothing is imported to list single names; the names of a family are asked of it. A name that two distributions register
belongs to neither: the error names both, and ``distribution:name`` selects one. This project's own names are entry
points too and cannot be taken over.
"""

from __future__ import annotations

import contextlib
import inspect
import io
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import cache
from importlib.metadata import Distribution, EntryPoint, entry_points
from threading import Thread
from typing import Any, Literal

from zoo.core.errors import UserError, did_you_mean
from zoo.core.file_builder import FileBuilder, is_file_name, is_file_origin, open_file

Kind = Literal["architecture", "dataset", "command"]

GROUPS: Mapping[Kind, str] = {
    "architecture": "zoo.architectures",
    "dataset": "zoo.datasets",
    "command": "zoo.commands",
}
FAMILY_GROUPS: Mapping[Kind, str] = {
    "architecture": "zoo.architecture_families",
    "dataset": "zoo.dataset_families",
}
WORDS: Mapping[Kind, str] = {"architecture": "architecture", "dataset": "data set", "command": "command"}
#: Seconds in which a family must list its names, its import included; torchvision's takes 0.1.
ANSWER_SECONDS = 10

OWN_DISTRIBUTION = "zoo-classifiers"


@dataclass(frozen=True)
class Entry:
    """One registered name, as the metadata of its distribution describes it; nothing of it is imported."""

    kind: Kind
    name: str
    distribution: str
    version: str
    entry_point: EntryPoint
    family: bool = False

    @property
    def origin(self) -> str:
        """Where it comes from, as pip installs it: ``distribution==version``."""
        return f"{self.distribution}=={self.version}"

    @property
    def word(self) -> str:
        """What it is, for people: its kind, or a family of it."""
        return f"{WORDS[self.kind]} family" if self.family else WORDS[self.kind]

    @property
    def title(self) -> str:
        """What it is called in an error: kind, name, distribution and version."""
        return f"{self.word} '{self.name}' of {self.distribution} {self.version}"

    def members(self) -> list[str]:
        """Ask a family for its names, in full: ``family/name``.

        Raises:
            UserError: as ``load``, or it fails to answer, or does not within ANSWER_SECONDS.
        """
        answers: list[list[str]] = []
        problems: list[BaseException] = []

        def ask() -> None:
            try:
                answers.append(sorted(f"{self.name}/{name}" for name in self._import().names()))
            except BaseException as error:
                problems.append(error)

        # In a thread of its own, which an interpreter that ends does not wait for: a plugin that hangs must not stop
        # the listing of all other names.
        thread = Thread(target=ask, daemon=True)
        with contextlib.redirect_stdout(io.StringIO()):
            thread.start()
            thread.join(ANSWER_SECONDS)
        if answers:
            return answers[0]
        if not problems:
            raise UserError(
                f"{self.title} does not list its names within {ANSWER_SECONDS} s; "
                f"reinstall or remove {self.distribution}"
            )
        if isinstance(problems[0], UserError):
            raise problems[0]
        reason = f"{type(problems[0]).__name__}: {problems[0]}"
        raise UserError(f"{self.title} cannot list its names: {reason}") from problems[0]

    def load(self) -> Any:
        """Import the builder, or the family.

        Whatever the plugin prints while it is imported is dropped, so that it cannot mix with zoo's output.

        Raises:
            UserError: the import fails in any way, SystemExit included, or the value is neither.
        """
        with contextlib.redirect_stdout(io.StringIO()):
            return self._import()

    def _import(self) -> Any:
        try:
            builder = self.entry_point.load()
        except (Exception, SystemExit) as error:
            raise UserError(
                f"{self.title} cannot be imported: {type(error).__name__}: {error}; "
                f"reinstall or remove {self.distribution}"
            ) from error
        if self.family and not (hasattr(builder, "names") and hasattr(builder, "builder")):
            raise UserError(f"{self.title} breaks the contract: a family has names() and builder(name)")
        if not self.family and not callable(builder):
            raise UserError(f"{self.title} is {type(builder).__name__} {self.entry_point.value}; a builder is callable")
        return builder


@cache
def _all_points() -> Any:
    """Read the entry points of every distribution, once: each question for a group would read them all again."""
    return entry_points()


@cache
def entries(kind: Kind, *, family: bool = False) -> tuple[Entry, ...]:
    """Return every single name, or every family, registered for a kind, sorted by name, duplicates included."""
    found: dict[tuple[str, str], Entry] = {}
    origins: dict[Distribution | None, tuple[str, str]] = {None: ("unknown", "unknown")}
    for point in _all_points().select(group=(FAMILY_GROUPS if family else GROUPS).get(kind)):
        if point.dist is not None and point.dist not in origins:  # it parses its metadata at every question
            origins[point.dist] = _normalised(point.dist.name), point.dist.version
        distribution, version = origins[point.dist]
        # The same distribution found twice on the path (an editable install beside a build) is one distribution.
        found.setdefault((point.name, distribution), Entry(kind, point.name, distribution, version, point, family))
    return tuple(found[key] for key in sorted(found))


def refresh() -> None:
    """Look for distributions anew at the next question: after an installation in a running process."""
    entries.cache_clear()
    _all_points.cache_clear()


def _named(kind: Kind, name: str) -> list[Entry]:
    """Return the entries that a name, or ``distribution:name``, may stand for; of ``family/name`` the families."""
    distribution, _, bare = name.rpartition(":")
    first, slash, _ = bare.partition("/")
    named = [entry for entry in entries(kind, family=bool(slash)) if entry.name == first]
    if distribution:
        named = [entry for entry in named if entry.distribution == _normalised(distribution)]
    return named


def kinds(name: str) -> list[Kind]:
    """Return the kinds of which a name is registered, from metadata: of ``family/name`` those of the family."""
    if is_file_name(name):
        return ["architecture"]
    return [kind for kind in GROUPS if _named(kind, name)]


def find(kind: Kind, name: str, origin: str = "") -> Entry | FileBuilder:
    """Return the one entry that ``name``, or ``distribution:name``, stands for; of ``family/name`` the family's.

    An architecture's name may also be that of a Python file (zoo.core.file_builder).

    Args:
        kind: of the name.
        name: as users give it.
        origin: the ``distribution==version`` it was last seen in, for the error where it is gone.

    Raises:
        UserError: no distribution registers the name, or several do and none of them is zoo itself; or the file cannot
            be read, or differs from its origin.
    """
    if kind == "architecture" and is_file_name(name):
        return open_file(name, origin)
    named = _named(kind, name)
    own = [entry for entry in named if entry.distribution == OWN_DISTRIBUTION]
    if own or len(named) == 1:
        return (own or named)[0]
    if named:
        bare = name.rpartition(":")[2]
        owners = ", ".join(f"{entry.distribution}:{bare}" for entry in named)
        raise UserError(f"{WORDS[kind]} '{name}' is registered by {len(named)} distributions; select one of: {owners}")
    raise _unknown(kind, name, origin)


def load(kind: Kind, name: str, origin: str = "") -> Callable[..., Any]:
    """Import and return the builder behind a name; arguments as ``find``.

    Raises:
        UserError: as ``find`` and ``Entry.load``, or a family has no such member or fails to build it.
    """
    entry = find(kind, name, origin)
    value = entry.load()
    if isinstance(entry, FileBuilder) or not entry.family:
        return value  # type: ignore[no-any-return]
    member = name.rpartition(":")[2].partition("/")[2]
    accepts = getattr(value, "accepts", None)  # of a family that has more names than it can list
    if f"{entry.name}/{member}" not in entry.members() and not (accepts is not None and accepts(member)):
        raise _unknown(kind, name, origin)
    return value.builder(member)  # type: ignore[no-any-return]


def recorded(kind: Kind, name: str, origin: str = "") -> dict[str, str]:
    """Return what a run records of a name: ``{"name": ..., "from": origin}``; errors as ``find``."""
    entry = find(kind, name, origin)
    return {"name": entry.name if isinstance(entry, FileBuilder) else name, "from": entry.origin}


def list_names(kind: Kind) -> list[str]:
    """Return the registered names of a kind, sorted, each once; a family that fails to list its names adds none."""
    names = {entry.name for entry in entries(kind)}
    for family in entries(kind, family=True):
        with contextlib.suppress(UserError):  # zoo list says it
            names.update(family.members())
    return sorted(names)


def _unknown(kind: Kind, name: str, origin: str) -> UserError:
    if is_file_origin(origin):
        return UserError(f"{WORDS[kind]} '{name}' is of {origin}, a file in the run's folder: open it by zoo.load(RUN)")
    if origin:
        return UserError(f"{WORDS[kind]} '{name}' is of {origin}, which is not installed: pip install '{origin}'")
    names = list_names(kind)
    members = " or ".join(f"'{member}'" for member in names if member.endswith(f"/{name}"))
    hint = f"; did you mean {members}?" if members else did_you_mean(name, names)
    listing = "zoo --help" if kind == "command" else "zoo list"
    return UserError(f"unknown {WORDS[kind]} '{name}'{hint} ('{listing}' shows all)")


@dataclass(frozen=True)
class Option:
    """One keyword parameter of a builder, which is one option of the command line."""

    name: str
    type: str
    default: Any


#: What zoo passes to a builder itself; every other parameter is an option of the user's.
GIVEN: Mapping[Kind, tuple[str, ...]] = {"architecture": ("spec",), "dataset": ("root", "split"), "command": ("argv",)}


def options(kind: Kind, builder: Callable[..., Any]) -> list[Option]:
    """Return a builder's own options: its parameters without those that zoo passes itself."""
    parameters = list(inspect.signature(builder).parameters.values())[len(GIVEN[kind]) :]
    return [
        Option(parameter.name, _type_name(parameter.annotation), parameter.default)
        for parameter in parameters
        if parameter.kind not in (parameter.VAR_POSITIONAL, parameter.VAR_KEYWORD)
    ]


def call(
    kind: Kind, name: str, given: tuple[Any, ...], arguments: Mapping[str, Any], origin: str = "", variant: str = ""
) -> Any:
    """Call a builder, its own options checked against its signature.

    Args:
        kind: of the name.
        name: as users give it.
        given: what zoo passes itself.
        arguments: the user's options, by name.
        origin: as ``find``.
        variant: an attribute of the builder that is called in its place, where it has it.

    Raises:
        UserError: an option the builder does not have, or the builder refuses a value with ValueError.
    """
    builder = load(kind, name, origin)
    builder = getattr(builder, variant, builder) if variant else builder
    signature = inspect.signature(builder)
    try:
        signature.bind(*given, **arguments)
    except TypeError as error:
        known = [option.name for option in options(kind, builder)]
        wrong = next((key for key in arguments if key not in known), "")
        raise UserError(
            f"{WORDS[kind]} '{name}': {error}; its options are {', '.join(known) or 'none'}{did_you_mean(wrong, known)}"
        ) from error
    try:
        return builder(*given, **arguments)
    except UserError:
        raise
    except ValueError as error:
        raise UserError(f"{WORDS[kind]} '{name}': {error}") from error


def _type_name(annotation: Any) -> str:
    if annotation is inspect.Parameter.empty:
        return "any"
    return annotation if isinstance(annotation, str) else inspect.formatannotation(annotation)


def _normalised(distribution: str) -> str:
    """Return the form in which PyPI compares distribution names (PEP 503)."""
    return re.sub(r"[-_.]+", "-", distribution).lower()
