"""Find the issues of a data set in the scans of its splits."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import PurePath

import numpy as np

from zoo.data.checks.duplicates import FLAT, SIDE, groups, near_pairs
from zoo.data.checks.scan import ImageRecord, SplitScan
from zoo.data.splits import SPLITS

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
class Issue:
    """Something wrong with a data set.

    Args:
        kind: one of KINDS.
        what: a description in one line.
        images: the images concerned.
        difference: for equal pictures: 0 for the same pixels, else the largest difference of two thumbnails.
    """

    kind: str
    what: str
    images: Sequence[ImageRecord] = ()
    difference: float | None = None


def find_issues(scans: Sequence[SplitScan]) -> list[Issue]:
    """Return all issues of a data set, the most severe first.

    Args:
        scans: of its splits; the classes of the first are the reference for the others.
    """
    records = [record for scan in scans for record in scan.records]
    readable = [record for record in records if not record.problem]
    issues = [Issue("unreadable", record.problem, [record]) for record in records if record.problem]
    issues += [*_duplicates(readable), *_file_names(records, scans), *_modes(readable), *_sizes(readable)]
    flat = [record for record in readable if record.thumbnail.std() < FLAT]
    issues += [Issue("one colour", "hardly any contrast", [record]) for record in flat]
    for scan in scans:
        issues += _classes(scan, scans[0])
    order = list(KINDS)
    return sorted(issues, key=lambda issue: order.index(issue.kind))


def _duplicates(readable: Sequence[ImageRecord]) -> Iterator[Issue]:
    """Yield groups of images with equal pixels, then groups that show the same picture in other pixels."""
    by_digest: dict[bytes, list[ImageRecord]] = {}
    for record in readable:
        by_digest.setdefault(record.digest, []).append(record)
    distinct = list(by_digest.values())
    for images in distinct:
        if len(images) > 1:
            yield from _same_picture(images, 0.0)
    thumbnails = np.array([images[0].thumbnail for images in distinct], np.uint8).reshape(-1, SIDE, SIDE)
    pairs, differences = near_pairs(thumbnails)
    for group in groups(pairs):
        images = [record for index in group for record in distinct[index]]
        images.sort(key=lambda record: (SPLITS.index(record.split), record.index))
        yield from _same_picture(images, float(differences[np.isin(pairs[:, 0], group)].max()))


def _same_picture(images: Sequence[ImageRecord], difference: float) -> Iterator[Issue]:
    splits = list(dict.fromkeys(image.split for image in images))
    classes = list(dict.fromkeys(image.class_name or "unknown" for image in images))
    alike = "same pixels" if difference == 0 else f"nearly the same (difference {difference:.4f})"
    kind = "leak" if len(splits) > 1 else "duplicates"
    yield Issue(kind, f"{alike}, in {' and '.join(splits)}", images, difference)
    if len(classes) > 1:
        yield Issue("two classes", f"{alike}, as {' and '.join(classes)}", images, difference)


def _file_names(records: Sequence[ImageRecord], scans: Sequence[SplitScan]) -> Iterator[Issue]:
    """Yield files named after another class and not their own, if most files are named after their own class."""
    names = {name: _tokens(name) for scan in scans for name in scan.classes}
    named = [record for record in records if record.file is not None and record.class_name is not None]
    own, misnamed = 0, []
    for record in named:
        tokens = _tokens(PurePath(str(record.file)).stem)
        matches = [name for name, parts in names.items() if parts and _contains(tokens, parts)]
        if record.class_name in matches:
            own += 1
        elif matches:
            text = f"named after {' and '.join(matches)}, but under {record.class_name}"
            misnamed.append(Issue("file name", text, [record]))
    if named and own / len(named) >= NAMED:
        yield from misnamed


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


def _modes(readable: Sequence[ImageRecord]) -> Iterator[Issue]:
    """Yield each mode that is not the most common one."""
    modes = Counter(record.mode for record in readable)
    usual = max(sorted(modes), key=modes.__getitem__, default="")
    for mode in sorted(modes.keys() - {usual}):
        yield Issue("mode", f"{mode}, where most are {usual}", [record for record in readable if record.mode == mode])


def _sizes(readable: Sequence[ImageRecord]) -> Iterator[Issue]:
    """Yield images of another size than the rule; without a rule, images far from the median size or shape."""
    sizes = np.array([record.size for record in readable]).reshape(-1, 2)
    [(usual, count)] = Counter(record.size for record in readable).most_common(1) or [((0, 0), 0)]
    if count >= RULE * len(sizes):
        odd = {f"not {usual[0]}x{usual[1]} as nearly all": (sizes != usual).any(axis=1)}
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
            yield Issue("size", text, [record for record, is_odd in zip(readable, chosen, strict=True) if is_odd])
