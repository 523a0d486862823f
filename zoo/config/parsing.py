"""Parses a configuration: an error is one line, and what values name is checked before it is imported."""

from __future__ import annotations

import argparse
import inspect
from collections.abc import Sequence
from typing import Any

import jsonargparse

from zoo.config.class_rule import checked_classes
from zoo.config.messages import null_error, parser_error
from zoo.config.parser_internals import allows_null, imported, types_without_null
from zoo.config.resolve import ConfigSources


def parse(parser: jsonargparse.ArgumentParser, args: Sequence[str], sources: ConfigSources) -> Any:
    """Return the configuration.

    Args:
        parser: of a command.
        args: the sources' own, or a part of them.
        sources: what the configuration is made of, for the names of its files.

    Raises:
        UserError: an option is unknown or its value wrong, or a class may not be imported.
    """
    with checked_classes(sources):
        try:
            try:
                return _with_values(parser.parse_args(args), parser, sources)
            except (argparse.ArgumentError, jsonargparse.ArgumentError) as error:
                if "arguments are required: T_max" not in str(error):
                    raise
                longer = [*args, "--lr_scheduler.init_args.T_max=0"]  # the run's length
                return _with_values(parser.parse_args(longer), parser, sources)
        except (argparse.ArgumentError, jsonargparse.ArgumentError) as error:
            raise parser_error(str(error), parser, sources) from error


def _with_values(config: Any, parser: jsonargparse.ArgumentParser, sources: ConfigSources) -> Any:
    """Return the configuration; UserError where an option, or an argument of its class, is null and needs a value."""
    types = types_without_null(parser)
    for name in [name for name, value in config.items(branches=True) if name.endswith(".init_args") and value]:
        class_path = config[f"{name.removesuffix('init_args')}class_path"]
        types |= {f"{name}.{key}": kind for key, kind in _types_of_arguments(imported(class_path)).items()}
    for name, kind in types.items():
        if name in config and config[name] is None:
            raise null_error(name, kind, sources)
    return config


def _types_of_arguments(builder: Any) -> dict[str, Any]:
    """Return the types of the arguments whose annotation and default say that they are never None."""
    return {
        name: parameter.annotation
        for name, parameter in inspect.signature(builder).parameters.items()
        if parameter.default is not None
        and parameter.annotation is not parameter.empty
        and not isinstance(parameter.annotation, str)  # not evaluated: it may name None in any way
        and not allows_null(parameter.annotation)
    }
