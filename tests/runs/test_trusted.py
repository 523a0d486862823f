"""trust.json: signed by one user on one machine."""

from __future__ import annotations

import json

import pytest

from zoo.runs.folder import Run
from zoo.runs.trusted import record_trust, trusted_names


@pytest.fixture
def run(tmp_path):
    return Run(tmp_path)


def test_what_was_recorded_is_trusted_again(run):
    record_trust(run, {"mine", "net.py sha256=0"})
    assert trusted_names(run.path) == ["mine", "net.py sha256=0"]


def test_a_run_that_names_nothing_of_the_users_has_no_file(run):
    record_trust(run, set())
    assert not run.trust.exists()
    assert trusted_names(run.path) == []


def test_another_user_or_machine_trusts_nothing(run, tmp_path, monkeypatch):
    record_trust(run, {"mine"})
    monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path / "other"))
    assert trusted_names(run.path) == []
    record_trust(Run(tmp_path / "other"), {"theirs"})  # which makes the other key
    assert trusted_names(run.path) == []


@pytest.mark.parametrize(
    "change",
    [
        lambda content: content | {"names": ["mine", "evil"]},
        lambda content: content | {"signature": "0" * 64},
        lambda content: {"names": ["mine"]},
        lambda content: ["mine"],
        lambda content: {"names": 3, "signature": None},
    ],
)
def test_a_changed_file_trusts_nothing(run, change):
    record_trust(run, {"mine"})
    run.trust.write_text(json.dumps(change(json.loads(run.trust.read_text()))))
    assert trusted_names(run.path) == []


def test_without_a_place_for_the_key_nothing_is_signed(run, tmp_path, monkeypatch):
    (tmp_path / "file").write_text("")
    monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path / "file"))
    record_trust(run, {"mine"})
    assert not run.trust.exists()


def test_nobody_else_can_read_the_key(run, tmp_path, monkeypatch):
    monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path / "fresh"))
    record_trust(run, {"mine"})
    assert (tmp_path / "fresh" / "zoo" / "trust.key").stat().st_mode & 0o077 == 0
