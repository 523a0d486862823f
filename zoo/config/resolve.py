"""Command lines and config files name architectures and data sets in short; here they get one explicit form.

    --model lenet5   --model.architecture lenet5   model: lenet5   model: {architecture: lenet5}
        ──►  model.architecture.name = lenet5, beside its hyperparameters model.architecture.<name>

and the same for ``--data``, ``data.dataset``. Config files are read strictly: no tags, no key twice. A run's own file
also records the distribution of a name (``from``, which no builder can have as a parameter), or the file of a network
with its SHA-256, which lies beside it.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from copy import deepcopy
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from zoo.config.own_names import grant_file, grant_option, grant_sections
from zoo.core.code_file import CodeFile, open_code
from zoo.core.errors import UserError
from zoo.core.file_builder import is_same_file, locate
from zoo.core.trust import grant
from zoo.runs.config_file import NAMED_OPTIONS, NamedOption, read_config
from zoo.runs.trusted import trusted_names

#: How calls from Python name their sections, which are no file.
CALLS = ("zoo.fit", "zoo.TrainedRun.validate", "zoo.TrainedRun.test")


@dataclass
class ConfigSources:
    """What a configuration is made of; a later source wins over an earlier one, options win over config files.

    A source that names another architecture or data set drops the arguments of the one before, which belong to the
    other name.

    Args:
        names: ``{"architecture": ..., "dataset": ..., "loss": ...}``, as the last source names them.
        origins: ``distribution==version`` of those names, where the source that named them records it.
        configs: the content of each config file, in order, without those two names.
        files: the names of those files.
        typed: whether each of them is the sections of a call from Python, and no file.
        options: all other options, as ``--option=value``.
        code: the files of parts; nothing in them is executed here.
    """

    names: dict[str, str] = field(default_factory=lambda: {option.kind: option.default for option in NAMED_OPTIONS})
    origins: dict[str, str] = field(default_factory=lambda: {option.kind: "" for option in NAMED_OPTIONS})
    configs: list[dict[str, Any]] = field(default_factory=list)
    files: list[str] = field(default_factory=list)
    typed: list[bool] = field(default_factory=list)
    options: list[str] = field(default_factory=list)
    code: list[CodeFile] = field(default_factory=list)

    @property
    def args(self) -> list[str]:
        """The command line for the parser: config files first, so that options win over them."""
        return [f"--config={json.dumps(config)}" for config in self.configs] + self.options

    def value(self, section: str, key: str) -> Any:
        """Return the last value of an option of a section, before it is parsed; None where no source has it."""
        option = f"--{section}.{key}="
        values: list[Any] = [arg.removeprefix(option) for arg in self.options if arg.startswith(option)]
        return (values or [None, *(config.get(section, {}).get(key) for config in self.configs)])[-1]

    def names_class(self, section: str) -> bool:
        """Tell whether a source names the class of the optimizer or schedule, or says that there is none."""
        in_config = [config[section] for config in self.configs if section in config]
        named = [not isinstance(value, dict) or "class_path" in value for value in in_config]
        options = (f"--{section}=", f"--{section}.class_path=")
        return any(named) or any(option.startswith(options) for option in self.options)

    def add_config(self, content: Mapping[str, Any], file: str, *, typed: bool = False) -> None:
        """Add the content of a config file; UserError where it names an architecture or data set in no allowed form.

        Args:
            content: of the file.
            file: its name, for errors; what it names is granted where it is of a run of this user's.
            typed: whether it is the sections of a call from Python, which says itself what it wants.
        """
        config = deepcopy(dict(content))
        if typed:
            grant_sections(config)
        else:
            grant(*trusted_names(Path(file).parent))
        self._add_code(config.pop("code", None), file, typed=typed)
        for named in NAMED_OPTIONS:
            if named.short and isinstance(config.get(named.section), str):
                config[named.section] = {named.kind: config[named.section]}
        for section in ("model", "data", "trainer"):
            if not isinstance(config.get(section, {}), dict):
                raise UserError(f"{file}: {section} is {config[section]!r}; allowed is a mapping of its options")
        for named in NAMED_OPTIONS:
            values = config.get(named.section, {})
            if named.kind not in values:
                continue
            value = values[named.kind]
            builder = {"name": value} if isinstance(value, str) else value
            if not isinstance(builder, dict) or not isinstance(builder.get("name", ""), str):
                raise UserError(
                    f"{file}: {named.key} is {value!r}; allowed is a name, or a mapping with 'name' and its arguments"
                )
            if "name" in builder:
                origin = str(builder.get("from", ""))
                own_code = any(code.holds(origin) for code in self.code)
                name = builder["name"] if own_code else locate(builder["name"], origin, Path(file).parent)
                if typed:
                    grant_file(name)
                self._rename(named, name)
                self.origins[named.kind] = origin
            values[named.kind] = {option: value for option, value in builder.items() if option not in ("name", "from")}
        self.configs.append(config)
        self.files.append(file)
        self.typed.append(typed)

    def add_options(self, args: Sequence[str]) -> None:
        """Add options as a user types them; UserError where a config file cannot be used or an option has no value."""
        for option, value in _pairs(args):
            if option in ("--config", "-c"):
                self.add_config(read_config(_require_value(option, value)), str(value))
                continue
            if option == "--code":
                self._add_code(_require_value(option, value), "", typed=True)
                continue
            for named in NAMED_OPTIONS:
                if option in (f"--{named.key}", f"--{named.key}.name") or (
                    named.short and option == f"--{named.section}"
                ):
                    name = _require_value(option, value)
                    grant_file(name)
                    grant_option(option, name)
                    self._rename(named, name)
                    break
            else:
                grant_option(option, value or "")
                self.options.append(option if value is None else f"{option}={value}")

    def _add_code(self, value: Any, file: str, *, typed: bool) -> None:
        """Add the files of parts that a source names; a later file replaces one of the same name."""
        names = [value] if isinstance(value, str) else value or []
        if not isinstance(names, list) or not all(isinstance(name, str) for name in names):
            raise UserError(f"{file}: code is {value!r}; allowed is a Python file, or a list of them")
        for name in names:
            code = open_code(name, Path(file).parent)
            if typed:
                grant(code.record)
            self.code = [*(other for other in self.code if other.path.name != code.path.name), code]

    def _rename(self, named: NamedOption, name: str) -> None:
        if name == self.names[named.kind] or is_same_file(name, self.origins[named.kind]):
            return
        self.names[named.kind], self.origins[named.kind] = name, ""
        for config in self.configs:
            if isinstance(config.get(named.section), dict):
                config[named.section].pop(named.kind, None)
        self.options = [option for option in self.options if not option.startswith(f"--{named.key}.")]


def resolve(args: Sequence[str], *configs: tuple[str, Mapping[str, Any]]) -> ConfigSources:
    """Bring a configuration into explicit form.

    Args:
        args: options as the user typed them.
        *configs: name and content of configurations that come before all options: of a run, of a call from Python.

    Raises:
        UserError: a config file cannot be used, or an option lacks its value.
    """
    sources = ConfigSources()
    for file, content in configs:
        sources.add_config(content, file, typed=file in CALLS)
    sources.add_options(args)
    return sources


def resolve_new(command: str, args: Sequence[str]) -> ConfigSources:
    """Bring the command line of a new training into explicit form; UserError as ``resolve``, or for a run."""
    if args and not args[0].startswith("-"):
        raise UserError(f"unexpected word '{args[0]}'; zoo {command} takes what 'zoo fit' takes for a new run")
    return resolve(args)


def _pairs(args: Sequence[str]) -> list[tuple[str, str | None]]:
    """Return ``--option value`` and ``--option=value`` alike as pairs; a flag or a stray word has no value."""
    pairs: list[tuple[str, str | None]] = []
    position = 0
    while position < len(args):
        option, equals, value = args[position].partition("=")
        position += 1
        if option.startswith("-c") and len(option) > 2:  # -cFILE, as argparse takes it
            pairs.append(("-c", args[position - 1][2:]))
        elif not option.startswith("-"):
            pairs.append((args[position - 1], None))
        elif equals:
            pairs.append((option, value))
        elif position < len(args) and not _is_option(args[position]):
            pairs.append((option, args[position]))
            position += 1
        else:
            pairs.append((option, None))
    return pairs


def _is_option(arg: str) -> bool:
    """Tell ``--option`` and ``-c`` from a value such as ``-1`` or ``-0.5``."""
    return arg.startswith("-") and len(arg) > 1 and not (arg[1].isdigit() or arg[1] == ".")


def _require_value(option: str, value: str | None) -> str:
    if not value:
        raise UserError(f"option {option} needs a value")
    return value
