"""Read a YAML config file strictly: texts, numbers, lists and mappings; no tags, no key twice."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, NamedTuple

import yaml

from zoo.core.errors import UserError


class NamedOption(NamedTuple):
    """An option that takes a registered name.

    Args:
        section: of the config file.
        kind: of the name, which is also the key in the section.
        default: none needs a download.
        short: whether the section's own name is short for the option: ``--model NAME``, ``model: NAME``.
    """

    section: str
    kind: str
    default: str
    short: bool = False

    @property
    def key(self) -> str:
        """The key in config files: ``model.architecture``."""
        return f"{self.section}.{self.kind}"


NAMED_OPTIONS = (
    NamedOption("model", "architecture", "lenet5", short=True),
    NamedOption("data", "dataset", "digits", short=True),
    NamedOption("model", "loss", "cross_entropy"),
    NamedOption("model", "task", "classification"),
)

#: Sections that hold a class, and the kind of names that stand for one.
CLASS_SECTIONS = {"optimizer": "optimizer", "lr_scheduler": "scheduler"}

#: A config takes a few kilobytes; these stop files that are something else, or are made to stall their reader.
MOST_BYTES, MOST_LEVELS, MOST_VALUES = 2**20, 50, 100_000

_ALLOWED = "allowed are texts, numbers, true, false, null, lists and mappings"


class _StrictLoader(yaml.SafeLoader):
    """SafeLoader, which builds no Python objects from tags, without its dates, sets and bytes, and with limits."""

    def __init__(self, text: str) -> None:
        super().__init__(text)
        self._levels = 0
        #: How many values each node stands for, itself and aliases of it included; None while it is being read.
        self._sizes: dict[int, int | None] = {}

    def compose_node(self, parent: yaml.Node | None, index: Any) -> yaml.Node:
        self._levels += 1
        if self._levels > MOST_LEVELS:
            raise _error(f"more than {MOST_LEVELS} levels", self.peek_event())  # type: ignore[no-untyped-call]
        alias = self.check_event(yaml.AliasEvent)
        event: yaml.Event = self.peek_event()  # type: ignore[no-untyped-call]
        node: Any = super().compose_node(parent, index)
        self._levels -= 1
        if alias and id(node) not in self._sizes:
            raise _error(f"*{getattr(event, 'anchor', '')} stands inside itself", event)
        self._sizes[id(node)] = size = 1 + sum(self._sizes[id(child)] or 0 for child in _children(node))
        if size > MOST_VALUES:
            raise _error(f"aliases make more than {MOST_VALUES:,} values", event)
        kind = node.tag.removeprefix("tag:yaml.org,2002:")
        if kind in ("timestamp", "binary", "set", "omap", "pairs"):
            hint = "; put a date in quotes" if kind == "timestamp" else ""
            raise _error(f"received YAML's {kind}; {_ALLOWED}{hint}", event)
        return node  # type: ignore[no-any-return]

    def construct_mapping(self, node: yaml.MappingNode, deep: bool = False) -> dict[Any, Any]:
        seen: set[Any] = set()
        for key_node, _ in node.value:
            if key_node.tag == "tag:yaml.org,2002:merge":
                continue
            key = self.construct_object(key_node, deep=True)
            if not isinstance(key, str):
                raise _error(f"key {key!r} is not a text", key_node)
            if key in seen:
                raise _error(f"key '{key}' is given twice", key_node)
            seen.add(key)
        return super().construct_mapping(node, deep)


def read_config(path: str | Path) -> dict[str, Any]:
    """Read a YAML config file, of at most 1 MiB, 50 levels and 100,000 values with its aliases.

    Raises:
        UserError: it is missing, no regular file, not YAML, too large, gives a key twice, uses a tag or a type that
            no option takes, or is no mapping; with file and line.
    """
    text = _text(Path(path))
    try:
        content = yaml.load(text, _StrictLoader)
    except yaml.MarkedYAMLError as error:
        mark = error.problem_mark or error.context_mark
        raise UserError(f"{path}:{mark.line + 1 if mark else 1}: {error.problem}") from error
    except yaml.reader.ReaderError as error:
        line = text.count("\n", 0, error.position) + 1
        raise UserError(f"{path}:{line}: character {error.character:#x} is not allowed in YAML") from error
    except (yaml.YAMLError, ValueError) as error:  # ValueError: a number such as 0x_
        raise UserError(f"{path}: not YAML: {' '.join(str(error).split())}") from error
    if not isinstance(content, dict):
        raise UserError(f"{path}: received {repr(content)[:100]}; a config is a mapping: 'data: {{dataset: digits}}'")
    return content


def read_recorded(path: str | Path) -> dict[str, Any]:
    """Read the config.yaml of a run; errors as ``read_config``, or a value is not as zoo writes it."""
    content = read_config(path)
    for key, is_right, allowed in RECORDED:
        value = value_at(content, key)
        if not is_right(value):
            raise UserError(
                f"{path}: {key} is {repr(value)[:60]}; allowed in a run's config is {allowed}; restore the file"
            )
    return content


def value_at(config: Any, key: str) -> Any:
    """Return the value at a dotted key of a configuration, such as ``data.dataset.name``; None where there is none."""
    for part in key.split("."):
        config = config.get(part) if isinstance(config, Mapping) else None
    return config


def _is_class(value: Any) -> bool:
    if value is None:
        return True
    arguments = (value.get("init_args") or {}) if isinstance(value, dict) else None
    rates = [arguments.get(key) for key in ("lr", "max_lr")] if isinstance(arguments, dict) else [""]
    return (
        isinstance(value, dict)
        and isinstance(value.get("class_path"), str)
        and not any(isinstance(rate, str | list | dict) for rate in rates)
    )


#: What every run's config.yaml holds, by key: whether a value is right, and what is allowed.
RECORDED: tuple[tuple[str, Callable[[Any], bool], str], ...] = (
    ("data.dataset.name", lambda value: isinstance(value, str), "a name"),
    ("data.batch_size", lambda value: isinstance(value, int), "a whole number"),
    ("model.architecture.name", lambda value: isinstance(value, str), "a name"),
    ("trainer.max_epochs", lambda value: value is None or isinstance(value, int), "null or a whole number"),
    ("seed_everything", lambda value: isinstance(value, int), "a whole number"),
    ("monitor", lambda value: value is None or isinstance(value, str), "a name"),
    ("optimizer", _is_class, "null, or a mapping with class_path and init_args"),
    ("lr_scheduler", _is_class, "null, or a mapping with class_path and init_args"),
)


def _text(path: Path) -> str:
    if "\0" in str(path):
        raise UserError(f"config file {str(path)!r} has a NUL in its name; allowed is a file of YAML")
    try:
        if path.exists() and not path.is_file() and not path.is_dir():
            raise UserError(f"config file {path} is a pipe, socket or device; allowed is a file of YAML")
        with path.open("rb") as file:
            data = file.read(MOST_BYTES + 1)
    except OSError as error:
        raise UserError(f"config file {path} cannot be read: {error.strerror}") from error
    if len(data) > MOST_BYTES:
        raise UserError(f"config file {path} has {path.stat().st_size:,} bytes; allowed are {MOST_BYTES:,}")
    try:
        return data.decode("utf-8")
    except UnicodeDecodeError as error:
        line = data.count(b"\n", 0, error.start) + 1
        raise UserError(f"{path}:{line}: byte {data[error.start]:#x} is not UTF-8; save the file as UTF-8") from error


def _children(node: yaml.Node) -> list[yaml.Node]:
    if isinstance(node, yaml.MappingNode):
        return [child for pair in node.value for child in pair]
    return list(node.value) if isinstance(node, yaml.SequenceNode) else []


def _error(problem: str, place: yaml.Node | yaml.Event) -> yaml.MarkedYAMLError:
    return yaml.MarkedYAMLError(problem=problem, problem_mark=place.start_mark)  # type: ignore[arg-type]
