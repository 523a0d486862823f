"""Which images belong together, so that a split has all of them or none: those of a patient, a camera, a burst."""

from __future__ import annotations

import re
from typing import Any

from zoo.core.errors import UserError, listed
from zoo.data.split_notes import SHOWN


def group_keys(dataset: Any, keys: list[str], group: str | None = None) -> list[str]:
    """Return what is hashed for each item: the name of its group, else its path.

    Args:
        dataset: has the items; its ``column(name)`` gives groups (zoo.data.contract).
        keys: the path of each item.
        group: a column of the data set, or a regular expression, of which the first group that matches (without groups,
            the whole match) in a path names the item's group; None takes the data set's own ``group_column``, or no
            groups.

    Raises:
        UserError: it is neither a column nor a regular expression, or does not match every path.
    """
    column, group = getattr(dataset, "column", None), group or getattr(dataset, "group_column", None)
    if group is None:
        return keys
    values = column(group) if column is not None else None
    if values is not None:
        return [str(value) or key for value, key in zip(values, keys, strict=True)]  # empty: a group of its own
    try:
        pattern = re.compile(group)
    except re.error as error:
        raise UserError(f"data.group is '{group}', which is no regular expression: {error}") from error
    matches = [pattern.search(key) for key in keys]
    if unmatched := [key for key, match in zip(keys, matches, strict=True) if match is None]:
        raise UserError(
            f"data.group is '{group}', which matches no part of {len(unmatched):,} of {len(keys):,} paths: "
            f"{listed(unmatched, SHOWN)}; it must match every path"
        )
    # Of alternatives, (a)|(b), the first group may have no part in a match.
    names = [
        next((text for text in match.groups() if text is not None), "") if pattern.groups else match[0]
        for match in matches
        if match is not None
    ]
    return [name or key for name, key in zip(names, keys, strict=True)]
