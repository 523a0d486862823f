"""Entry points of installed distributions, read from their metadata; a plugin is imported when its entry is loaded."""

from __future__ import annotations

import contextlib
import io
import re
from dataclasses import dataclass
from functools import cache
from importlib.metadata import Distribution, EntryPoint, entry_points
from threading import Thread
from typing import Any

from zoo.core.errors import UserError
from zoo.core.kinds import KINDS, Kind

#: Seconds in which a family must list its names, its import included; torchvision's takes 0.1.
ANSWER_SECONDS = 10

OWN_DISTRIBUTION = "zoo-classifiers"


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

    def members(self) -> list[str]:
        """Return the names of a family, sorted, in full: ``family/name``.

        Raises:
            UserError: as ``load``, or the family fails to list its names, or takes over ANSWER_SECONDS.
        """
        answers: list[list[str]] = []
        problems: list[BaseException] = []

        def ask() -> None:
            try:
                answers.append(sorted(f"{self.name}/{name}" for name in self._import().names()))
            except BaseException as error:
                problems.append(error)

        # A plugin that hangs must not stop the listing of other names: Python does not wait for a daemon thread.
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

        What the plugin prints meanwhile is dropped, so that it cannot mix with zoo's output.

        Raises:
            UserError: the import raises an error or SystemExit, or the value is neither a builder nor a family.
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
def _all_entry_points() -> Any:
    """Return the entry points of every distribution; ``entry_points`` would read all of them for each group again."""
    return entry_points()


@cache
def entries(kind: Kind, *, family: bool = False) -> tuple[Entry, ...]:
    """Return every single name, or every family, of a kind, sorted; a name that two distributions have comes twice."""
    unique: dict[tuple[str, str], Entry] = {}
    versions: dict[Distribution | None, tuple[str, str]] = {None: ("unknown", "unknown")}
    facts = KINDS[kind]
    for point in _all_entry_points().select(group=facts.families if family else facts.group):
        if point.dist is not None and point.dist not in versions:  # a Distribution parses its file for each attribute
            versions[point.dist] = normalised(point.dist.name), point.dist.version
        distribution, version = versions[point.dist]
        # A distribution may be on the path twice: an editable install beside a build.
        unique.setdefault((point.name, distribution), Entry(kind, point.name, distribution, version, point, family))
    return tuple(unique[key] for key in sorted(unique))


def refresh() -> None:
    """Forget what was read, so that distributions installed while the process runs are listed."""
    entries.cache_clear()
    _all_entry_points.cache_clear()


def normalised(distribution: str) -> str:
    """Return the form in which PyPI compares distribution names (PEP 503)."""
    return re.sub(r"[-_.]+", "-", distribution).lower()
