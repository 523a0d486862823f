"""A damaged JSON file of a run is an error that names it and what to do."""

import json

import pytest

from zoo.core.errors import UserError
from zoo.runs.records import RECORDS, read_record

#: By the file's name: what it may hold, and what it may not.
CONTENTS = {
    "training_images.json": ({"contrast": [0.1, 0.2]}, {"contrast": [0.2, 0.1]}),
    "calibration.json": ({"temperature": 1.2, "step": 3}, {"temperature": 0, "step": 3}),
    "results.json": ({"test/accuracy": 0.5, "images": 9}, {"test/accuracy": "half"}),
    "state.json": ({"state": "finished", "begun": "2026-01-01"}, {"state": "finished"}),
    "trackers.json": ({"wandb": "x1"}, {"wandb": 1}),
}


def test_a_record_that_is_missing_is_empty(tmp_path):
    assert read_record(tmp_path / "state.json") == {}


@pytest.mark.parametrize("name", RECORDS)
def test_a_record_holds_what_zoo_writes_or_is_damaged(tmp_path, name):
    path, (right, wrong) = tmp_path / name, CONTENTS[name]
    path.write_text(json.dumps(right))
    assert read_record(path) == right
    path.write_text(json.dumps(wrong))
    with pytest.raises(UserError, match=rf"{name} is damaged: it holds .*; allowed is .*; ") as error:
        read_record(path)
    assert RECORDS[name][2] in str(error.value)


@pytest.mark.parametrize("content", [b"{", b"\xff", b"[" * 100_000, b"[]", b"1e999"], ids=range(5))
def test_a_record_that_is_no_mapping_in_json_is_damaged(tmp_path, content):
    (tmp_path / "state.json").write_bytes(content)
    with pytest.raises(UserError, match=r"state\.json is damaged: "):
        read_record(tmp_path / "state.json")
