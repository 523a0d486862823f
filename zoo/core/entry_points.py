"""Entry points of installed distributions, read from their metadata; a plugin is imported when its entry is loaded."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache
from importlib.metadata import EntryPoint
from typing import Any

from zoo.core import distributions
from zoo.core.child import Child, NoAnswerError
from zoo.core.distributions import normalised, scan_distributions
from zoo.core.errors import UserError
from zoo.core.foreign import errors_of, importing
from zoo.core.kinds import KINDS, Kind

__all__ = ["OWN_DISTRIBUTION", "Entry", "entries", "normalised", "refresh"]

#: Seconds in which a plugin's family must list its names, its import and the start of a process included.
ANSWER_SECONDS = 20

OWN_DISTRIBUTION = "zoo-classifiers"

#: A process that asks plugins' families for their names.
_child = Child("zoo.core.entry_points:answer_members")

#: What families have answered: names, or what is wrong.
_answers: dict[Entry, list[str] | str] = {}


@dataclass(frozen=True)
class Entry:
    """One registered name, or one family, as the metadata of its distribution describes it."""

    kind: Kind
    name: str
    distribution: str
    version: str
    entry_point: EntryPoint
    family: bool = False

    @property
    def origin(self) -> str:
        """The distribution and its version, as pip installs it: ``distribution==version``."""
        return f"{self.distribution}=={self.version}"

    @property
    def kind_name(self) -> str:
        """What messages call it: ``data set``, ``architecture family``."""
        title = KINDS[self.kind].title
        return f"{title} family" if self.family else title

    @property
    def title(self) -> str:
        """Kind, name, distribution and version, for errors."""
        return f"{self.kind_name} '{self.name}' of {self.distribution} {self.version}"

    @property
    def key(self) -> list[Any]:
        """What ``entry_of`` finds it by, in another process too."""
        return [self.kind, self.name, self.distribution, self.family]

    def members(self) -> list[str]:
        """Return the names of a family, sorted, in full: ``family/name``.

        A plugin's family that this process has not imported is asked in another one, once.

        Raises:
            UserError: as ``load``, or the family fails to list its names, or takes over ANSWER_SECONDS.
        """
        if self.distribution == OWN_DISTRIBUTION or self._is_imported():
            return self.names_here()
        if self not in _answers:
            try:
                _answers[self] = _child.ask(self.key, ANSWER_SECONDS)
            except NoAnswerError as error:
                _answers[self] = f"{self.title} {error}; reinstall or remove {self.distribution}"
        answer = _answers[self]
        if isinstance(answer, str):
            raise UserError(answer)
        return answer

    def names_here(self) -> list[str]:
        """Return the names of a family, which this process imports; errors as ``members``."""
        family = self.load()
        with errors_of(self.title, "cannot list its names:"):
            names = list(family.names())
        if wrong := [name for name in names if not isinstance(name, str)]:
            raise UserError(f"{self.title} breaks the contract: names() gives texts, received {wrong[0]!r}")
        return sorted(f"{self.name}/{name}" for name in names)

    def load(self) -> Any:
        """Import the builder, or the family.

        What a plugin prints meanwhile is dropped, so that it cannot mix with zoo's output.

        Raises:
            UserError: the import raises anything, or the value is neither a builder nor a family.
        """
        with importing(self.title, f"; reinstall or remove {self.distribution}"):
            builder = self.entry_point.load()
        if self.family and not (hasattr(builder, "names") and hasattr(builder, "builder")):
            raise UserError(f"{self.title} breaks the contract: a family has names() and builder(name)")
        if not self.family and not callable(builder):
            raise UserError(f"{self.title} is {type(builder).__name__} {self.entry_point.value}; a builder is callable")
        return builder

    def _is_imported(self) -> bool:
        return self.entry_point.module in sys.modules


@cache
def entries(kind: Kind, *, family: bool = False) -> tuple[Entry, ...]:
    """Return every single name, or every family, of a kind, sorted; a name that two distributions have comes twice."""
    facts = KINDS[kind]
    group = facts.families if family else facts.group
    unique: dict[tuple[str, str], Entry] = {}
    for registered in scan_distributions().registered:
        point, distribution = registered.point, registered.distribution
        if point.group == group:
            unique.setdefault(
                (point.name, distribution), Entry(kind, point.name, distribution, registered.version, point, family)
            )
    return tuple(unique[key] for key in sorted(unique))


def entry_of(key: Sequence[Any]) -> Entry:
    """Return the entry whose ``key`` this is."""
    kind, name, distribution, family = key
    return next(
        entry for entry in entries(kind, family=family) if (entry.name, entry.distribution) == (name, distribution)
    )


def answer_members(key: Sequence[Any]) -> list[str] | str:
    """Return the names of the family of a key, or what is wrong, as the child process does."""
    try:
        return entry_of(key).names_here()
    except UserError as error:
        return str(error)


def refresh() -> None:
    """Forget what was read, so that distributions installed while the process runs are listed."""
    entries.cache_clear()
    _answers.clear()
    _child.stop()
    distributions.refresh()
