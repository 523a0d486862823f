"""The table of kinds of names: everything that a distribution can register, one row a kind.

A new kind is a new row here; listing, ``zoo info``, ``zoo doctor``, completion and messages read it. Built-in names are
entry points of this project's pyproject.toml in the group of their kind, like anybody's.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

#: The name of a kind, a key of KINDS.
Kind = str


@dataclass(frozen=True)
class KindFacts:
    """What zoo must know of a kind.

    Args:
        group: of its entry points.
        title: what messages call one of them.
        passed: parameters that zoo passes to a builder itself, by position; every other parameter is an option of the
            user.
        use: what stands before a name where it is used.
        option: what stands before a name's own options on the command line; empty where they stand in config files and
            lists alone.
        plural: the word by which ``zoo list`` shows the kind; empty where it does not.
        families: group of entry points that bring many names each; empty where there is none.
        by_path: whether the import path of a builder may stand for a name.
        of_folder: what the user may have meant by the path of a folder in place of a name; empty where nothing.
        keyword_only: whether the options are the keyword-only parameters alone: those of a subclass, which passes all
            others on.
    """

    group: str
    title: str
    passed: tuple[str, ...] = ()
    use: str = ""
    option: str = ""
    plural: str = ""
    families: str = ""
    by_path: bool = False
    keyword_only: bool = False
    of_folder: str = ""


KINDS: Mapping[Kind, KindFacts] = {
    "architecture": KindFacts(
        "zoo.architectures",
        "architecture",
        ("spec",),
        "--model",
        "--model.architecture.",
        "architectures",
        "zoo.architecture_families",
    ),
    "dataset": KindFacts(
        "zoo.datasets",
        "data set",
        ("root", "split"),
        "--data",
        "--data.dataset.",
        "datasets",
        "zoo.dataset_families",
        of_folder="--data folder --data.root {}",
    ),
    "augmentation": KindFacts(
        "zoo.augmentations", "augmentation", ("spec",), "--data.augmentation", plural="augmentations"
    ),
    "loss": KindFacts("zoo.losses", "loss", ("spec",), "--model.loss", "--model.loss.", "losses", by_path=True),
    "metric": KindFacts("zoo.metrics", "metric", ("spec",), "--model.metrics", plural="metrics", by_path=True),
    "optimizer": KindFacts(
        "zoo.optimizers",
        "optimizer",
        ("params",),
        "--optimizer",
        "--optimizer.",
        "optimizers",
        "zoo.optimizer_families",
    ),
    "scheduler": KindFacts(
        "zoo.schedulers", "scheduler", ("optimizer",), "--lr_scheduler", "--lr_scheduler.", "schedulers"
    ),
    "task": KindFacts("zoo.tasks", "task", (), "--model.task", "--model.task.", "tasks", keyword_only=True),
    "callback": KindFacts("zoo.callbacks", "callback", (), "--callbacks", plural="callbacks"),
    "logger": KindFacts("zoo.loggers", "logger", ("run",), "--logger", plural="loggers"),
    "model": KindFacts("zoo.models", "model", use="zoo predict", plural="models"),
    "command": KindFacts("zoo.commands", "command", ("argv",), "zoo"),
}

#: The kinds that may have families.
FAMILY_KINDS: tuple[Kind, ...] = tuple(kind for kind, facts in KINDS.items() if facts.families)

#: What the plugins of this project bring: kind and name, or family, and the plugin.
PLUGINS: Mapping[tuple[Kind, str], str] = {
    ("architecture", "timm"): "zoo-timm",
    ("optimizer", "timm"): "zoo-timm",
    ("dataset", "hf"): "zoo-hf",
    ("command", "serve"): "zoo-serve",
}
