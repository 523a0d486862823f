"""Command lines with wrong options, absurd values and typing errors."""

from __future__ import annotations

from functools import cache

from fuzz.harness import Case
from fuzz.values import texts, typos, weighted
from fuzz.workshop import SMALL
from hypothesis import strategies as st
from jsonargparse import capture_parser

from zoo.cli.parser import COMMANDS
from zoo.config.parser_internals import option_names
from zoo.config.resolve import resolve
from zoo.config.schema import SchemaCLI

#: What each command that reads or writes takes, and a command line of it that works.
OTHERS = {
    "info": (("lenet5",), ("--classes", "--channels", "--image_size", "--data", "--config", "--freeze", "--plot")),
    "list": (("architectures",), ()),
    "check": (
        ("folder", "--data.root", "photos", "--data.num_workers", "0"),
        (
            "--data.root",
            "--output",
            "--labels",
            "--augmentation",
            "--data.val_fraction",
            "--data.split_seed",
            "--data.group",
            "--data.split",
            "--data.folds",
            "--data.fold",
            "--data.test_fraction",
            "--data.resize",
        ),
    ),
    "predict": (
        ("model.onnx", "photos/ant"),
        (
            "--model",
            "--model.weights",
            "--config",
            "--top_k",
            "--threshold",
            "--all",
            "--output",
            "--resume",
            "--strict",
            "--invert",
            "--device",
            "--tta",
            "--plot",
            "--quiet",
        ),
    ),
    "verify": (("model.onnx",), ("--providers",)),
    "runs": ((".",), ("--sort", "--filter", "--output", "--yes")),
    "report": (("tiny", "--data.num_workers", "0"), ("--output", "--data.root", "--trainer.limit_val_batches")),
    "card": (("tiny",), ("--output", "--name")),
    "package": (("tiny", "--name", "flowers"), ("--name", "--version", "--output")),
    "export": (("tiny", "--format", "safetensors"), ("--quantize", "--input", "--batch", "--tta", "--web", "--format")),
    "validate": (("tiny", "--data.num_workers", "0"), ("--data.root", "--data.batch_size", "--ckpt_path", "--tta")),
    "test": (("tiny", "--data.num_workers", "0"), ("--data.root", "--data.batch_size", "--ckpt_path", "--tta")),
    "new": (("case-package",), ("--kind",)),
    "doctor": (("--nothing",), ()),
}

#: Commands whose wrong lines cost the least.
LIGHT = ("info", "list", "predict", "verify", "runs", "card", "package", "check", "new", "doctor")


@cache
def fit_options() -> tuple[str, ...]:
    """Return the long options of ``zoo fit``."""
    parser = capture_parser(lambda: SchemaCLI("fit", resolve([]), None))
    names = {f"--{name}" for name in option_names(parser)} - {"--help", "--print_config", "--config"}
    return (*sorted(names), "--run", "--time", "--folds", "--seeds", "--quiet", "--model", "--data", "--config")


@st.composite
def _pair(draw: st.DrawFn, options: tuple[str, ...]) -> list[str]:
    """Return an option with a value, at times misspelled, joined by = or without a value."""
    option = draw(st.sampled_from(options)) if options else "--x"
    if draw(st.integers(0, 9)) == 0:
        option = draw(typos(option))
    form = draw(st.sampled_from(("two", "two", "two", "one", "alone")))
    value = draw(texts)
    return [f"{option}={value}"] if form == "one" else [option, value] if form == "two" else [option]


@st.composite
def fits(draw: st.DrawFn) -> Case:
    """Return a small training with one to three options more."""
    words = ["fit", "--data", "folder", *SMALL]
    for _ in range(draw(st.integers(1, 3))):
        words += draw(_pair(fit_options()))
    return Case(tuple(words), writes=("runs", ""))


@st.composite
def others(draw: st.DrawFn, commands: tuple[str, ...] = tuple(OTHERS)) -> Case:
    """Return another command: its words changed, left out or with others between, and options more."""
    command = draw(st.sampled_from(commands))
    right, options = OTHERS[command]
    words = [command, *right]
    for _ in range(draw(st.integers(0, 3))):
        words += draw(_pair((*options, "--data.root", "--debugg", "--config", "--model")))
    if draw(st.booleans()):
        place = draw(st.integers(0, len(words) - 1))
        changed = draw(st.one_of(typos(words[place]), texts))
        words[place : place + 1] = [] if draw(st.integers(0, 3)) == 0 else [changed]
    encoding = draw(st.sampled_from(("utf-8", "utf-8", "ascii")))
    return Case(tuple(words), writes=("",), encoding=encoding)


@st.composite
def nonsense(draw: st.DrawFn) -> Case:
    """Return any words."""
    words = draw(st.lists(st.one_of(texts, st.sampled_from((*COMMANDS, "--help", "--version", "rm"))), max_size=5))
    return Case(tuple(words), writes=("",))


command_lines = weighted(
    weighted(others(LIGHT), nonsense()), st.one_of(fits(), others(tuple(set(OTHERS) - set(LIGHT)))), 15
)
