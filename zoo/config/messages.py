"""Errors of the parser in one line: the option, what it received, what is allowed."""

from __future__ import annotations

import re
from collections.abc import Iterable
from typing import Any, get_args

from zoo.config.parser_internals import option_names
from zoo.config.resolve import ConfigSources
from zoo.core.errors import UserError, did_you_mean
from zoo.runs.config_file import value_at

#: What other programs call an option of zoo's.
OTHER_NAMES = {
    "lr": "optimizer.lr",
    "learning_rate": "optimizer.lr",
    "weight_decay": "optimizer.weight_decay",
    "momentum": "optimizer.momentum",
    "scheduler": "lr_scheduler",
    "epochs": "trainer.max_epochs",
    "num_epochs": "trainer.max_epochs",
    "n_epochs": "trainer.max_epochs",
    "steps": "trainer.max_steps",
    "batch": "data.batch_size",
    "batch_size": "data.batch_size",
    "bs": "data.batch_size",
    "workers": "data.num_workers",
    "num_workers": "data.num_workers",
    "img_size": "data.image_size",
    "imgsz": "data.image_size",
    "image_size": "data.image_size",
    "root": "data.root",
    "data_dir": "data.root",
    "data_root": "data.root",
    "augment": "data.augmentation",
    "dataset": "data",
    "arch": "model",
    "architecture": "model",
    "network": "model",
    "pretrained": "model.weights",
    "weights": "model.weights",
    "freeze": "model.freeze",
    "dropout": "model.architecture.dropout",
    "mixup": "model.mixup",
    "teacher": "model.teacher",
    "device": "trainer.accelerator",
    "gpus": "trainer.devices",
    "devices": "trainer.devices",
    "accelerator": "trainer.accelerator",
    "precision": "trainer.precision",
    "amp": "trainer.precision",
    "output_dir": "trainer.default_root_dir",
    "save_dir": "trainer.default_root_dir",
    "checkpoint": "ckpt_path",
    "seed": "seed_everything",
    "patience": "early_stopping",
}


def parser_error(text: str, parser: Any, sources: ConfigSources) -> UserError:
    """Return the user's error for an error of jsonargparse.

    Args:
        text: jsonargparse's message, often of many lines.
        parser: the parser, whose options are what is allowed.
        sources: what the configuration is made of, for the names of its config files.
    """
    allowed = [*option_names(parser), "model", "data", "model.architecture", "data.dataset"]
    if match := re.match(r"unrecognized arguments: (.*)", text, re.DOTALL):
        argument = next(iter(match[1].split()), "")  # an empty word on the command line is one too
        if not argument.startswith("-"):
            return UserError(f"unexpected word '{argument}'; options start with --, and a run folder comes first")
        option = argument.lstrip("-").partition("=")[0]
        return UserError(f"unknown option --{option}{_suggest(option, allowed, '--')} ('zoo fit --help' shows all)")
    if match := re.search(r"Group '([\w.]*)' does not accept option '([\w.]+)'", text):
        return _unknown_key(f"{match[1]}.{match[2]}".strip("."), allowed, sources)
    key = match[1] if (match := re.search(r'Parser key "([\w.]+)"', text)) else ""
    if not key and (match := re.search(r"Option '([\w.]+)' is not accepted", text)):
        return _unknown_key(match[1], allowed, sources)
    if "unsupported operand type(s) for +: '" in text or "Key must be a string" in text:  # {0} is one, where + fails
        reason = "received a mapping with a key that is no word; allowed are words"
    else:
        reason = _reason([line.strip(" -") for line in text.splitlines()])
    return UserError(f"{key}{_where(key, sources)}: {reason}" if key else reason)


def null_error(key: str, kind: Any, sources: ConfigSources) -> UserError:
    """Return the error for an option that is null and may not be.

    Args:
        key: of the option.
        kind: its type.
        sources: what the configuration is made of, for the names of its config files.
    """
    names = dict.fromkeys(_plain(str(part)) for part in (get_args(kind) or (kind,)))
    return UserError(f"{key}{_where(key, sources)}: received null; allowed is {' or '.join(names)}")


def unknown_argument(name: str, arguments: Iterable[str]) -> UserError:
    """Return the error for an argument that ``zoo.fit`` does not take, of those that it takes."""
    if name not in OTHER_NAMES:
        return UserError(f"zoo.fit: unknown argument '{name}'{did_you_mean(name, arguments)}")
    section, *keys = OTHER_NAMES[name].split(".")
    if keys and keys[-1] in arguments:
        return UserError(f"zoo.fit: unknown argument '{name}'; did you mean {keys[-1]}=...?")
    value = "..."
    for key in reversed(keys):
        value = f"{{'{key}': {value}}}"
    return UserError(f"zoo.fit: unknown argument '{name}'; did you mean {section}={value}?")


def _reason(lines: list[str]) -> str:
    """Pick the lines that say what is wrong out of jsonargparse's list of failed attempts."""
    lines = [line for line in lines if line and "NoneType" not in line and "Expected a path but" not in line]
    for position, line in enumerate(lines):
        if match := re.match(r"Problem with given class_path ('.*'):", line):
            ends = (p for p in range(position + 1, len(lines)) if re.match("Given value|Import path|Problem", lines[p]))
            inner = lines[position + 1 : next(ends, len(lines))]
            option = re.match(r'Parser key "([\w.]+)"', inner[0]) if inner else None
            return f"class {match[1]}: {f'{option[1]}: ' if option else ''}{_reason(inner)}"
    text = " ".join(lines)
    if "codec can't encode" in text:  # bytes that are no UTF-8, of which Python makes half of a character
        return "received text that is not UTF-8; allowed is UTF-8"
    if match := re.search(r"Multiple subclasses with name (\w+)\. Give the full class path.*?: (.*?)\. ", text):
        return f"several classes are named {match[1]}; give one in full: {match[2]}"
    path = match[1] if (match := re.search(r"Expected a dot import path string: (\S+)", text)) else None
    value = match[1] if (match := re.search(r".*(?:Given|Got) value: ?(.*)$", text)) else path
    expected = [match[1] for line in lines if (match := re.match(r"Expected (?:an? )?(.*?)(?:\. Got.*)?$", line))]
    # Where a class may stand, a list is one of classes: the class is what to name.
    allowed = [name for name in expected if not name.startswith("dot import") and (path is None or "list" not in name)]
    if allowed and value is not None:
        return f"received '{value}'; allowed is {' or '.join(_plain(name) for name in dict.fromkeys(allowed))}"
    if path is None and value is not None and "Not a valid subclass of" in text:
        path = value
    if path is not None:
        return f"received '{path}'; allowed is a class that torch or lightning offers here, or a full class path"
    reasons = [line for line in lines if not line.startswith("Parser key")] or lines
    reason = " ".join([line for line in reasons if not line.startswith("Expected ")] or reasons)
    if match := re.search(r"'(\w+)' object has no attribute", reason):  # of a parser that wanted a mapping
        return f"received a {match[1]}; allowed is a mapping of options to values"
    return re.sub(r"<class '([\w.]+)'>", lambda match: match[1].rpartition(".")[2] or match[1], reason)


def _plain(type_name: str) -> str:
    """Write a type without Python's <class ...> and typing.Literal."""
    type_name = re.sub(r"<class '([\w.]+)'>", lambda match: match[1].rpartition(".")[2] or match[1], type_name)
    return re.sub(r"typing\.Literal\[(.*?)\]", r"\1", type_name)


def _unknown_key(key: str, options: list[str], sources: ConfigSources) -> UserError:
    return UserError(f"unknown key '{key}'{_where(key, sources)}{_suggest(key, options)}")


def _where(key: str, sources: ConfigSources) -> str:
    """Name the last config file that holds a key, if one does and no option wins over it."""
    if any(option.partition("=")[0] == f"--{key}" for option in sources.options):
        return ""
    for file, config in zip(reversed(sources.files), reversed(sources.configs), strict=True):
        section, _, last = key.rpartition(".")
        if last in (value_at(config, section) or {} if section else config):
            return f" in {file}"
    return ""


def _suggest(key: str, options: list[str], prefix: str = "") -> str:
    """Suggest what another program's name means, a longer key that ends in it (``max_epochs``), or the nearest."""
    plain = key.replace("-", "_")
    longer = [option for option in options if option.rpartition(".")[2] == plain]
    if meant := OTHER_NAMES.get(plain) or next(iter(longer), None):
        return f"; did you mean '{prefix}{meant}'?"
    return did_you_mean(prefix + key, [prefix + option for option in options])
