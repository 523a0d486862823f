"""What a comparison compares: single runs, and groups of runs that differ in seed or fold only."""

from __future__ import annotations

import statistics
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from itertools import combinations
from pathlib import Path
from typing import Any

from zoo.reports.mcnemar import Difference, differences, verdict
from zoo.runs.config_file import read_config
from zoo.runs.folder import Run
from zoo.runs.groups import alike, members_text, recipe

#: The figure by which groups of seeds are compared.
ACCURACY = "test/accuracy"


@dataclass(frozen=True)
class Unit:
    """A run, or runs that differ in seed or fold only.

    Args:
        name: of the run, or of the folder that holds the group.
        runs: one or more.
        results: figures of each, by name.
    """

    name: str
    runs: Sequence[Run]
    results: Sequence[Mapping[str, Any]]

    @cached_property
    def configs(self) -> list[dict[str, Any]]:
        """The configuration of each run."""
        return [read_config(run.config) for run in self.runs]

    @property
    def members(self) -> list[tuple[int | None, int | None]]:
        """Seed and fold of each run."""
        return [member(config) for config in self.configs]

    @property
    def config(self) -> dict[str, Any]:
        """What the configurations of its runs have in common."""
        config = dict(self.configs[0])
        if len(self.runs) > 1:
            config.pop("seed_everything", None)
            config["data"] = {key: value for key, value in config["data"].items() if key != "fold"}
        return config

    @property
    def merged(self) -> dict[str, str]:
        """The figures that all its runs have, as texts: mean ± standard deviation where they differ."""
        return {
            key: _merged([result[key] for result in self.results])
            for key in self.results[0]
            if all(key in result for result in self.results)
        }

    @property
    def is_folds(self) -> bool:
        """Whether each of its runs tests images of its own, so that together they are one test."""
        folds = [fold for _, fold in self.members]
        return len(self.runs) > 1 and None not in folds and len(set(folds)) == len(folds)

    @property
    def is_seeds(self) -> bool:
        """Whether it is several runs that test the same images."""
        return len(self.runs) > 1 and not self.is_folds

    def __str__(self) -> str:
        figures = {key: text for key, text in self.merged.items() if key.startswith(("test/", "val/"))}
        chosen = next((key for key in (ACCURACY, "val/accuracy") if key in figures), None)
        figure = "" if chosen is None else f": {chosen} {figures[chosen]}"
        return f"{self.name}, {len(self.runs)} runs ({members_text(self.members)}){figure}"


def member(config: Mapping[str, Any]) -> tuple[int | None, int | None]:
    """Return seed and fold of a run by its configuration."""
    return config.get("seed_everything"), config.get("data", {}).get("fold")


def units(runs: Sequence[Run], names: Sequence[str], results: Sequence[Mapping[str, Any]]) -> list[Unit]:
    """Return the runs with those together that differ in seed or fold only, in the order of their first."""
    configs = [read_config(run.config) for run in runs]
    groups = alike([recipe(config) for config in configs], [member(config) for config in configs])
    group_of = {position: group for group in groups for position in group}
    made = []
    for position, name in enumerate(names):
        group = group_of.get(position, [position])
        if group[0] == position:
            title = name if len(group) == 1 else _title([runs[one] for one in group], name)
            made.append(Unit(title, [runs[one] for one in group], [results[one] for one in group]))
    return made


def _title(runs: Sequence[Run], first: str) -> str:
    folders = {run.path.resolve().parent for run in runs}
    grouped = len(folders) == 1 and not next(iter(folders)).joinpath("version_0").exists()
    return Run(folders.pop()).title if grouped else f"{first} and {len(runs) - 1} more"


def _merged(values: Sequence[Any]) -> str:
    if all(value == values[0] for value in values):
        return f"{values[0]:.4f}" if isinstance(values[0], float) else str(values[0])
    if all(isinstance(value, int | float) for value in values):
        digits = 4 if any(isinstance(value, float) for value in values) else 1
        return f"{statistics.fmean(values):.{digits}f} ± {statistics.stdev(values):.{digits}f}"
    return ", ".join(dict.fromkeys(map(str, values)))


def unit_differences(compared: Sequence[Unit], names: Mapping[Path, str]) -> tuple[list[Difference | str], list[str]]:
    """Say of each pair whether the difference could be chance: by McNemar's test, of two groups of seeds by Welch's.

    Folds count as one network, which has answered for every image. A run and a group of seeds are compared by each
    seed's run; where there is nothing but a group of seeds, its runs are compared with each other.

    Args:
        compared: the runs and groups.
        names: of the runs, by their paths.

    Returns:
        Sentences, and for each pair that has none the reason.

    Raises:
        UserError: a predictions.csv is damaged.
    """
    alone = len(compared) == 1
    seeds = [unit for unit in compared if unit.is_seeds]
    runs, titles, groups = [], [], []
    for unit in compared:
        for run in unit.runs:
            runs.append(run)
            titles.append(unit.name if unit.is_folds else names[run.path])
            # Runs of different groups of seeds share the number -1: the t-test compares these.
            groups.append(len(runs) if alone or not unit.is_seeds else -1)
    tested, reasons = differences(runs, titles, groups)
    return [*tested, *(line for pair in combinations(seeds, 2) if (line := _by_seeds(*pair)))], reasons


def _by_seeds(first: Unit, second: Unit) -> str | None:
    """Compare the accuracies of two groups of seeds by Welch's t-test; None where fewer than two runs were tested.

    Source: B. L. Welch, "The generalization of 'Student's' problem when several different population variances are
    involved" (1947).
    """
    samples = [[float(one[ACCURACY]) for one in unit.results if ACCURACY in one] for unit in (first, second)]
    if min(map(len, samples)) < 2 or all(len(set(sample)) == 1 for sample in samples):
        return None
    from scipy.stats import ttest_ind  # a second, only for who compares

    p = float(ttest_ind(*samples, equal_var=False).pvalue)
    means = [statistics.fmean(sample) for sample in samples]
    return (
        f"test accuracy of {first.name} {means[0]:.1%}, of {second.name} {means[1]:.1%}, the means of "
        f"{len(samples[0])} and {len(samples[1])} runs; the difference {verdict(p)} (Welch's t-test, p = {p:.2g})"
    )
