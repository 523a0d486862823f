"""Where data lives."""

from __future__ import annotations

from zoo.data.root import default_root


def test_the_data_root_is_an_environment_variable_or_the_cache(monkeypatch, tmp_path):
    monkeypatch.setenv("ZOO_DATA_ROOT", str(tmp_path))
    assert default_root() == tmp_path
    monkeypatch.delenv("ZOO_DATA_ROOT")
    assert default_root().parts[-2:] == ("zoo", "data")
