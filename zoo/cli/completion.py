"""Completion in bash, zsh and fish, by argcomplete and without torch.

    shell ──COMP_LINE──► zoo.cli.app ──► complete: the command's own parser ──► candidates, and the process ends
                                            ▲ names, from metadata; folders and files
                                            ▲ options of training, from a file in the user's cache

Only LightningCLI's parser knows the options of training, and its import takes 5 s. Completion asks it when an option is
completed for the first time, and again when zoo, lightning, torch or a file that defines the options has changed.
"""

from __future__ import annotations

import argparse
import json
import os
import sys
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from functools import partial
from importlib import import_module
from importlib.metadata import version
from itertools import product
from pathlib import Path
from textwrap import shorten
from typing import Any

from argcomplete import autocomplete
from argcomplete.completers import ChoicesCompleter
from argcomplete.lexers import split_line
from platformdirs import user_cache_path

from zoo.cli.parser import COMMANDS
from zoo.config.resolve import ConfigSources, resolve
from zoo.core import registry
from zoo.core.errors import RunError, UserError
from zoo.core.version import __version__
from zoo.runs.config_file import CLASS_SECTIONS, NAMED_OPTIONS
from zoo.runs.files import write_atomically
from zoo.runs.folder import Run


def complete(program: argparse.ArgumentParser) -> None:
    """Print what the word under the cursor may become, as the shell expects it, and end the process.

    Args:
        program: the parser of ``zoo`` without a command; the commands are added to it.
    """
    _, prefix, _, words, _ = split_line(os.environ["COMP_LINE"], int(os.environ["COMP_POINT"]))
    words = words[int(os.environ["_ARGCOMPLETE"]) :]  # the shell says where the arguments start
    chosen = next((word for word in words if not word.startswith("-")), "")
    commands = program.add_subparsers()
    for entry in registry.entries("command"):
        if entry.name not in commands.choices:
            own = [_parser(entry)] if entry.name == chosen else []
            line = COMMANDS.get(entry.name, f"of {entry.distribution} {entry.version}")
            command = commands.add_parser(entry.name, help=line, parents=own, add_help=False)
            if own:
                _add_options(command, own[0], words[words.index(chosen) + 1 :], prefix)
    for command in commands.choices.values():
        for action in command._actions:
            if action.choices is None and not hasattr(action, "completer"):
                key = action.option_strings[-1] if action.option_strings else action.dest
                action.completer = COMPLETERS.get(key, _paths)  # type: ignore[attr-defined]
    autocomplete(program, always_complete_options=False)


def _parser(entry: registry.Entry) -> argparse.ArgumentParser:
    """Return a command's own parser: what ``parser()`` in its module returns; without one it takes paths."""
    with suppress(Exception):  # a plugin's command that fails says so when it is run
        entry.load()
        parser = sys.modules[entry.entry_point.module].parser()
        if isinstance(parser, argparse.ArgumentParser):
            return parser
    parser = argparse.ArgumentParser(add_help=False)
    parser.add_argument("paths", nargs="*")
    return parser


def _names(*kinds: registry.Kind, prefix: str, **_: Any) -> Iterator[str]:
    """Yield names; a family is shown like a folder, and asked for its names once its slash is typed."""
    distribution, colon, bare = prefix.rpartition(":")
    family, slash, _member = bare.partition("/")
    for kind in kinds:
        entries = registry.entries(kind, family=True) + (() if slash else registry.entries(kind))
        taken = Counter(entry.name for entry in entries)
        for entry in entries:
            if not slash:
                name = f"{entry.name}/" if entry.family else entry.name
                yield name
                if colon or taken[entry.name] > 1:
                    yield f"{entry.distribution}:{name}"
            elif entry.name == family and distribution in ("", entry.distribution):
                with suppress(UserError):  # a family that fails has no names to offer; zoo list says why
                    yield from (f"{distribution}{colon}{name}" for name in entry.members())


def _listed(prefix: str, parsed_args: argparse.Namespace, **_: Any) -> Iterator[str]:
    """Yield what ``zoo list`` takes: a kind, then a name."""
    from zoo.cli.list import KINDS

    first = next(iter(parsed_args.what or ()), "")
    yield from () if first else KINDS
    yield from _names(*([KINDS[first]] if first in KINDS else KINDS.values()), prefix=prefix)


def _paths(prefix: str, runs: bool = False, **_: Any) -> Iterator[str]:
    """Yield files, and folders with a slash at their end; or of runs only folders, a run itself without a slash."""
    folder, slash, part = prefix.rpartition("/")
    place = os.path.expanduser(folder + slash) or "."
    for name in sorted(os.listdir(place)) if os.path.isdir(place) else ():
        hidden = name.startswith(".") and not part
        if name.startswith(part) and not hidden and name.isprintable():  # the shell is sent text, line by line
            path = Path(place, name)
            if path.is_dir():
                yield folder + slash + name + ("" if runs and Run(path).config.is_file() else "/")
            elif not runs:
                yield folder + slash + name


def _runs_or_rm(prefix: str, parsed_args: argparse.Namespace, **_: Any) -> Iterator[str]:
    """Yield what ``zoo runs`` takes: a folder, or rm and runs."""
    if not parsed_args.folder and "rm".startswith(prefix):
        yield "rm"
    yield from _paths(prefix, runs=True)


#: Completers by the last of an argument's options, or by its own name; all other arguments are paths.
COMPLETERS: Mapping[str, Any] = {
    **{f"--{named.section}": partial(_names, named.kind) for named in NAMED_OPTIONS if named.short},
    **{f"--{named.key}": partial(_names, named.kind) for named in NAMED_OPTIONS},
    "--data.augmentation": partial(_names, "augmentation"),
    "--callbacks": partial(_names, "callback"),
    "--model.metrics": partial(_names, "metric"),
    **{f"--{section}": partial(_names, kind) for section, kind in CLASS_SECTIONS.items()},
    "--logger": partial(_names, "logger"),
    "name": partial(_names, *registry.KINDS),
    "architecture": partial(_names, "architecture"),
    "dataset": partial(_names, "dataset"),
    **{name: partial(_paths, runs=True) for name in ("run", "runs", "--labels")},
    "folder": _runs_or_rm,
    "what": _listed,
}


@dataclass(frozen=True)
class _Part:
    """Options that the cache holds together: all of ``zoo fit``, those that a run can follow, or one name's own."""

    key: str
    starts: str = "--"
    modules: tuple[str, ...] = (
        "zoo.config.builder",
        "zoo.config.options",
        "zoo.config.resume",
        "zoo.training.task",
        "zoo.data.image_data",
    )
    arguments: tuple[str, ...] = ()
    #: Kind and name of a class, whose parameters the options are; the parser does not list them.
    of_class: tuple[registry.Kind, str] | None = None


def _add_options(
    command: argparse.ArgumentParser, own: argparse.ArgumentParser, words: Sequence[str], prefix: str
) -> None:
    """Add the options of ``zoo fit`` that a command takes: those that a run can follow, or all, the names' included."""
    fit_options = getattr(own, "fit_options", "none")
    if fit_options == "none":
        return
    if own.prog == "zoo fit" and not (words and words[0].startswith("-")):
        fit_options = "run" if words else "new"
        command.add_argument("run", nargs="?")
    parts = [_Part("run" if fit_options == "run" else "fit")]
    if fit_options == "new":
        command.add_argument("--config", help="a YAML file")
        if own.prog == "zoo fit":
            command.add_argument("--print_schema", action="store_true", help="print the JSON schema of config files")
            command.add_argument("--folds", help="train a run for each of N folds, in one group folder")
            command.add_argument("--seeds", help="train a run for each of N seeds, in one group folder")
            command.add_argument("--time", help="train as many epochs as end by then, such as 10m, report included")
            command.add_argument("--run", help="name of the run's folder, runs/NAME; a run that is there is resumed")
        for named in NAMED_OPTIONS:
            short = [f"--{named.section}"] if named.short else []
            plural = registry.KINDS[named.kind].plural
            command.add_argument(*short, f"--{named.key}", help=f"a name that 'zoo list {plural}' shows")
        for option, kind in {"model.metrics": "metric", **CLASS_SECTIONS}.items():
            command.add_argument(f"--{option}", help=f"a name that 'zoo list {registry.KINDS[kind].plural}' shows")
        with suppress(UserError):  # a name or file that is half typed or does not exist
            sources = resolve(words)
            names = sources.names
            for named in NAMED_OPTIONS:
                word = f"--{named.key}={names[named.kind]}"
                entry = registry.find(named.kind, names[named.kind])
                if not isinstance(entry, registry.Entry):  # to complete a line executes no file of the user's
                    continue
                modules = (entry.entry_point.module,)
                parts.append(_Part(f"{word} {entry.origin}", f"--{named.key}.", modules, (word,)))
            parts += _class_parts(sources)
    for option, (text, choices, flag) in _options(parts, prefix).items():
        if option not in command._option_string_actions:
            action = command.add_argument(option, help=text, action="store_true" if flag else "store")
            if choices:  # not argparse's own, which would stop at any other value
                action.completer = ChoicesCompleter(choices)  # type: ignore[attr-defined]


def _class_parts(sources: ConfigSources) -> Iterator[_Part]:
    """Yield the own options of the optimizer and the scheduler that a line names."""
    for section, kind in CLASS_SECTIONS.items():
        words = [option for option in sources.options if option.startswith(f"--{section}=")]
        if words:
            name = words[-1].partition("=")[2]
            entry = registry.find(kind, name)
            if isinstance(entry, registry.Entry):
                modules = (entry.entry_point.module,)
                yield _Part(f"{words[-1]} {entry.origin}", f"--{section}.", modules, (), (kind, name))


def _options(parts: Sequence[_Part], prefix: str) -> dict[str, list[Any]]:
    """Return ``{option: [help, choices, is it a flag]}`` from the cache, which is filled where an option is typed."""
    path = user_cache_path("zoo") / f"options-{__version__}-{version('lightning')}-{version('torch')}.json"
    try:
        cache: dict[str, Any] = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError):  # not there yet, or damaged: made anew
        cache = {}
    if prefix.startswith("-") and "=" not in prefix:
        needed = [part.key for part in parts if part.starts.startswith(prefix) or prefix.startswith(part.starts)]
        if any(key not in cache or cache[key]["files"] != _times(cache[key]["files"]) for key in needed):
            try:
                cache |= _ask(parts)
            except UserError:  # a plugin that fails: its own options are left out
                cache |= _ask(parts[:1])
            with suppress(OSError, RunError):  # a place that cannot be written costs the time of asking again
                path.parent.mkdir(parents=True, exist_ok=True)
                write_atomically(path, json.dumps(cache))
    return {
        option: details for part in parts if part.key in cache for option, details in cache[part.key]["options"].items()
    }


def _ask(parts: Sequence[_Part]) -> dict[str, Any]:
    """Ask LightningCLI's parser for the options of parts; beside them stand the times of the files that define them."""
    from jsonargparse import capture_parser

    from zoo.config.builder import ZooCLI
    from zoo.config.parser_internals import actions
    from zoo.config.resume import RESUME_OPTIONS

    sources = resolve([argument for part in parts for argument in part.arguments])
    parser = capture_parser(lambda: ZooCLI("fit", sources, None))
    entries: dict[str, Any] = {}
    for part in parts:
        files = (import_module(module).__file__ for module in part.modules)
        entries[part.key] = {"files": _times(filter(None, files)), "options": {}}
        if part.of_class is not None:
            kind, name = part.of_class
            entries[part.key]["options"] = {
                part.starts + option.name: [option.type.replace("%", "%%"), [], False]
                for option in registry.options(kind, registry.load(kind, name))
            }
    own, others = tuple(f"--{named.key}." for named in NAMED_OPTIONS), [part for part in parts if part.of_class is None]
    for action in actions(parser):
        metavar = str(action.metavar)  # {a,b,c} of choices; [=flags] of --print_config, which needs none
        choices = metavar[1:-1].split(",") if metavar.startswith("{") else []
        details = [shorten(action.help or "", 80).replace("%", "%%"), choices, action.nargs == 0 or "[=" in metavar]
        for option, part in product(action.option_strings, others):
            starts = RESUME_OPTIONS if part.key == "run" else part.starts
            belongs = option.startswith(starts) and option.startswith(own) == bool(part.arguments)
            if belongs and not option.endswith(("+", ".name")):  # appending to lists, and what --model says shorter
                entries[part.key]["options"][option] = details
    return entries


def _times(files: Iterable[str]) -> dict[str, int]:
    return {file: os.stat(file).st_mtime_ns if os.path.isfile(file) else 0 for file in files}
