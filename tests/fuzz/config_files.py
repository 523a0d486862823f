"""YAML config files, and the other files of a run, with wrong keys, values, structure and bytes."""

from __future__ import annotations

import json
from functools import cache
from pathlib import Path
from typing import Any

import yaml
from fuzz.harness import CANARY, Case
from fuzz.values import MISSING, damaged, paths_in, replaced, scalars, typos, values, weighted
from fuzz.workshop import SMALL
from hypothesis import strategies as st

#: YAML that is a config's file at most by its name.
ODD_YAML = (
    *(
        "",
        "null",
        "- a",
        "a",
        "{",
        "\ta: 1",
        "a: b: c",
        "a: *x",
        "a: &x [*x]",
        "? [1]\n: 2",
        "1: 2",
        "true: 1",
        "---\n---\n",
    ),
    *(
        "data: 2001-12-14",
        "data: !!binary aGVsbG8=",
        "data: !!set {a, b}",
        "data: !!python/name:os.system",
        "%YAML 9.9",
    ),
    *("data: {batch_size: 1, batch_size: 2}", "<<: {a: 1}", "<<: 1", "data: {<<: [1]}", "a: !x y", "x: 0x_", "x: 1_0"),
    *(
        "model: [" * 60,
        "a: " + "[" * 5000,
        "a: {b: " * 200,
        "\x00",
        "\ufeffdata: digits",
        "data: |\n  x\n y",
        "...",
        "a: '",
    ),
    *("\n".join(f"{chr(97 + n)}: &{chr(97 + n)} [{f'*{chr(96 + n)}, ' * 9 if n else '1, ' * 9}]" for n in range(9)),),
    *(f"code: {CANARY}.py", f"model: {CANARY}.py", f"trainer: {{callbacks: [{{class_path: {CANARY}.Thing}}]}}"),
)

#: The files of a run that commands read.
RUN_FILES = ("config.yaml", "state.json", "training_images.json", "calibration.json", "metrics.csv", "split.csv")


#: Those that read them, the quick ones and others.
RUN_COMMANDS = (("runs", "case"), ("card", "case/run"), ("predict", "case/run", "photos/ant/0.png"))
SLOW_COMMANDS = (
    *(("validate", "case/run"), ("report", "case/run"), ("export", "case/run", "--format", "safetensors")),
    *(("fit", "case/run", "--trainer.max_epochs", "2"), ("package", "case/run", "--name", "x", "--output", "case/d")),
)


@cache
def run_file(pristine: Path, name: str) -> bytes:
    """Return a file of the trained run."""
    return (pristine / "tiny" / name).read_bytes()


@st.composite
def _tree(draw: st.DrawFn, tree: Any) -> Any:
    """Return a tree with one to three values replaced, missing, renamed, wrapped or added."""
    for _ in range(draw(st.integers(1, 3))):
        way = draw(st.sampled_from(("value", "value", "value", "missing", "rename", "wrap", "add")))
        path = draw(st.sampled_from(paths_in(tree)))
        if way == "value":
            new = draw(values)
            tree = replaced(tree, path, lambda _, new=new: new)
        elif way == "missing" and path:
            tree = replaced(tree, path, lambda _: MISSING)
        elif way == "wrap":
            tree = replaced(tree, path, lambda old: [old])
        elif way == "add":
            key, new = draw(scalars), draw(values)
            tree = replaced(
                tree, path, lambda old, pair=(key, new): {**old, pair[0]: pair[1]} if isinstance(old, dict) else old
            )
        elif path and isinstance(path[-1], str):
            key = draw(typos(path[-1]))

            def rename(old: Any, last: str = path[-1], key: str = key) -> Any:
                return {key if name == last else name: value for name, value in old.items()}

            tree = replaced(tree, path[:-1], rename)
    return tree


@st.composite
def config_texts(draw: st.DrawFn, config: bytes) -> bytes:
    """Return the bytes of a config file: a changed tree, odd YAML behind or before a right one, or damaged bytes."""
    way = draw(st.sampled_from(("tree", "tree", "tree", "odd", "bytes", "encoding")))
    if way == "bytes":
        return draw(damaged(config, len(config)))
    if way == "encoding":
        return config.decode().encode(draw(st.sampled_from(("utf-16", "utf-32", "utf-8-sig", "utf-16-le"))))
    if way == "odd":
        odd = draw(st.sampled_from(ODD_YAML)).encode()
        return draw(st.sampled_from((odd, config + b"\n" + odd, odd + b"\n" + config)))
    tree = draw(_tree(yaml.safe_load(config)))
    return yaml.safe_dump(tree, allow_unicode=draw(st.booleans()), sort_keys=False).encode("utf-8", "surrogateescape")


@st.composite
def _configs(draw: st.DrawFn, pristine: Path) -> Case:
    """Return a command with a config file."""
    content = draw(config_texts(run_file(pristine, "config.yaml")))
    limits = draw(st.sampled_from(((), SMALL)))
    argv = draw(
        st.sampled_from(
            (
                ("fit", "--config", "case/c.yaml", *limits),
                ("fit", "--config", "case/c.yaml", *SMALL),
                ("info", "--config", "case/c.yaml"),
                ("predict", "--config", "case/c.yaml", "photos/ant/0.png"),
            )
        )
    )
    return Case(argv, {"c.yaml": content}, writes=("runs", ""))


@st.composite
def _of_a_run(draw: st.DrawFn, pristine: Path) -> Case:
    """Return a command about a run, one file of which is not as zoo wrote it."""
    name = draw(st.sampled_from(RUN_FILES))
    content = run_file(pristine, name)
    if name == "config.yaml":
        content = draw(config_texts(content))
    elif name.endswith(".json") and draw(st.integers(0, 2)):
        tree = draw(_tree(json.loads(content)))
        content = json.dumps(tree, default=str, skipkeys=True).encode()
    else:
        content = draw(damaged(content, len(content)))
    argv = draw(weighted(st.sampled_from(RUN_COMMANDS), st.sampled_from(SLOW_COMMANDS), 15))
    return Case(argv, {f"run/{name}": content}, run=True, writes=("case/",))


def config_files(pristine: Path) -> st.SearchStrategy[Case]:
    """Return the family, about the folder that ``workshop`` has filled."""
    return weighted(_of_a_run(pristine), _configs(pristine), 6)
