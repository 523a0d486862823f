"""Images that came after a split was recorded: which of them are trained on, and which validate."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from zoo.data.contract import Split
from zoo.data.split import hash_split
from zoo.data.split_file import SplitRow, digests


def place_new_images(
    dataset: Any,
    keys: Sequence[str],
    groups: Sequence[str],
    rows: Mapping[str, SplitRow],
    seed: int,
    val_fraction: float,
) -> dict[int, Split]:
    """Return the split of each item that is not listed, by its number: train or val by the hash, test stays as it was.

    An item goes with the listed ones of its group, and a file that was moved keeps its split. An item that belongs to
    test by its group or content, though it is no moved one, is in no split: the network must not learn from it.

    Args:
        dataset: of files.
        keys: the path of each item, as the rows name them.
        groups: of each item; its path where there are no groups.
        rows: what is listed.
        seed: of the hash.
        val_fraction: share of the new images that becomes val, 0 where the data has val of its own.
    """
    new = [item for item, key in enumerate(keys) if key not in rows]
    by_content = {row.digest: row for row in rows.values() if row.digest}
    present = set(keys)
    gone = {row.digest for key, row in rows.items() if row.digest and key not in present}
    of_group = {group: rows[key].split for group, key in zip(groups, keys, strict=True) if key in rows}
    drawn: list[Split] = ["train"] * len(new)
    for position in hash_split([groups[item] for item in new], seed, (val_fraction, 0.0))[1]:
        drawn[position] = "val"
    contents = digests([str(dataset.path(item)) for item in new])
    placed: dict[int, Split] = {}
    for item, content, split in zip(new, contents, drawn, strict=True):
        same = by_content.get(content or "")
        listed = of_group.get(groups[item]) if same is None else same.split
        if listed == "test" and content not in gone:
            continue
        placed[item] = split if listed is None else listed  # type: ignore[assignment]  # checked where it was read
    return placed


def describe_new_images(placed: Mapping[int, Split], source: str) -> list[str]:
    """Return a line that counts the new images by split; none where there are none."""
    if not placed:
        return []
    counts = [f"{count:,} {split}" for split in ("train", "val", "test") if (count := [*placed.values()].count(split))]
    return [f"new images    {', '.join(counts)}: not listed by {source}; its test images stay test"]
