"""The JSON files of a run, each checked against what zoo writes into it: a damaged one is an error that names it."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from zoo.core.errors import UserError
from zoo.core.numbers import is_number


def read_record(path: Path) -> dict[str, Any]:
    """Return the mapping in a JSON file of a run; empty where the file is missing.

    Args:
        path: the file, whose name says what it must hold.

    Raises:
        UserError: it is no JSON, or holds something else; the message says what to do.
    """
    if not path.is_file():
        return {}
    is_right, allowed, remedy = RECORDS[path.name]
    try:
        content = json.loads(path.read_text(encoding="utf-8"))
    except (ValueError, RecursionError) as error:  # bytes that are no UTF-8, too
        raise UserError(f"{path} is damaged: it is no JSON in UTF-8; {remedy}") from error
    if not isinstance(content, dict) or not is_right(content):
        raise UserError(f"{path} is damaged: it holds {str(content)[:60]}; allowed is {allowed}; {remedy}")
    return content


def _ranges(content: Mapping[str, Any]) -> bool:
    pairs = all(isinstance(pair, list) and len(pair) == 2 and all(map(is_number, pair)) for pair in content.values())
    return pairs and all(low <= high for low, high in content.values())


def _calibration(content: Mapping[str, Any]) -> bool:
    temperature = content.get("temperature", 0)
    return is_number(temperature) and bool(temperature > 0) and "step" in content


def _results(content: Mapping[str, Any]) -> bool:
    figures = [value for key, value in content.items() if key.startswith("test/")]
    return all(map(is_number, figures)) and "test/accuracy" in content and is_number(content.get("images", 1))


def _state(content: Mapping[str, Any]) -> bool:
    return isinstance(content.get("begun"), str) and isinstance(content.get("state"), str)


#: By the file's name: whether its mapping is right, what is allowed, and what to do.
RECORDS: dict[str, tuple[Callable[[dict[str, Any]], bool], str, str]] = {
    "training_images.json": (_ranges, "a mapping of names to two numbers", "delete it: predictions then do not warn"),
    "calibration.json": (_calibration, "temperature above 0 and step", "delete it: the temperature is then 1"),
    "results.json": (_results, "a number for images and for each test/...", "'zoo test RUN' writes it anew"),
    "state.json": (_state, "state and begun", "delete it"),
    "trackers.json": (
        lambda content: all(isinstance(value, str) for value in content.values()),
        "a mapping of loggers to texts",
        "delete it: trackers then begin a new run",
    ),
}
