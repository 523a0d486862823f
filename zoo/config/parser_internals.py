"""Private parts of jsonargparse that zoo needs, all of them; read in jsonargparse 4.53.0.

tests/config/test_parser_internals.py says what moved where a new version moves one. The public calls do not reach them:
they list no options, change no type, and neither order nor hide help.
"""

from __future__ import annotations

from argparse import SUPPRESS, Action
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from contextlib import contextmanager
from types import UnionType
from typing import Any, Union, cast, get_args, get_origin

from jsonargparse import ArgumentParser, _typehints, _util

UNIONS = (Union, UnionType)


def actions(parser: ArgumentParser) -> Sequence[Action]:
    """Return a parser's options: ``_actions``, which is argparse's."""
    return parser._actions


def option_names(parser: ArgumentParser) -> list[str]:
    """Return the long options of a parser, without their dashes."""
    names = [option for action in actions(parser) for option in action.option_strings]
    return [name[2:] for name in names if name.startswith("--")]


def types_without_null(parser: ArgumentParser) -> dict[str, Any]:
    """Return the types of the options that need a value: ``_typehint``. The parser itself takes null for each."""
    typed = {action.dest: action for action in actions(parser) if getattr(action, "_typehint", None) is not None}
    return {
        name: kind
        for name, action in typed.items()
        if action.default is not None and not allows_null(kind := cast(Any, action)._typehint)
    }


def allows_null(kind: Any) -> bool:
    """Tell whether a type, of an annotation, has None among its values."""
    return kind in (Any, None, type(None)) or (get_origin(kind) in UNIONS and any(map(allows_null, get_args(kind))))


def prefer_int(parser: ArgumentParser) -> None:
    """Let ``1`` mean one and ``1.0`` everything, as Trainer's limits do, whichever type its annotation names first.

    typing has one object for Optional[Union[int, float]] and Optional[Union[float, int]], in the order of whichever was
    written first in the process, and the parser takes the first type that fits: ``_typehint`` of an option.
    """
    for action in actions(parser):
        types = get_args(getattr(action, "_typehint", None))
        if int in types and float in types:
            ordered = tuple(sorted(types, key=lambda kind: kind is not int))
            action._typehint = Union[ordered]  # type: ignore[attr-defined]  # noqa: UP007  # of a tuple


def imported(path: str) -> Any:
    """Import what a class path names, as the parser does: ``import_object`` in _util.py."""
    return _util.import_object(path, check_path=False)


@contextmanager
def checked_imports(check: Callable[[str], None]) -> Iterator[list[ValueError]]:
    """Call ``check`` with each import path in a value before the parser imports it, in place of its own two lists.

    ``check_import_path`` of _common.py, which _util.py and _typehints.py import, is asked for the path and for that
    where the object is defined (``canonical_import_paths``); the check looks at the object itself. Where a type has
    alternatives, the parser tries them all, and forgets why a class was refused.

    Args:
        check: raises a ValueError where the path may not be imported.

    Yields:
        What it raised.
    """
    refusals: list[ValueError] = []

    def checked(path: str) -> None:
        try:
            check(path)
        except ValueError as error:
            refusals.append(error)
            raise ImportError(str(error)) from error

    util, typehints = cast(Any, _util), cast(Any, _typehints)
    before = util.check_import_path, util.canonical_import_paths
    util.check_import_path = typehints.check_import_path = checked
    util.canonical_import_paths = lambda value: set()
    try:
        yield refusals
    finally:
        util.check_import_path, util.canonical_import_paths = before
        typehints.check_import_path = before[0]


def order_help(parser: ArgumentParser, titles: Mapping[str, str]) -> None:
    """Show groups of options last and in this order, under these titles: ``_action_groups``, which is argparse's.

    Args:
        parser: nothing but the look of its help changes.
        titles: by the key of the group, such as ``trainer``.
    """
    groups = parser.groups or {}
    last = [groups[key] for key in titles]
    for group, title in zip(last, titles.values(), strict=True):
        group.title = title
    parser._action_groups = [group for group in parser._action_groups if group not in last] + last


def hide(parser: ArgumentParser, options: Collection[str]) -> None:
    """Leave options out of the help: those that a group adds for a file of its own (``_ActionConfigLoad``)."""
    for action in actions(parser):
        if set(options) & set(action.option_strings):
            action.help = SUPPRESS


def without_unserializable(content: Any) -> Any:
    """Return a dumped configuration without the values that YAML cannot hold, so that their defaults apply again.

    jsonargparse dumps such a value, which only the default of a parameter can be (``device`` of Lightning's
    StochasticWeightAveraging), as a text (``serialize`` in _typehints.py) and reads that text back as the value.
    """
    if isinstance(content, dict):
        return {key: without_unserializable(value) for key, value in content.items() if not _is_placeholder(value)}
    return [without_unserializable(value) for value in content] if isinstance(content, list) else content


def _is_placeholder(value: Any) -> bool:
    return isinstance(value, str) and value.startswith("Unable to serialize instance ")
