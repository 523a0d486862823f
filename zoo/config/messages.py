"""What the parser complains about, in one line: the option, what it received, what is allowed."""

from __future__ import annotations

import re
from typing import Any

from zoo.config.resolve import Arguments
from zoo.core.errors import UserError, did_you_mean


def parser_error(text: str, parser: Any, arguments: Arguments) -> UserError:
    """Return the user's error for an error of jsonargparse.

    Args:
        text: jsonargparse's message, often of many lines.
        parser: the parser, whose options are what is allowed.
        arguments: the command line, for the names of its config files.
    """
    known = [option[2:] for action in parser._actions for option in action.option_strings if option.startswith("--")]
    known += ["model", "data", "model.architecture", "data.dataset"]
    if match := re.match(r"unrecognized arguments: (.*)", text, re.DOTALL):
        word = match[1].split()[0]
        if not word.startswith("-"):
            return UserError(f"unexpected word '{word}'; options start with --, and a run folder comes first")
        option = word.lstrip("-").partition("=")[0]
        return UserError(f"unknown option --{option}{_suggest(option, known, '--')} ('zoo fit --help' shows all)")
    if match := re.search(r"Group '([\w.]*)' does not accept option '([\w.]+)'", text):
        return _unknown_key(f"{match[1]}.{match[2]}".strip("."), known, arguments)
    key = match[1] if (match := re.search(r'Parser key "([\w.]+)"', text)) else ""
    if not key and (match := re.search(r"Option '([\w.]+)' is not accepted", text)):
        return _unknown_key(match[1], known, arguments)
    reason = _reason([line.strip(" -") for line in text.splitlines()])
    return UserError(f"{key}{_where(key, arguments)}: {reason}" if key else reason)


def _reason(lines: list[str]) -> str:
    """Pick the lines that say what is wrong out of jsonargparse's list of failed attempts."""
    lines = [line for line in lines if line and "NoneType" not in line and "Expected a path but" not in line]
    for position, line in enumerate(lines):
        if match := re.match(r"Problem with given class_path ('.*'):", line):
            ends = (p for p in range(position + 1, len(lines)) if re.match("Given value|Import path|Problem", lines[p]))
            inner = lines[position + 1 : next(ends, len(lines))]
            key = f"{found[1]}: " if inner and (found := re.match(r'Parser key "([\w.]+)"', inner[0])) else ""
            return f"class {match[1]}: {key}{_reason(inner)}"
    text = " ".join(lines)
    if match := re.search(r"Multiple subclasses with name (\w+)\. Give the full class path.*?: (.*?)\. ", text):
        return f"several classes are named {match[1]}; give one in full: {match[2]}"
    path = match[1] if (match := re.search(r"Expected a dot import path string: (\S+)", text)) else None
    given = match[1] if (match := re.search(r".*(?:Given|Got) value: (.*)$", text)) else path
    expected = [match[1] for line in lines if (match := re.match(r"Expected (?:an? )?(.*?)(?:\. Got.*)?$", line))]
    # Where a class may stand, a list is one of classes: the class is what to name.
    allowed = [word for word in expected if not word.startswith("dot import") and (path is None or "list" not in word)]
    if allowed and given is not None:
        return f"received '{given}'; allowed is {' or '.join(_plain(word) for word in dict.fromkeys(allowed))}"
    if path is not None:
        return f"received '{path}'; allowed is a class that torch or lightning offers here, or a full class path"
    told = [line for line in lines if not line.startswith("Parser key")] or lines
    return " ".join([line for line in told if not line.startswith("Expected ")] or told)


def _plain(type_name: str) -> str:
    """Turn Python's way of writing a type into words."""
    type_name = re.sub(r"<class '([\w.]+)'>", lambda match: match[1].rpartition(".")[2] or match[1], type_name)
    return re.sub(r"typing\.Literal\[(.*?)\]", r"\1", type_name)


def _unknown_key(key: str, known: list[str], arguments: Arguments) -> UserError:
    return UserError(f"unknown key '{key}'{_where(key, arguments)}{_suggest(key, known)}")


def _where(key: str, arguments: Arguments) -> str:
    """Name the last config file that gives a key, if one does."""
    for file, config in zip(reversed(arguments.files), reversed(arguments.configs), strict=True):
        value: Any = config
        for part in key.split("."):
            value = value.get(part) if isinstance(value, dict) else None
        if value is not None:
            return f" in {file}"
    return ""


def _suggest(key: str, known: list[str], prefix: str = "") -> str:
    """Suggest the nearest known key; a bare word that ends a longer key, ``max_epochs``, means that one."""
    longer = [option for option in known if option.rpartition(".")[2] == key]
    if longer:
        return f"; did you mean '{prefix}{longer[0]}'?"
    return did_you_mean(prefix + key, [prefix + option for option in known])
