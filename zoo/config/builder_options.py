"""The options of a builder: its own typed parameters, described by its docstring. No Lightning."""

from __future__ import annotations

import inspect

import jsonargparse

from zoo.core import registry
from zoo.core.errors import UserError


def add_builder(parser: jsonargparse.ArgumentParser, kind: registry.Kind, key: str, name: str, origin: str) -> None:
    """Add a builder's own parameters as options ``--<key>.<parameter>``, typed and described by its docstring."""
    builder = registry.load(kind, name, origin)
    skip: set[str | int] = set(list(inspect.signature(builder).parameters)[: len(registry.KINDS[kind].passed)])
    if registry.KINDS[kind].keyword_only:  # the parser would follow *args and **kwargs to what the options extend
        own = {option.name for option in registry.options(kind, builder)}
        bases = inspect.getmro(builder) if inspect.isclass(builder) else ()
        skip.update(name for base in bases for name in inspect.signature(base).parameters if name not in own)
    parser.add_argument(
        f"--{key}.name", type=str, default=name, help=f"Registered name of the {registry.KINDS[kind].title}."
    )
    try:
        if inspect.isclass(builder):
            parser.add_class_arguments(builder, key, skip=skip, instantiate=False, fail_untyped=False)
        else:
            parser.add_function_arguments(builder, key, skip=skip, fail_untyped=False)
    except ValueError as error:
        raise UserError(f"{registry.KINDS[kind].title} '{name}' breaks the contract: its options: {error}") from error
