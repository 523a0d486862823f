"""What ``import zoo`` offers."""

from __future__ import annotations

import ast

import pytest
from support import REPOSITORY

import zoo as library


def test_the_stub_names_what_the_facade_names_and_where():
    stub = ast.parse((REPOSITORY / "zoo" / "__init__.pyi").read_text(encoding="utf-8"))
    names = {node.names[0].asname: node.module for node in stub.body if isinstance(node, ast.ImportFrom)}
    assert names == library._MODULES


@pytest.mark.parametrize("name", library.__all__)
def test_every_public_name_loads(name):
    assert getattr(library, name) is not None


def test_an_unknown_name_is_an_attribute_error():
    with pytest.raises(AttributeError, match="module 'zoo' has no attribute 'classify'"):
        _ = library.classify
