"""A config file is read strictly, and no file stalls or floods its reader."""

from __future__ import annotations

import os

import pytest

from zoo.core.errors import UserError
from zoo.runs.config_file import MOST_BYTES, read_config

BOMB = "a: &a [x, x, x, x, x, x, x, x, x]\n" + "".join(
    f"{name}: &{name} [{', '.join(['*' + before] * 9)}]\n" for before, name in zip("abcdefgh", "bcdefghi", strict=True)
)


def test_aliases_and_merged_mappings_are_read(tmp_path):
    (tmp_path / "config.yaml").write_text("base: &base {lr: 1}\nsame: *base\nmore: {<<: *base, momentum: 2}\n")
    content = read_config(tmp_path / "config.yaml")
    assert content == {"base": {"lr": 1}, "same": {"lr": 1}, "more": {"lr": 1, "momentum": 2}}


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ("a: 1\nb: 2020-01-01\n", ":2: received YAML's timestamp; allowed are texts, numbers.* put a date in quotes"),
        ("a: !!binary aGVsbG8=\n", ":1: received YAML's binary"),
        ("a: !!set {b, c}\n", ":1: received YAML's set"),
        ("a: !!omap [b: 1]\n", ":1: received YAML's omap"),
        ("a: &a\n  b: *a\n", r":2: \*a stands inside itself"),
        ("a: &a [*a]\n", r":1: \*a stands inside itself"),
        ("a: " + "[" * 5000 + "]" * 5000, ":1: more than 50 levels"),
        (BOMB, ":6: aliases make more than 100,000 values"),
        ("a: 1\nb: \0\n", ":2: character 0x0 is not allowed"),
        ("a: !!int x\n", ": not YAML"),
        ("a: !!python/object/apply:os.abort []\n", ":1: could not determine a constructor"),
        ("a: 1\na: 2\n", ":2: key 'a' is given twice"),
        ("1: 2\n", ":1: key 1 is not a text"),
        ("? [a, b]\n: 1\n", ":1: key"),
        ("[1]", "a config is a mapping"),
        ("a: " + "x" * MOST_BYTES, "allowed are 1,048,576"),
    ],
)
def test_what_no_option_takes_is_refused_with_its_line(tmp_path, content, message):
    (tmp_path / "config.yaml").write_text(content)
    with pytest.raises(UserError, match=message) as error:
        read_config(tmp_path / "config.yaml")
    assert len(str(error.value).splitlines()) == 1


def test_bytes_that_are_no_utf_8_are_named_with_their_line(tmp_path):
    (tmp_path / "config.yaml").write_bytes(b"a: 1\nb: \xff\n")
    with pytest.raises(UserError, match=":2: byte 0xff is not UTF-8"):
        read_config(tmp_path / "config.yaml")


def test_a_pipe_is_refused_before_it_is_opened(tmp_path):
    os.mkfifo(tmp_path / "config.yaml")
    with pytest.raises(UserError, match="is a pipe, socket or device"):
        read_config(tmp_path / "config.yaml")
