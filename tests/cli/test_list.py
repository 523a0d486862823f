"""zoo list hints at names where nothing matches."""

from __future__ import annotations

from support import error_of


def test_a_word_that_matches_no_name_brings_the_names_that_contain_it(zoo):
    line = error_of(zoo("list", "datasets", "ifar"))
    assert "no registered name matches 'ifar', but these contain it: cifar10, cifar100 (zoo list '*ifar*')" in line
    line = error_of(zoo("list", "resnet"))
    assert "torchvision/resnet18" in line
    assert " more (zoo list '*resnet*')" in line
