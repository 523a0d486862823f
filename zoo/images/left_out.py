"""Count the files in a folder of images that are no images of its classes, so that none is left out silently."""

from __future__ import annotations

import os
from collections import Counter
from collections.abc import Collection, Mapping, Sequence
from pathlib import Path

from zoo.core.errors import ImageError
from zoo.images.files import entries_of, is_folder, is_special, suffixes

#: Kinds of files that one line names; more are added up.
SHOWN = 8


def count_left_out(root: Path, parents: Sequence[Path], classes: Collection[str], channels: int) -> Counter[str]:
    """Count all files under a folder but the images in class folders.

    Args:
        root: the folder.
        parents: the folders that hold the class folders: ``root`` itself, or those of the splits.
        classes: names of the class folders.
        channels: of the images, which decide what endings images have.

    Returns:
        Counts by what the files are: ``.txt``, ``without an ending``, ``hidden``, ``.jpg in no class folder``, ``in
        notes/`` (a folder that is none of a class), ``pipes, sockets or devices``, ``folders that cannot be read``.
    """
    counts: Counter[str] = Counter()
    root, parents = root.absolute(), [parent.absolute() for parent in parents]
    class_folders = {str(parent / name) for parent in parents for name in classes}
    between = {str(folder) for parent in parents for folder in (parent, *parent.parents) if folder.is_relative_to(root)}
    seen: set[str] = set()
    places = [(str(root), "")]  # folders, and what all files in them are
    while places:
        path, kind = places.pop()
        if (real := os.path.realpath(path)) in seen:
            continue
        seen.add(real)
        try:
            entries = entries_of(path)
        except ImageError:  # a hidden one, or one beside the class folders: reading images refuses others
            counts["folders that cannot be read"] += 1
            continue
        for entry in entries:
            hidden = "hidden" if entry.name.startswith(".") else ""
            inside = path not in between
            if is_folder(entry):
                other = f"in {entry.name}/" if not inside and entry.path not in class_folders | between else ""
                places.append((entry.path, kind or hidden or other))
            elif is_special(entry):
                counts["pipes, sockets or devices"] += 1
            elif name := kind or hidden or _kind(entry.name, inside, channels):
                counts[name] += 1
    return counts


def _kind(name: str, inside: bool, channels: int) -> str:
    """Return what a file is that is no image of a class folder; an empty text for those that are."""
    ending = os.path.splitext(name)[1].lower()
    if ending not in suffixes(channels):
        return ending or "without an ending"
    return "" if inside else f"{ending} in no class folder"


def in_one_line(counts: Mapping[str, int]) -> str:
    """Return counts as one line, the largest first: ``3 .txt, 1 hidden``."""
    ordered = sorted(counts.items(), key=lambda item: (-item[1], item[0]))
    texts = [f"{count:,} {kind}" for kind, count in ordered[:SHOWN]]
    others = sum(count for _, count in ordered[SHOWN:])
    return ", ".join([*texts, f"{others:,} others"] if others else texts)
