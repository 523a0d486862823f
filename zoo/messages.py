"""What the parser complains about, in one line: the option, what it received, what is allowed."""

from __future__ import annotations

import re
from typing import Any

from zoo.config import Arguments
from zoo.errors import UserError, did_you_mean


def parser_error(text: str, parser: Any, arguments: Arguments) -> UserError:
    """Return the user's error for an error of jsonargparse.

    Args:
        text: jsonargparse's message, often of many lines.
        parser: the parser, whose options are what is allowed.
        arguments: the command line, for the names of its config files.
    """
    known = [option[2:] for action in parser._actions for option in action.option_strings if option.startswith("--")]
    if match := re.match(r"unrecognized arguments: (.*)", text, re.DOTALL):
        words = match[1].split()
        if not words[0].startswith("-"):
            return UserError(f"unexpected word '{words[0]}'; options start with --, and a run folder comes first")
        option = words[0].lstrip("-").partition("=")[0]
        return UserError(f"unknown option --{option}{_suggest(option, known)}; see --help")
    if match := re.search(r"Group '([\w.]*)' does not accept option '([\w.]+)'", text):
        return _unknown_key(f"{match[1]}.{match[2]}".strip("."), known, arguments)
    if match := re.search(r"(?:Key|key|option) [\"']([\w.]+)[\"'] (?:is )?not (?:expected|accepted|valid|in)", text):
        return _unknown_key(match[1], known, arguments)
    key = match[1] if (match := re.search(r'Parser key "([\w.]+)"', text)) else ""
    lines = [line.strip(" -") for line in text.splitlines()]
    return UserError(f"{key or 'options'}: {_reason(lines)}")


def _reason(lines: list[str]) -> str:
    """Pick the lines that say what is wrong out of jsonargparse's list of failed attempts."""
    for position, line in enumerate(lines):
        if line.startswith("Problem with given class_path"):
            return f"{line} {lines[position + 1] if position + 1 < len(lines) else ''}".strip()
    given = next((line.partition(": ")[2] for line in lines if line.startswith("Given value: ")), None)
    expected = [line for line in lines if line.startswith("Expected") and "NoneType" not in line and "path but" not in line]
    if given is not None and expected:
        return f"received {given}; {'; or '.join(dict.fromkeys(expected))}"
    return " ".join(line for line in lines if line and not line.startswith("Parser key"))


def _unknown_key(key: str, known: list[str], arguments: Arguments) -> UserError:
    where = f" in {', '.join(arguments.files)}" if arguments.files else ""
    return UserError(f"unknown key '{key}'{where}{_suggest(key, known)}")


def _suggest(key: str, known: list[str]) -> str:
    """Suggest the nearest option, comparing last words first: ``max_epoch`` belongs to ``trainer.max_epochs``."""
    if "." not in key:
        known = known + [section for section in ("model", "data")]
        last = {option.rpartition(".")[2]: option for option in reversed(known)}
        if key in last:
            return f"; did you mean '{last[key]}'?"
    return did_you_mean(key, known)
