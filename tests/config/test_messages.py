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


@pytest.mark.parametrize("value", ["{0}", "{null}", "{0: 1, 2: 3}"])
def test_a_mapping_whose_keys_are_no_words_is_named(zoo, value):
    assert "trainer.callbacks: received a mapping with a key that is no word" in error_of(
        zoo("fit", "--trainer.callbacks", value)
    )


def test_a_list_for_a_class_is_named_with_what_is_allowed(zoo):
    assert "optimizer: received '[1]'; allowed is a class" in error_of(zoo("fit", "--optimizer", "[1]"))


def test_an_option_that_wins_over_a_file_is_not_of_the_file(zoo, tmp_path):
    config = tmp_path / "own.yaml"
    config.write_text("data: {batch_size: 8}\n")
    assert "error: data.batch_size: received 'x'" in error_of(zoo("fit", "--config", config, "--data.batch_size", "x"))
    config.write_text("data: {batch_size: y}\n")
    assert f"error: data.batch_size in {config}: received 'y'" in error_of(zoo("fit", "--config", config))
