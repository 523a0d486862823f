"""What is wrong with a data set: findings from the surveys of its splits."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import PurePath

import numpy as np

from zoo.data.checks.duplicates import FLAT, groups, near_pairs
from zoo.data.checks.scan import Survey

#: How many times as many images the largest class has, from where it is said.
IMBALANCE = 5

#: How many times the median makes a size or shape odd, and the share of all images from which one size is the rule.
ODD, RULE = 4, 0.95

#: Share of the files that must be named after their own class before another class's name says anything.
NAMED = 0.5

#: Kinds of findings, the gravest first, and what they mean.
KINDS: Mapping[str, str] = {
    "unreadable": "cannot be read",
    "leak": "the same picture in two splits",
    "two classes": "the same picture under two classes",
    "duplicates": "the same picture again in a split",
    "file name": "named after another class",
    "classes differ": "other classes than in train",
    "empty class": "a class without an image",
    "imbalance": f"a class with {IMBALANCE} times the images of another",
    "mode": "another kind of pixels than most",
    "size": "another size or shape than most",
    "one colour": "shows nothing",
}


@dataclass(frozen=True)
class Item:
    """One image: where it is, and of which class it is said to be; None where that is not known."""

    split: str
    index: int
    class_name: str | None
    file: str | None


@dataclass(frozen=True)
class Finding:
    """One thing that is wrong.

    Args:
        kind: one of KINDS.
        what: it is, in one line.
        items: the images it is about.
        difference: of the same picture: 0 for the same pixels, else the largest between two of the thumbnails.
    """

    kind: str
    what: str
    items: tuple[Item, ...] = ()
    difference: float | None = None


def find(surveys: Sequence[Survey]) -> list[Finding]:
    """Return all that is wrong with a data set, the gravest first.

    Args:
        surveys: of its splits; the first is the one that the classes of the others are compared with.
    """
    row = _Row(surveys)
    found = [*_unreadable(row), *_same(row), *_file_names(row), *_modes(row), *_sizes(row), *_flat(row)]
    for survey in surveys:
        found += _classes(survey, surveys[0])
    order = list(KINDS)
    return sorted(found, key=lambda finding: order.index(finding.kind))


class _Row:
    """All images of all splits in one row; an image's place is its number in it."""

    def __init__(self, surveys: Sequence[Survey]) -> None:
        self.surveys = surveys
        self.starts = np.cumsum([0, *(len(survey.labels) for survey in surveys)])
        self.readable = np.flatnonzero(np.concatenate([survey.readable for survey in surveys]))
        self.sizes = np.concatenate([survey.sizes for survey in surveys])
        self.modes = np.concatenate([survey.modes for survey in surveys])
        self.digests = np.concatenate([survey.digests for survey in surveys])

    def item(self, place: int) -> Item:
        number = int(np.searchsorted(self.starts, place, side="right")) - 1
        survey, index = self.surveys[number], int(place - self.starts[number])
        label = int(survey.labels[index])
        file = None if survey.files is None else survey.files[index]
        return Item(survey.split, index, survey.classes[label] if label >= 0 else None, file)

    def items(self, places: np.ndarray) -> tuple[Item, ...]:
        return tuple(self.item(int(place)) for place in places)

    def thumbnails(self, places: np.ndarray) -> np.ndarray:
        """Return uint8 ``(places, SIDE, SIDE)``; the places ascend."""
        cuts = np.searchsorted(places, self.starts)
        parts = [
            survey.thumbnails[places[begin:end] - start]
            for survey, start, begin, end in zip(self.surveys, self.starts, cuts, cuts[1:], strict=False)
        ]
        return np.concatenate(parts)


def _unreadable(row: _Row) -> Iterator[Finding]:
    for survey, start in zip(row.surveys, row.starts, strict=False):
        for index, problem in survey.problems.items():
            yield Finding("unreadable", problem, (row.item(int(start) + index),))


def _same(row: _Row) -> Iterator[Finding]:
    """Yield groups of images with the same pixels, then groups that show the same picture in other pixels."""
    digests = row.digests[row.readable]
    _, first, inverse = np.unique(digests, return_index=True, return_inverse=True)
    order = np.argsort(inverse, kind="stable")
    members = np.split(row.readable[order], np.flatnonzero(np.diff(inverse[order])) + 1) if len(order) else []
    for places in sorted((places for places in members if len(places) > 1), key=lambda places: int(places[0])):
        yield from _same_picture(row.items(places), 0.0)
    by_place = np.argsort(first)
    pairs, differences = near_pairs(row.thumbnails(row.readable[first[by_place]]))
    for group in groups(pairs, len(first)):
        places = np.sort(np.concatenate([members[by_place[one]] for one in group]))
        largest = float(differences[np.isin(pairs[:, 0], group)].max())
        yield from _same_picture(row.items(places), largest)


def _same_picture(items: tuple[Item, ...], difference: float) -> Iterator[Finding]:
    splits = list(dict.fromkeys(item.split for item in items))
    classes = list(dict.fromkeys(item.class_name or "unknown" for item in items))
    alike = "same pixels" if difference == 0 else f"nearly the same (difference {difference:.4f})"
    kind, where = ("leak", " and ".join(splits)) if len(splits) > 1 else ("duplicates", splits[0])
    yield Finding(kind, f"{alike}, in {where}", items, difference)
    if len(classes) > 1:
        yield Finding("two classes", f"{alike}, as {' and '.join(classes)}", items, difference)


def _file_names(row: _Row) -> Iterator[Finding]:
    """Yield files that carry the name of another class and not of their own, where most carry that of their own."""
    names = {name: _words(name) for survey in row.surveys for name in survey.classes}
    own, strange, total = 0, [], 0
    for place in range(int(row.starts[-1])):
        item = row.item(place)
        if item.file is None or item.class_name is None:
            continue
        total += 1
        words = _words(PurePath(item.file).stem)
        carried = [name for name, parts in names.items() if parts and _contains(words, parts)]
        if item.class_name in carried:
            own += 1
        elif carried:
            strange.append((item, carried))
    if total and own / total >= NAMED:
        for item, carried in strange:
            yield Finding("file name", f"named after {' and '.join(carried)}, but under {item.class_name}", (item,))


def _words(text: str) -> list[str]:
    return re.findall(r"[^\W\d_]+|\d+", text.casefold())


def _contains(words: list[str], parts: list[str]) -> bool:
    return any(words[start : start + len(parts)] == parts for start in range(len(words) - len(parts) + 1))


def _classes(survey: Survey, reference: Survey) -> Iterator[Finding]:
    """Yield how a split's classes differ from the reference's, which have no image, and how unequal they are."""
    extra = [name for name in survey.classes if name not in reference.classes]
    missing = [name for name in reference.classes if name not in survey.classes]
    if extra or missing:
        detail = f"not in {reference.split}: {', '.join(extra) or 'none'}; missing: {', '.join(missing) or 'none'}"
        yield Finding("classes differ", f"{survey.split}: {detail}")
    elif survey.classes != reference.classes:
        yield Finding("classes differ", f"{survey.split}: the same names as {reference.split} in another order")
    counts = dict(zip(survey.classes, survey.counts, strict=True))
    for name, count in counts.items():
        if count == 0:
            yield Finding("empty class", f"{survey.split} has no image of {name}")
    filled = {name: count for name, count in counts.items() if count}
    if filled and max(filled.values()) >= IMBALANCE * min(filled.values()):
        most, least = max(filled, key=filled.__getitem__), min(filled, key=filled.__getitem__)
        share = filled[most] / sum(filled.values())
        text = f"{survey.split}: {filled[most]:,} of {most}, {filled[least]:,} of {least}; "
        yield Finding("imbalance", f"{text}always answering {most} is right in {share:.1%}")


def _modes(row: _Row) -> Iterator[Finding]:
    """Yield the modes that fewer images have than the commonest one."""
    modes, counts = np.unique(row.modes[row.readable], return_counts=True)
    for mode in modes:
        if mode != modes[counts.argmax()]:
            places = row.readable[row.modes[row.readable] == mode]
            yield Finding("mode", f"{mode}, where most are {modes[counts.argmax()]}", row.items(places))


def _sizes(row: _Row) -> Iterator[Finding]:
    """Yield images of another size than the one of nearly all; else much smaller, larger or longer than the median."""
    sizes = row.sizes[row.readable]
    if len(sizes) == 0:
        return
    kinds, inverse, counts = np.unique(sizes, axis=0, return_inverse=True, return_counts=True)
    if counts.max() >= RULE * len(sizes):
        usual = counts.argmax()
        width, height = kinds[usual]
        odd = {f"not {width}x{height} as nearly all": inverse != usual}
    else:
        side, shape = np.sqrt(sizes.prod(axis=1)), sizes.max(axis=1) / sizes.min(axis=1)
        usual_side, usual_shape = np.median(side), np.median(shape)
        odd = {
            f"sides less than a quarter of the median, {usual_side:.0f} pixels": side * ODD < usual_side,
            f"sides more than {ODD} times the median, {usual_side:.0f} pixels": side > usual_side * ODD,
            f"more than {ODD} times as long for its width as the median, {usual_shape:.2f}": shape > usual_shape * ODD,
        }
    for text, chosen in odd.items():
        if chosen.any():
            yield Finding("size", text, row.items(row.readable[chosen]))


def _flat(row: _Row) -> Iterator[Finding]:
    """Yield the images whose thumbnail has hardly any contrast."""
    for survey, start in zip(row.surveys, row.starts, strict=False):
        for index in np.flatnonzero(survey.readable):
            if survey.thumbnails[index].std() < FLAT:
                yield Finding("one colour", "hardly any contrast", (row.item(int(start) + int(index)),))
