"""Every shipped recipe parses, and those that need no download train."""

from __future__ import annotations

import pytest
from conftest import REPOSITORY

CONFIGS = sorted((REPOSITORY / "configs").rglob("*.yaml"))


def test_there_are_recipes():
    assert CONFIGS


@pytest.mark.parametrize("path", CONFIGS, ids=lambda path: f"{path.parent.name}/{path.stem}")
def test_a_recipe_parses_and_says_what_it_is(zoo, path):
    assert path.read_text().startswith("# ")
    status, out, err = zoo("fit", "--config", path, "--print_config")
    assert status == 0, err
    assert f"name: {path.parent.name}" in out


def test_the_digits_recipe_reaches_its_accuracy(zoo, tmp_path):
    status, out, err = zoo("fit", "--config", REPOSITORY / "configs" / "digits" / "lenet5.yaml")
    assert status == 0, err
    status, out, _ = zoo("test", tmp_path / out.splitlines()[-1])
    accuracy = float(next(line for line in out.splitlines() if "test/accuracy" in line).split()[-2])
    assert accuracy >= 0.96
