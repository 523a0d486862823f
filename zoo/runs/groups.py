"""Groups of runs: the folder in which zoo fit --folds and --seeds train, and runs that differ in seed or fold only."""

from __future__ import annotations

import hashlib
import json
import os
import re
import statistics
from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

from zoo.core.errors import UserError
from zoo.runs.config_file import read_config
from zoo.runs.folder import Run

if TYPE_CHECKING:
    from zoo.runs.summary import Row

#: What the runs of a group differ in: ``folds_0`` holds ``fold_1`` ..., ``seeds_0`` holds ``seed_0`` ...
Kind = Literal["folds", "seeds"]
KINDS: tuple[Kind, ...] = ("folds", "seeds")


@dataclass(frozen=True)
class RunGroup:
    """A group folder.

    Args:
        path: the folder.
        kind: what its runs differ in.
        numbers: of the folds, from 1, or the seeds.
    """

    path: Path
    kind: Kind
    numbers: tuple[int, ...]

    @classmethod
    def open(cls, path: Path) -> RunGroup:
        """Return the group of a folder: as group.json says, else the folds that the first run counts.

        Raises:
            UserError: it is no group, or group.json is damaged.
        """
        file = path / "group.json"
        if not file.is_file():  # of a version that had folds alone
            folds = read_config(Run(path / "fold_1").config)["data"]["folds"]
            return cls(path, "folds", tuple(range(1, folds + 1)))
        try:
            content = json.loads(file.read_text(encoding="utf-8"))
            [kind] = [kind for kind in KINDS if kind in content]
            return cls(path, kind, tuple(map(int, content[kind])))
        except (OSError, ValueError, TypeError, AttributeError) as error:
            raise UserError(f"{file} is damaged: {error}; allowed is such as {{'seeds': [0, 1, 2]}}") from error

    @property
    def runs(self) -> list[Run]:
        """The folders of its runs, in order, whether they are there or not."""
        return [Run(self.path / self.name(number)) for number in self.numbers]

    def name(self, number: int) -> str:
        """Return the name of a run's folder: ``fold_1``."""
        return f"{self.kind.removesuffix('s')}_{number}"

    def content(self) -> dict[str, Any]:
        """Return what group.json holds."""
        return {self.kind: list(self.numbers)}


def is_group(folder: str | os.PathLike[str]) -> bool:
    """Tell whether a folder is the group folder of a training of folds or seeds."""
    path = Path(folder)
    if Run(path).config.is_file():
        return False
    members = (path.glob(f"{kind.removesuffix('s')}_*") for kind in KINDS)
    return any(Run(member).config.is_file() for several in members for member in several)


def expand_groups(paths: Sequence[str]) -> list[str]:
    """Return paths with each group folder replaced by the runs in it."""
    expanded: list[str] = []
    for path in paths:
        inside = (
            [str(run.path) for run in RunGroup.open(Path(path)).runs if run.config.is_file()] if is_group(path) else []
        )
        expanded += inside or [path]
    return expanded


def recipe(config: Mapping[str, Any]) -> str:
    """Return a digest of a configuration without its seed and its fold: runs that differ in these only share it."""
    same = {key: value for key, value in config.items() if key != "seed_everything"}
    same["data"] = {key: value for key, value in dict(config.get("data", {})).items() if key != "fold"}
    return hashlib.sha256(json.dumps(same, sort_keys=True, default=str).encode()).hexdigest()[:16]


def alike(recipes: Sequence[str | None], members: Sequence[tuple[int | None, int | None]]) -> list[list[int]]:
    """Return the groups of two or more runs that differ in seed or fold only, by their positions, in order.

    Args:
        recipes: of each run; a run with None is in no group.
        members: seed and fold of each.
    """
    positions: dict[str, list[int]] = defaultdict(list)
    for position, digest in enumerate(recipes):
        if digest is not None:
            positions[digest].append(position)
    return [group for group in positions.values() if len({members[position] for position in group}) > 1]


def members_text(members: Iterable[tuple[int | None, int | None]]) -> str:
    """Return which seeds and folds there are: ``seeds 0, 1, 2``, or ``folds 1 to 5``."""
    texts = []
    for title, numbers in zip(("seed", "fold"), zip(*members, strict=True), strict=True):
        several = sorted({number for number in numbers if number is not None})
        if len(several) > 1:
            unbroken = len(several) > 3 and several[-1] - several[0] == len(several) - 1
            texts.append(
                f"{title}s {several[0]} to {several[-1]}" if unbroken else f"{title}s {', '.join(map(str, several))}"
            )
    return ", ".join(texts)


def mean_text(values: Sequence[float | None]) -> str:
    """Return the mean of shares ± their standard deviation: ``96.1% ± 0.4%``; a dash where one is missing."""
    measured = [value for value in values if value is not None]
    if len(measured) < len(values):
        return "-"
    return f"{statistics.fmean(measured):.1%} ± {statistics.stdev(measured):.1%}"


def group_lines(rows: Sequence[Row]) -> list[tuple[str, ...]]:
    """Return a line for each group of rows: data, model, val, test, which runs, and where they lie."""
    members = [(row.seed, row.fold) for row in rows]
    lines = []
    for group in alike([row.recipe for row in rows], members):
        chosen = [rows[position] for position in group]
        first, figures = chosen[0], [mean_text([getattr(row, name) for row in chosen]) for name in ("val", "test")]
        runs = f"{len(group)} runs: {members_text(members[position] for position in group)}"
        place = os.path.commonpath([os.path.dirname(row.path) or "." for row in chosen])
        lines.append((first.data or "-", first.model or "-", *figures, runs, place or "."))
    return lines


def natural(text: str) -> list[tuple[bool, int, str]]:
    """Return a key by which version_9 comes before version_10."""
    return [(part.isdecimal(), int(part) if part.isdecimal() else 0, part) for part in re.split(r"(\d+)", text)]
