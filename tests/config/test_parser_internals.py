"""The private parts of jsonargparse are where zoo expects them; a new version that moves one fails here."""

from __future__ import annotations

from importlib.metadata import version
from typing import Union

import pytest
from jsonargparse import ArgumentError, ArgumentParser

from zoo.config.parser_internals import (
    actions,
    checked_imports,
    hide,
    imported,
    option_names,
    order_help,
    prefer_int,
)

#: What a failing test says.
MOVED = f"jsonargparse {version('jsonargparse')} moved it; zoo/config/parser_internals.py was read in 4.53.0: "


class Part:
    """A part.

    Args:
        share: one or everything.
    """

    def __init__(self, share: Union[float, int, None] = None) -> None:  # noqa: UP007  # the form that Lightning has
        pass


class Other:
    """Another part."""

    def __init__(self, size: int = 1) -> None:
        pass


@pytest.fixture
def parser():
    parser = ArgumentParser(exit_on_error=False)
    parser.add_class_arguments(Part, "part", instantiate=False)
    parser.add_class_arguments(Other, "other", instantiate=False)
    return parser


def test_the_options_of_a_parser_are_listed(parser):
    options = {option for action in actions(parser) for option in action.option_strings}
    assert {"--part.share", "--other.size"} <= options, MOVED + "ArgumentParser._actions lists the options"
    assert {"part.share", "other.size"} <= set(option_names(parser))


def test_one_is_a_whole_number_and_one_point_nought_is_not(parser):
    assert any(hasattr(action, "_typehint") for action in actions(parser)), MOVED + "an option's type is _typehint"
    prefer_int(parser)
    values = [parser.parse_args([f"--part.share={text}"]).part.share for text in ("1", "1.0")]
    assert [type(value) for value in values] == [int, float], MOVED + "the first type of _typehint that fits is taken"


def test_groups_are_ordered_and_titled(parser):
    order_help(parser, {"other": "the other", "part": "the part"})
    text = parser.format_help()
    assert 0 < text.find("the other") < text.find("the part"), MOVED + "help has the order of _action_groups"


def test_options_are_hidden(parser):
    assert "--part CONFIG" in parser.format_help(), MOVED + "a group has an option for a file of its own"
    hide(parser, ["--part"])
    assert "--part CONFIG" not in parser.format_help(), MOVED + "an action whose help is SUPPRESS is not shown"
    assert "--part.share" in parser.format_help()


def test_an_import_path_is_checked_before_it_is_imported_and_nothing_else_is(parser):
    parser.add_argument("--one", type=Other)
    asked, path = [], f"{__name__}.Other"

    def check(path):
        asked.append(path)
        if path.startswith("no_such"):
            raise ValueError(f"{path} is refused")

    with checked_imports(check) as refusals:
        parser.parse_args([f"--one={path}"])
        with pytest.raises(ArgumentError):
            parser.parse_args(["--one", "no_such_package.Thing"])
    assert asked[0] == path, MOVED + "check_import_path is asked"
    assert {str(error) for error in refusals} == {"no_such_package.Thing is refused"}, MOVED + "it is asked first"
    assert imported(path) is Other, MOVED + "import_object imports"
