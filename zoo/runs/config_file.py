"""Read a YAML config file strictly: no tags, no key twice."""

from __future__ import annotations

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


class _StrictLoader(yaml.SafeLoader):
    """SafeLoader, which builds no Python objects from tags, but refuses a key that stands twice."""

    def construct_mapping(self, node: yaml.MappingNode, deep: bool = False) -> dict[Any, Any]:
        seen: set[Any] = set()
        for key_node, _ in node.value:
            key = self.construct_object(key_node, deep=True)
            if not isinstance(key, str):
                raise yaml.constructor.ConstructorError(None, None, f"key {key!r} is not a text", key_node.start_mark)
            if key in seen:
                raise yaml.constructor.ConstructorError(None, None, f"key '{key}' is given twice", key_node.start_mark)
            seen.add(key)
        return super().construct_mapping(node, deep)


def read_config(path: str | Path) -> dict[str, Any]:
    """Read a YAML config file.

    Raises:
        UserError: it is missing, not YAML, gives a key twice, uses a tag, or is no mapping; with file and line.
    """
    try:
        text = Path(path).read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        reason = getattr(error, "strerror", None) or "not UTF-8 text"
        raise UserError(f"config file {path} cannot be read: {reason}") from error
    try:
        content = yaml.load(text, _StrictLoader)
    except yaml.MarkedYAMLError as error:
        mark = error.problem_mark or error.context_mark
        raise UserError(f"{path}:{mark.line + 1 if mark else 1}: {error.problem}") from error
    except yaml.YAMLError as error:
        raise UserError(f"{path}: not YAML: {' '.join(str(error).split())}") from error
    if not isinstance(content, dict):
        raise UserError(f"{path}: received {content!r}; a config is a mapping such as 'data: {{dataset: digits}}'")
    return content
