"""The JSON schema of config files, from which editors complete and check them; made from the parser of ``zoo fit``."""

from __future__ import annotations

import json
import re
from collections.abc import Sequence
from typing import Any

from jsonargparse import ArgumentParser, capture_parser

from zoo.config.builder import ZooCLI
from zoo.config.builder_options import add_builder
from zoo.config.resolve import resolve
from zoo.core import registry
from zoo.core.errors import UserError
from zoo.data.augmentation_setting import SHORT_NAMES
from zoo.runs.config_file import NAMED_OPTIONS

#: Options of Trainer that take objects of many classes; jsonargparse 4.53 raises TypeError when it describes those of
#: callbacks, and the lists of the others take seconds. Anything is let through.
ANY_OBJECT = ("accelerator", "callbacks", "logger", "plugins", "profiler", "strategy")

#: Definitions of classes of which a config may name others as well, by path or by their registered names of a kind.
CLASSES = {"Optimizer": "optimizer", "LRScheduler": "scheduler", "ReduceLROnPlateau": "scheduler"}

#: Schedules whose length, which their class requires, is that of the training where a config leaves it out.
ENDS_WITH_TRAINING = ("torch.optim.lr_scheduler.CosineAnnealingLR",)


class SchemaCLI(ZooCLI):
    """The parser of zoo fit that lets objects of Trainer be anything."""

    untyped = ANY_OBJECT


def schema() -> dict[str, Any]:
    """Return the schema, JSON Schema 2020-12: every option of training, every registered name with its own options.

    A name that fails to load is in it too, and takes any option. Call it in a process that has trained nothing: a
    training adds classes of Lightning's to torch's, which jsonargparse cannot describe.
    """
    parser = capture_parser(lambda: SchemaCLI("fit", resolve([]), None))
    content = _described(parser)
    sections = content["properties"]
    _describe_parts(sections["data"]["properties"]["augmentation"], "augmentation", [None, *SHORT_NAMES])
    _describe_parts(sections["model"]["properties"]["metrics"], "metric", [None])
    for named in NAMED_OPTIONS:
        sections[named.section]["properties"][named.kind] = _names(named.kind, named.default)
    for named in NAMED_OPTIONS:
        if named.short:
            described = sections[named.section]
            short = described["properties"][named.kind]["anyOf"][0]
            sections[named.section] = {"anyOf": [short, described]}
    for name, kind in CLASSES.items():
        _allow_others(content["$defs"][name], registry.list_names(kind))
    return content


def _described(parser: ArgumentParser) -> dict[str, Any]:
    content: dict[str, Any] = json.loads(parser.get_completion_script("jsonschema"))
    return content


def _names(kind: registry.Kind, default: str) -> dict[str, Any]:
    """Return the schema of an architecture or data set: a name, or a name with its arguments."""
    singles = [entry.name for entry in registry.entries(kind)]
    registered = registry.list_names(kind)
    # A hub's family has more names than it lists; distribution:name selects where two have one.
    families = [re.escape(entry.name) for entry in registry.entries(kind, family=True) if _is_open(entry)]
    others = {"pattern": "^(" + "|".join([*(f"{name}/.+" for name in families), "[^/:]+:.+"]) + ")$"}
    name = {"type": "string", "anyOf": [{"enum": registered}, others]}
    members = {"type": "string", "anyOf": [{"enum": [name for name in registered if name not in singles]}, others]}
    with_any = {"type": "object", "required": ["name"], "properties": {"name": members}}
    return {"anyOf": [name, *(_with_arguments(kind, single, default) for single in singles), with_any]}


def _describe_parts(setting: dict[str, Any], kind: registry.Kind, short: Sequence[str | None]) -> None:
    """Let a setting be one of its short names, a registered name, an import path or class path, or a list of these."""
    named = _names(kind, "")["anyOf"]
    path = {"type": "string", "pattern": r"\."}
    with_path = {
        "type": "object",
        "required": ["class_path"],
        "properties": {"class_path": path, "init_args": {"type": "object"}},
    }
    with_import = {"type": "object", "required": ["name"], "properties": {"name": path}}
    other = with_import if registry.KINDS[kind].by_path else with_path
    entry = {"anyOf": [{"enum": list(short)}, path, *named, other]}
    setting["anyOf"] = [*entry["anyOf"], {"type": "array", "items": entry}]


def _is_open(family: registry.Entry) -> bool:
    try:
        return hasattr(family.load(), "accepts")
    except UserError:  # zoo list reports why it has no names
        return True


def _with_arguments(kind: registry.Kind, name: str, default: str) -> dict[str, Any]:
    """Return the form ``{name: ..., option: value, ...}``; without ``name`` it is of the default."""
    parser = ArgumentParser(exit_on_error=False)
    try:
        add_builder(parser, kind, "it", name, "")
        described: dict[str, Any] = _described(parser)["properties"]["it"]
    except UserError:  # a plugin that fails: the command reports it
        described = {"type": "object", "properties": {}}
    described["properties"] |= {
        "name": {"const": name},
        "from": {"type": "string", "description": "Distribution and version the name is of; runs record it."},
    }
    if name != default:
        described["required"] = [*described.get("required", []), "name"]
    return described


def _allow_others(definition: dict[str, Any], names: Sequence[str]) -> None:
    """Let a class be named in short, as the parser does, and one of other packages than torch and lightning in full."""
    for form in definition["anyOf"]:
        path = form.get("properties", {}).get("class_path", {}).pop("const", None)
        if path in ENDS_WITH_TRAINING:
            for part in (form, form["properties"]["init_args"]):
                part["required"] = [name for name in part.get("required", []) if name not in ("init_args", "T_max")]
        if path is not None:
            form["properties"]["class_path"]["enum"] = [path, path.rpartition(".")[2]]
    path = {"type": "string", "anyOf": [{"pattern": r"^(?!torch\.|lightning\.).+\."}, {"enum": list(names)}]}
    properties = {"class_path": path, "init_args": {"type": "object"}, "dict_kwargs": {"type": "object"}}
    definition["anyOf"].append({"type": "object", "required": ["class_path"], "properties": properties})
