"""Reads what installed distributions register for zoo; one whose metadata is broken is left out, with its reason.

importlib.metadata.entry_points reads all distributions at once, so that one broken file fails every caller: zoo, torch,
lightning. ``hide_broken`` lets them not see it.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from functools import cache
from importlib import metadata
from importlib.metadata import Distribution, EntryPoint
from pathlib import Path
from typing import Any

#: How the groups of zoo begin.
PREFIX = "zoo."

#: Folders that this process's other users of importlib.metadata do not see.
_hidden: set[str] = set()

SECTION = re.compile(r"\[(?P<group>.*)\]")

#: What an entry point leads to, with the extras that older tools write behind it.
VALUE = re.compile(r"[\w.]+(\s*:\s*[\w.]+)?\s*(\[.*\])?")


@dataclass(frozen=True)
class RegisteredPoint:
    """One entry point in a group of zoo's, with the distribution that has it."""

    point: EntryPoint
    distribution: str
    version: str


@dataclass(frozen=True)
class BrokenDistribution:
    """A folder of metadata that cannot be read; ``others_fail`` where importlib.metadata fails for all its callers."""

    folder: str
    reason: str
    others_fail: bool = False

    def __str__(self) -> str:
        return f"{self.folder} is broken and left out: {self.reason}; reinstall its package, or delete the folder"


@dataclass(frozen=True)
class Scan:
    """What is registered for zoo, and which distributions are left out."""

    registered: tuple[RegisteredPoint, ...]
    broken: tuple[BrokenDistribution, ...]


@cache
def scan_distributions() -> Scan:
    """Read the entry points of every distribution; METADATA only of those that register something for zoo."""
    registered: list[RegisteredPoint] = []
    broken: list[BrokenDistribution] = []
    for distribution in _distributions():
        try:
            registered += _registered(distribution)
        except _EntryPointsError as error:
            broken.append(BrokenDistribution(_folder(distribution), str(error), others_fail=True))
        except ValueError as error:
            broken.append(BrokenDistribution(_folder(distribution), str(error)))
    return Scan(tuple(registered), tuple(broken))


def all_broken() -> list[BrokenDistribution]:
    """Return every distribution that is broken, those that register nothing for zoo too; it reads all their files."""
    broken = {each.folder: each for each in scan_distributions().broken}
    for distribution in _distributions():
        try:
            _name_and_version(distribution)
        except ValueError as error:
            folder = _folder(distribution)
            broken.setdefault(folder, BrokenDistribution(folder, str(error)))
    return list(broken.values())


def hide_broken() -> None:
    """Let this process's other users of importlib.metadata skip distributions whose entry points cannot be read.

    Without it ``import torch`` fails, which reads the entry points of everything that is installed.
    """
    hidden = {broken.folder for broken in scan_distributions().broken if broken.others_fail}
    if hidden and not _hidden:
        discover = metadata.MetadataPathFinder.find_distributions.__func__  # type: ignore[attr-defined]

        def find_distributions(cls: type, *context: Any, **named: Any) -> Iterator[Distribution]:
            return (each for each in discover(cls, *context, **named) if _folder(each) not in _hidden)

        metadata.MetadataPathFinder.find_distributions = classmethod(find_distributions)  # type: ignore[assignment]
    _hidden.update(hidden)


def refresh() -> None:
    """Forget what was read."""
    scan_distributions.cache_clear()


def normalised(distribution: str) -> str:
    """Return the form in which PyPI compares distribution names (PEP 503)."""
    return re.sub(r"[-_.]+", "-", distribution).lower()


class _EntryPointsError(ValueError):
    """entry_points.txt cannot be read."""


def _distributions() -> Iterator[Distribution]:
    """Yield distributions, each name once: the first on the path hides others, as an editable install does a build."""
    seen = set()
    for distribution in metadata.distributions():
        folder = Path(_folder(distribution)).name
        name = normalised(folder.partition("-")[0]) if "-" in folder else folder
        if name not in seen:
            seen.add(name)
            yield distribution


def _folder(distribution: Distribution) -> str:
    """Return where a distribution's metadata lies; of one that no folder holds, where its files lie."""
    return str(getattr(distribution, "_path", None) or distribution.locate_file(""))


def _registered(distribution: Distribution) -> list[RegisteredPoint]:
    try:
        text = distribution.read_text("entry_points.txt")
    except (UnicodeDecodeError, OSError) as error:
        raise _EntryPointsError(f"entry_points.txt cannot be read ({_reason(error)})") from error
    if not text:
        return []
    points = [point for point in _parsed(text.splitlines()) if point.group.startswith(PREFIX)]
    if not points:
        return []
    name, version = _name_and_version(distribution)
    return [RegisteredPoint(point, name, version) for point in points]


def _parsed(lines: Iterable[str]) -> Iterator[EntryPoint]:
    """Yield the entry points in a file, as importlib.metadata reads it."""
    group = ""
    for number, line in enumerate(map(str.strip, lines), start=1):
        if not line or line.startswith("#"):
            continue
        if match := SECTION.fullmatch(line):
            group = match["group"].strip()
            continue
        if not group:
            continue
        name, equals, value = map(str.strip, line.partition("="))
        allowed = f"entry_points.txt, line {number} is {line[:80]!r}; allowed is NAME = MODULE:OBJECT"
        if not equals:
            raise _EntryPointsError(allowed)
        if group.startswith(PREFIX) and not (name.isprintable() and VALUE.fullmatch(value)):
            raise ValueError(allowed)
        yield EntryPoint(name, value, group)


def _name_and_version(distribution: Distribution) -> tuple[str, str]:
    try:
        fields = distribution.metadata
        texts = [(fields.get_all(key) or [""])[0] for key in ("Name", "Version")]
    except (ValueError, OSError, TypeError, AttributeError) as error:  # binary, or no METADATA at all
        raise ValueError(f"METADATA cannot be read ({_reason(error)})") from error
    for key, text in zip(("Name", "Version"), texts, strict=True):
        if not text or not str(text).isprintable():
            raise ValueError(f"METADATA has no {key}")
    return normalised(str(texts[0])), str(texts[1])


def _reason(error: Exception) -> str:
    return "it is not UTF-8" if isinstance(error, UnicodeDecodeError) else str(error)
