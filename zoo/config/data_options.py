"""Options of data that commands other than ``zoo fit`` take, typed and checked as there."""

from __future__ import annotations

import argparse
from collections.abc import Mapping, Sequence
from typing import Any

import jsonargparse

from zoo.config.builder_options import add_builder
from zoo.config.messages import parser_error
from zoo.config.resolve import resolve
from zoo.core.errors import UserError


def parse_data_options(
    command: str, name: str, args: Sequence[str], types: Mapping[str, tuple[Any, Any]]
) -> dict[str, Any]:
    """Return the options of ``data`` by their names, and under ``dataset`` the data set's own.

    Args:
        command: the word after ``zoo``, for errors.
        name: registered name of the data set.
        args: ``--data.dataset.<option>`` and ``--data.<option>`` of the types, as the user typed them.
        types: type and default of each option of ``data`` that the command takes.

    Raises:
        UserError: an option is unknown, or its value wrong; the data set is named twice.
    """
    sources = resolve(["--data", name, *args])
    if sources.names != resolve(["--data", name]).names:
        raise UserError(f"zoo {command} {name} already names the data set; leave --data and --model out")
    parser = jsonargparse.ArgumentParser(prog=f"zoo {command}", exit_on_error=False, allow_abbrev=False)
    for option, (kind, default) in types.items():
        parser.add_argument(f"--data.{option}", type=kind, default=default)
    add_builder(parser, "dataset", "data.dataset", sources.names["dataset"], "")
    try:
        config: dict[str, Any] = parser.parse_args(sources.args).data.as_dict()
    except (argparse.ArgumentError, jsonargparse.ArgumentError) as error:
        raise parser_error(str(error), parser, sources) from error
    config["dataset"].pop("name")
    return config
