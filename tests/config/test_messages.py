"""Options of other programs are translated, at the command line and in zoo.fit."""

from __future__ import annotations

import pytest
from support import error_of

from zoo.config.messages import OTHER_NAMES, unknown_argument


@pytest.mark.parametrize(
    ("option", "meant"),
    [
        ("--lr", "--optimizer.lr"),
        ("--epochs", "--trainer.max_epochs"),
        ("--batch-size", "--data.batch_size"),
        ("--batch_size", "--data.batch_size"),
        ("--seed", "--seed_everything"),
    ],
)
def test_an_option_of_other_programs_is_translated(zoo, option, meant):
    assert f"unknown option {option}; did you mean '{meant}'?" in error_of(zoo("fit", option, "3"))


def test_every_translation_is_an_option_of_zoo(zoo):
    out = zoo("fit", "--help")[1]
    for option in OTHER_NAMES.values():
        section = option.partition(".")[0]
        assert f"--{option if section != 'optimizer' else section}" in out, option


@pytest.mark.parametrize(
    ("name", "meant"),
    [("lr", "optimizer={'lr': ...}"), ("seed", "seed_everything=..."), ("dataset", "data=...")],
)
def test_an_argument_of_other_libraries_is_translated(name, meant):
    assert str(unknown_argument(name, [])).endswith(f"did you mean {meant}?")
