"""Parses a configuration: an error is one line, and what values name is checked before it is imported."""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from typing import Any

import jsonargparse

from zoo.config.class_rule import checked_classes
from zoo.config.messages import parser_error
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
                return parser.parse_args(args)
            except (argparse.ArgumentError, jsonargparse.ArgumentError) as error:
                if "arguments are required: T_max" not in str(error):
                    raise
                return parser.parse_args([*args, "--lr_scheduler.init_args.T_max=0"])  # the run's length
        except (argparse.ArgumentError, jsonargparse.ArgumentError) as error:
            raise parser_error(str(error), parser, sources) from error
