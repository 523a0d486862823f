"""A time is read, and what contradicts it is an error."""

from __future__ import annotations

import pytest
from support import error_of

from zoo.config.time_limit import time_limit
from zoo.core.errors import UserError


@pytest.mark.parametrize(("value", "seconds"), [("90s", 90), ("10m", 600), ("1h30m", 5400), ("1.5h", 5400), (7.5, 7.5)])
def test_a_time_is_read(value, seconds):
    assert time_limit(value).seconds == seconds


@pytest.mark.parametrize("value", ["10", "10 minutes", "m", "0s", "-5m", "5m3", -1, float("nan")])
def test_other_times_are_refused(value):
    with pytest.raises(UserError, match="allowed are hours, minutes and seconds: 1h30m, 10m or 90s"):
        time_limit(value)


@pytest.mark.parametrize("option", ["max_epochs=3", "max_steps=10", "limit_train_batches=0.5"])
def test_it_excludes_options_that_say_how_long_to_train(zoo, option):
    error = error_of(zoo("fit", "--time", "5m", f"--trainer.{option}"))
    assert f"--time and --trainer.{option.partition('=')[0]} both say how long" in error


def test_it_excludes_the_same_arguments_from_python():
    import zoo

    with pytest.raises(zoo.UserError, match=r"--time and --trainer\.max_epochs both say"):
        zoo.fit(time="5m", max_epochs=3)


def test_it_excludes_folds(zoo):
    assert "folds train alike" in error_of(zoo("fit", "--time", "5m", "--folds", 3))


def test_it_is_for_new_runs(zoo, untested_run):
    assert "keeps its epochs" in error_of(zoo("fit", untested_run, "--time", "5m"))
