"""Find the issues of a data set in the scans of its splits."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import PurePath

import numpy as np

from zoo.data.checks.duplicates import FLAT, groups, near_pairs
from zoo.data.checks.scan import SplitScan

#: Ratio between the largest and the smallest class from which classes are imbalanced.
IMBALANCE = 5

#: Ratio to the median from which a size or shape is odd, and share of the images from which one size is the rule.
ODD, RULE = 4, 0.95

#: Share of files named after their own class from which a file named after another class is an issue.
NAMED = 0.5

#: Kinds of issues and their meanings, the most severe first.
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
    """One image: its split, its index there, its class (None if unknown) and its file (None if it has none)."""

    split: str
    index: int
    class_name: str | None
    file: str | None


@dataclass(frozen=True)
class Issue:
    """Something wrong with a data set.

    Args:
        kind: one of KINDS.
        what: a description in one line.
        items: the images concerned.
        difference: for equal pictures: 0 for the same pixels, else the largest difference of two thumbnails.
    """

    kind: str
    what: str
    items: tuple[Item, ...] = ()
    difference: float | None = None


def find_issues(scans: Sequence[SplitScan]) -> list[Issue]:
    """Return all issues of a data set, the most severe first.

    Args:
        scans: of its splits; the classes of the first are the reference for the others.
    """
    images = _Images(scans)
    issues = [*_unreadable(images), *_duplicates(images), *_file_names(images), *_modes(images), *_sizes(images)]
    issues += _flat(images)
    for scan in scans:
        issues += _classes(scan, scans[0])
    order = list(KINDS)
    return sorted(issues, key=lambda issue: order.index(issue.kind))


class _Images:
    """The images of all splits, numbered one split after the other."""

    def __init__(self, scans: Sequence[SplitScan]) -> None:
        self.scans = scans
        self.starts = np.cumsum([0, *(len(scan.labels) for scan in scans)])
        self.readable = np.flatnonzero(np.concatenate([scan.readable for scan in scans]))
        self.sizes = np.concatenate([scan.sizes for scan in scans])
        self.modes = np.concatenate([scan.modes for scan in scans])
        self.digests = np.concatenate([scan.digests for scan in scans])

    def item(self, number: int) -> Item:
        position = int(np.searchsorted(self.starts, number, side="right")) - 1
        scan, index = self.scans[position], int(number - self.starts[position])
        label = int(scan.labels[index])
        file = None if scan.files is None else scan.files[index]
        return Item(scan.split, index, scan.classes[label] if label >= 0 else None, file)

    def items(self, numbers: np.ndarray) -> tuple[Item, ...]:
        return tuple(self.item(int(number)) for number in numbers)

    def thumbnails(self, numbers: np.ndarray) -> np.ndarray:
        """Return uint8 ``(count, SIDE, SIDE)`` for ascending numbers."""
        cuts = np.searchsorted(numbers, self.starts)
        parts = [
            scan.thumbnails[numbers[begin:end] - start]
            for scan, start, begin, end in zip(self.scans, self.starts, cuts, cuts[1:], strict=False)
        ]
        return np.concatenate(parts)


def _unreadable(images: _Images) -> Iterator[Issue]:
    for scan, start in zip(images.scans, images.starts, strict=False):
        for index, problem in scan.problems.items():
            yield Issue("unreadable", problem, (images.item(int(start) + index),))


def _duplicates(images: _Images) -> Iterator[Issue]:
    """Yield groups of images with equal pixels, then groups that show the same picture in other pixels."""
    _, first, inverse = np.unique(images.digests[images.readable], return_index=True, return_inverse=True)
    order = np.argsort(inverse, kind="stable")
    members = np.split(images.readable[order], np.flatnonzero(np.diff(inverse[order])) + 1) if len(order) else []
    for numbers in sorted((numbers for numbers in members if len(numbers) > 1), key=lambda numbers: int(numbers[0])):
        yield from _same_picture(images.items(numbers), 0.0)
    distinct = np.argsort(first)
    pairs, differences = near_pairs(images.thumbnails(images.readable[first[distinct]]))
    for group in groups(pairs, len(first)):
        numbers = np.sort(np.concatenate([members[distinct[index]] for index in group]))
        yield from _same_picture(images.items(numbers), float(differences[np.isin(pairs[:, 0], group)].max()))


def _same_picture(items: tuple[Item, ...], difference: float) -> Iterator[Issue]:
    splits = list(dict.fromkeys(item.split for item in items))
    classes = list(dict.fromkeys(item.class_name or "unknown" for item in items))
    alike = "same pixels" if difference == 0 else f"nearly the same (difference {difference:.4f})"
    kind, where = ("leak", " and ".join(splits)) if len(splits) > 1 else ("duplicates", splits[0])
    yield Issue(kind, f"{alike}, in {where}", items, difference)
    if len(classes) > 1:
        yield Issue("two classes", f"{alike}, as {' and '.join(classes)}", items, difference)


def _file_names(images: _Images) -> Iterator[Issue]:
    """Yield files named after another class and not their own, if most files are named after their own class."""
    names = {name: _tokens(name) for scan in images.scans for name in scan.classes}
    own, misnamed, total = 0, [], 0
    for item in map(images.item, range(int(images.starts[-1]))):
        if item.file is None or item.class_name is None:
            continue
        total += 1
        tokens = _tokens(PurePath(item.file).stem)
        matches = [name for name, parts in names.items() if parts and _contains(tokens, parts)]
        if item.class_name in matches:
            own += 1
        elif matches:
            misnamed.append((item, matches))
    if total and own / total >= NAMED:
        for item, matches in misnamed:
            yield Issue("file name", f"named after {' and '.join(matches)}, but under {item.class_name}", (item,))


def _tokens(text: str) -> list[str]:
    return re.findall(r"[^\W\d_]+|\d+", text.casefold())


def _contains(tokens: list[str], parts: list[str]) -> bool:
    return any(tokens[start : start + len(parts)] == parts for start in range(len(tokens) - len(parts) + 1))


def _classes(scan: SplitScan, reference: SplitScan) -> Iterator[Issue]:
    """Yield classes that differ from the reference, classes without images, and imbalance."""
    extra = [name for name in scan.classes if name not in reference.classes]
    missing = [name for name in reference.classes if name not in scan.classes]
    if extra or missing:
        detail = f"not in {reference.split}: {', '.join(extra) or 'none'}; missing: {', '.join(missing) or 'none'}"
        yield Issue("classes differ", f"{scan.split}: {detail}")
    elif scan.classes != reference.classes:
        yield Issue("classes differ", f"{scan.split}: the same names as {reference.split} in another order")
    counts = dict(zip(scan.classes, scan.counts, strict=True))
    for name, count in counts.items():
        if count == 0:
            yield Issue("empty class", f"{scan.split} has no image of {name}")
    filled = {name: count for name, count in counts.items() if count}
    if filled and max(filled.values()) >= IMBALANCE * min(filled.values()):
        most, least = max(filled, key=filled.__getitem__), min(filled, key=filled.__getitem__)
        share = filled[most] / sum(filled.values())
        text = f"{scan.split}: {filled[most]:,} of {most}, {filled[least]:,} of {least}; "
        yield Issue("imbalance", f"{text}always answering {most} is right in {share:.1%}")


def _modes(images: _Images) -> Iterator[Issue]:
    """Yield each mode that is not the most common one."""
    modes, counts = np.unique(images.modes[images.readable], return_counts=True)
    for mode in modes:
        if mode != modes[counts.argmax()]:
            numbers = images.readable[images.modes[images.readable] == mode]
            yield Issue("mode", f"{mode}, where most are {modes[counts.argmax()]}", images.items(numbers))


def _sizes(images: _Images) -> Iterator[Issue]:
    """Yield images of another size than the rule; without a rule, images far from the median size or shape."""
    sizes = images.sizes[images.readable]
    if len(sizes) == 0:
        return
    distinct, inverse, counts = np.unique(sizes, axis=0, return_inverse=True, return_counts=True)
    if counts.max() >= RULE * len(sizes):
        width, height = distinct[counts.argmax()]
        odd = {f"not {width}x{height} as nearly all": inverse != counts.argmax()}
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
            yield Issue("size", text, images.items(images.readable[chosen]))


def _flat(images: _Images) -> Iterator[Issue]:
    """Yield images whose thumbnails have hardly any contrast."""
    for scan, start in zip(images.scans, images.starts, strict=False):
        for index in np.flatnonzero(scan.readable):
            if scan.thumbnails[index].std() < FLAT:
                yield Issue("one colour", "hardly any contrast", (images.item(int(start) + int(index)),))
