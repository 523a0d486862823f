"""Lines about splits that a user should read: classes that a split lacks, files that have changed, equal files."""

from __future__ import annotations

import os
from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path

import numpy as np

from zoo.core.errors import listed
from zoo.data.split import hash_split
from zoo.data.split_file import SplitRow, digests, file_size

#: Names, and pairs of names, that a line shows; of more it gives the number.
SHOWN, SHOWN_PAIRS = 12, 4

#: Seeds that are tried for the remedy, and the number of hashes they may take together.
SEEDS, HASHES = 200, 500_000


def lacking_classes(
    labels: np.ndarray,
    classes: Sequence[str],
    keys: Sequence[str],
    seed: int,
    fractions: tuple[float, float],
    fold: tuple[int, int],
) -> list[str]:
    """Name the classes of which a drawn split has no image, with the remedy; arguments as ``hash_split``."""
    missing = _lacking(labels, keys, seed, fractions, fold)
    remedy = (
        "add images of it, or choose larger fractions" + seed_remedy(labels, keys, fractions, fold) if missing else ""
    )
    return [
        f"warning: {split} has no image of {listed([classes[number] for number in numbers], SHOWN)}: {remedy}"
        for split, numbers in missing.items()
    ]


def seed_remedy(labels: np.ndarray, keys: Sequence[str], fractions: tuple[float, float], fold: tuple[int, int]) -> str:
    """Return a clause about the lowest seed by which each split, of each fold, has every class; empty without one."""
    folds = [(number, fold[1]) for number in range(1, fold[1] + 1)]
    for seed in range(1, min(SEEDS, HASHES // (len(keys) * len(folds)))):
        if not any(_lacking(labels, keys, seed, fractions, one) for one in folds):
            return f"; with --data.split_seed {seed} every split has images of every class"
    return ""


def _lacking(
    labels: np.ndarray, keys: Sequence[str], seed: int, fractions: tuple[float, float], fold: tuple[int, int]
) -> dict[str, list[int]]:
    """Return the labels that are in no image of a drawn split, by split."""
    parts = zip(("train", "val", "test"), hash_split(keys, seed, fractions, fold), strict=True)
    drawn = {"train", *(["val"] if fractions[0] else []), *(["test"] if fractions[1] or fold[1] > 1 else [])}
    present = set(labels.tolist())
    missing = {split: sorted(present - set(labels[part].tolist())) for split, part in parts if split in drawn}
    return {split: numbers for split, numbers in missing.items() if numbers}


def outside(source: str, rows: Mapping[str, SplitRow], keys: Iterable[str]) -> list[str]:
    """Name listed images that the data does not have, and images of the data that are not listed."""
    present = set(keys)
    vanished = [row.path for key, row in rows.items() if key not in present]
    appeared = sorted(present - rows.keys())
    notes = []
    if vanished:
        notes.append(f"warning: no longer in the data: {_images(vanished)} of {source}: {listed(vanished, SHOWN)}")
    if appeared:
        notes.append(f"warning: left out: {_images(appeared)} that {source} does not list: {listed(appeared, SHOWN)}")
    return notes


def changed(
    source: str, rows: Mapping[str, SplitRow], files: Mapping[str, str], classes: Mapping[str, str]
) -> list[str]:
    """Name images whose size, content or class is another than a run recorded.

    Args:
        source: where the rows are from.
        rows: by path.
        files: by path, of the images whose content is compared.
        classes: by path, the name of the class that each image has now.
    """
    compared = [(row, files[key], classes[key]) for key, row in rows.items() if key in files]
    other = [
        row.path for row, file, name in compared if row.class_name not in (None, name) or _has_other_size(row, file)
    ]
    resized = set(other)
    rest = [(row, file) for row, file, _ in compared if row.digest is not None and row.path not in resized]
    contents = digests([file for _, file in rest])
    other += [row.path for (row, _), content in zip(rest, contents, strict=True) if content != row.digest]
    if not other:
        return []
    return [f"warning: changed since {source} was written: {_images(other)}: {listed(other, SHOWN)}"]


def _images(names: Sequence[str]) -> str:
    return f"{len(names):,} image{'s' if len(names) > 1 else ''}"


def _has_other_size(row: SplitRow, file: str) -> bool:
    return row.size is not None and row.size != file_size(file)


def equal_files(files: Mapping[str, Sequence[str]], root: Path) -> list[str]:
    """Name files of equal content in different splits; only files of equal size are read.

    Args:
        files: the files of each split.
        root: the data root, from which they are named.
    """
    by_size: dict[int | None, list[tuple[str, str]]] = defaultdict(list)
    for split, paths in files.items():
        for path in paths:
            by_size[file_size(path)].append((split, path))
    by_size.pop(None, None)
    alike = [entry for group in by_size.values() if len({split for split, _ in group}) > 1 for entry in group]
    by_digest: dict[str, dict[str, str]] = defaultdict(dict)
    for (split, path), content in zip(alike, digests([path for _, path in alike]), strict=True):
        if content is not None:
            by_digest[content].setdefault(split, path)
    equal = [one for one in by_digest.values() if len(one) > 1]
    if not equal:
        return []
    pairs = [
        " = ".join(f"{os.path.relpath(path, root)} ({split})" for split, path in one.items())
        for one in equal[:SHOWN_PAIRS]
    ]
    more = f" and {len(equal) - SHOWN_PAIRS:,} more, which zoo check names" if len(equal) > SHOWN_PAIRS else ""
    return [
        f"warning: files of equal content in two splits, by which the figures of val or test are too good: "
        f"{', '.join(pairs)}{more}; remove one of each"
    ]
