"""Whether two runs differ by more than chance: McNemar's exact test of their predictions for one test set.

Of the images that exactly one of two networks classifies right, each would have half if both were equally good. The
test gives the probability p of a split at least as uneven as the one seen. Source: Q. McNemar, "Note on the sampling
error of the difference between correlated proportions or percentages" (1947); for classifiers T. Dietterich,
"Approximate Statistical Tests for Comparing Supervised Classification Learning Algorithms" (1998).
"""

from __future__ import annotations

import csv
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from itertools import combinations
from pathlib import Path
from typing import Any

from zoo.core.errors import UserError
from zoo.runs.folder import Run

#: Below this p, a difference is hardly chance.
LEVEL = 0.05

#: Of each image, by its name, the label and the prediction.
Answers = Mapping[str, tuple[str, str]]


def verdict(p: float) -> str:
    """Return whether a difference could be chance, in a few words."""
    return "is hardly chance" if p < LEVEL else "could be chance"


@dataclass(frozen=True)
class Difference:
    """What two runs have right of one test set.

    Args:
        first: name of a run.
        second: name of another.
        images: number of test images.
        only_first: images that only the first classifies right.
        only_second: images that only the second classifies right.
        p: probability that two equally good networks differ by as much, 0 to 1.
    """

    first: str
    second: str
    images: int
    only_first: int
    only_second: int
    p: float

    def __str__(self) -> str:
        return (
            f"{self.images:,} test images, right by {self.first} alone: {self.only_first:,}, by {self.second} alone: "
            f"{self.only_second:,}; the difference {verdict(self.p)} (McNemar, p = {self.p:.2g})"
        )

    def to_json(self) -> dict[str, Any]:
        """Return the fields."""
        return asdict(self)


def differences(
    runs: Sequence[Run], names: Sequence[str], groups: Sequence[int] | None = None
) -> tuple[list[Difference], list[str]]:
    """Test each pair of runs.

    Args:
        runs: two or more.
        names: what each is called; folds that share a name are tested as one network with the answers of all.
        groups: a number for each run; two runs with the same number are not tested. None tests each pair.

    Returns:
        The differences, and for each pair that has none the reason.

    Raises:
        UserError: a predictions.csv is damaged.
    """
    answers = [read_answers(run.predictions) if run.predictions.is_file() else None for run in runs]
    reasons = [
        f"{name} has no predictions.csv; write it with: zoo test {run.path}"
        for name, run, content in zip(names, runs, answers, strict=True)
        if content is None
    ]
    tested: dict[str, dict[str, tuple[str, str]]] = {}
    incomplete = {name for name, content in zip(names, answers, strict=True) if content is None}
    for name, content in zip(names, answers, strict=True):
        if name not in incomplete:
            tested.setdefault(name, {}).update(content or {})
    number = dict(zip(names, range(len(runs)) if groups is None else groups, strict=True))
    results = []
    for (first, ours), (second, theirs) in combinations(tested.items(), 2):
        if number[first] == number[second]:
            continue
        common = ours.keys() & theirs.keys()
        if len(common) < max(len(ours), len(theirs)):
            reasons.append(
                f"{first} and {second} were tested on different images: {len(ours):,} and {len(theirs):,}, "
                f"{len(common):,} of them the same"
            )
        elif relabelled := sum(ours[name][0] != theirs[name][0] for name in common):
            reasons.append(f"{first} and {second} were tested with different labels of {relabelled:,} images")
        else:
            results.append(compare_answers(first, second, ours, theirs))
    return results, reasons


def compare_answers(first: str, second: str, ours: Answers, theirs: Answers) -> Difference:
    """Compare what two runs answer for the same images, with the same labels."""
    from scipy.stats import binomtest  # a second, only for who compares

    only_first = only_second = 0
    for name, (label, prediction) in ours.items():
        right, other_right = prediction == label, theirs[name][1] == label
        only_first += right and not other_right
        only_second += other_right and not right
    differing = only_first + only_second
    p = float(binomtest(only_first, differing, 0.5).pvalue) if differing else 1.0
    return Difference(first, second, len(ours), only_first, only_second, p)


def read_answers(path: Path) -> dict[str, tuple[str, str]]:
    """Return label and prediction by the name of each image, from predictions.csv.

    Raises:
        UserError: it is damaged.
    """
    with path.open(newline="", encoding="utf-8", errors="surrogateescape") as file:
        try:
            return {row["path"]: (row["label"], row["prediction"]) for row in csv.DictReader(file)}
        except (KeyError, csv.Error) as error:
            raise UserError(f"{path} is damaged: {error}; write it anew with: zoo test {path.parent}") from error
