"""A stranger's package with one part of each registry, each under ten lines; and each part broken in five ways."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest
import yaml
from support import error_of

from zoo.core import registry
from zoo.core.kinds import KINDS

#: One module a kind, whose builder is the function ``build`` or the class ``Build``.
PARTS = {path.stem: path.read_text() for path in sorted(Path(__file__).parents[1].glob("fixtures/stranger/*.py"))}

#: What uses each part, named after its kind with _x, as a user would.
USES = {
    "architecture": ("--model", "architecture_x", "--model.architecture.width", 4),
    "dataset": ("--data", "dataset_x", "--data.dataset.bright", 100),
    "augmentation": ("--data.augmentation", "{name: augmentation_x, share: 0.2}"),
    "loss": ("--model.loss", "loss_x", "--model.loss.power", 1.5),
    "metric": ("--model.metrics", "metric_x"),
    "optimizer": ("--optimizer", "optimizer_x", "--optimizer.lr", 0.02),
    "scheduler": ("--lr_scheduler", "scheduler_x", "--lr_scheduler.decay", 0.5),
    "task": ("--model.task", "task_x"),
    "callback": ("--callbacks", "callback_x"),
    "logger": ("--logger", "logger_x"),
}
SHORT = ("--trainer.max_epochs", 1, "--trainer.limit_train_batches", 2, "--data.num_workers", 0, "--run", "own")

#: The function or class of each module, and its first line inside.
HEADS = {
    "architecture": "    pixels, classes =",
    "dataset": "    labels = np",
    "augmentation": "    return v2",
    "loss": "    return lambda",
    "metric": "    return Multi",
    "optimizer": "        super()",
    "scheduler": "        super()",
    "task": "        images, labels",
    "callback": "        pl_module",
    "logger": "    return CSV",
    "command": "    print",
}

#: How each returns something of another type or is no such class, and something of another shape; and what is said.
TYPES = {
    "architecture": ("    pixels, classes =", "    return 'net'\n    pixels, classes =", "nn.Module"),
    "dataset": ("    labels = np", "    return 'data'\n    labels = np", "data set 'dataset_x'"),
    "augmentation": ("return v2.RandomInvert(share)", "return 'invert'", "augmentation 'augmentation_x'"),
    "loss": ("return lambda logits, shares:", "return 'loss' or", "must return a function, received str"),
    "metric": ("return MulticlassMatthewsCorrCoef(len(spec.classes))", "return 'metric'", "received str"),
    "optimizer": ("class Build(torch.optim.SGD)", "class Build(dict)", "subclass of torch.optim.optimizer.Optimizer"),
    "scheduler": ("class Build(LambdaLR)", "class Build(dict)", "subclass of torch.optim.lr_scheduler.LRScheduler"),
    "task": ("class Build(zoo.ImageClassifier)", "class Build(dict)", "a task is a subclass of zoo.ImageClassifier"),
    "callback": ("class Build(Callback)", "class Build", "must return a lightning Callback, received Build"),
    "logger": ('return CSVLogger(run.path, name=name, version="csv")', "return name", "lightning Logger, received str"),
}
SHAPES = {
    "architecture": ("nn.Linear(width, classes)", "nn.Linear(width, classes + 1)", "architecture 'architecture_x'"),
    "dataset": ("images.astype(np.uint8)", "images[..., 0, 0]", "data set 'dataset_x'"),
    "augmentation": ("v2.RandomInvert(share)", "v2.Resize((3, 3))", "augmentation 'augmentation_x'"),
    "loss": (".sum(1)", "", "must return the loss of each image"),
    "metric": ("Coef(len(spec.classes))", "Coef(len(spec.classes) + 1)", "metric_x"),
    "optimizer": ("momentum=0.9)", "momentum=0.9)\n\n    def step(self):\n        pass", "step() takes 1 positional"),
    "scheduler": ("lambda epoch: decay**epoch", "[lambda epoch: 1, lambda epoch: 2]", "scheduler 'scheduler_x'"),
    "task": ("return self.loss(self(images), labels)", "return self(images)", "training_step must return the loss"),
    "callback": ("self, trainer, pl_module", "self", "raises TypeError"),
    "logger": ('CSVLogger(run.path, name=name, version="csv")', "run", "must return a lightning Logger"),
}


@pytest.fixture
def stranger(install):
    """Install the package, some of its modules changed."""

    def add(distribution="stranger-parts", only=None, **changed):
        package = f"stranger_{len(list(sys.modules))}_{abs(hash(str(changed))) % 1000}"
        lines = []
        for kind in PARTS if only is None else [only]:
            builder = "Build" if "class Build" in PARTS[kind] else "build"
            lines.append(f"[{KINDS[kind].group}]\n{kind}_x = {package}_{kind}:{builder}\n")
        install(distribution, "".join(lines))
        site = Path(sys.path[0])
        for kind, source in PARTS.items():
            (site / f"{package}_{kind}.py").write_text(changed.get(kind, source))

    return add


def fails(zoo, kind):
    """Use a part that is broken, and return the one line that says so."""
    status, _, err = zoo("command_x") if kind == "command" else zoo("fit", *USES[kind], *SHORT)
    assert status in (1, 2), err
    [line] = [line for line in err.splitlines() if line.startswith("error: ")]
    return line


@pytest.mark.parametrize("kind", PARTS)
def test_no_part_is_longer_than_ten_lines(kind):
    assert len(PARTS[kind].splitlines()) <= 9


def test_a_run_trains_with_all_parts_at_once_is_tested_and_resumed(zoo, stranger, tmp_path):
    stranger()
    uses = [word for words in USES.values() for word in words]
    status, _, err = zoo("fit", *uses, *SHORT)
    assert status == 0, err
    run = tmp_path / "runs" / "own"
    config = yaml.safe_load((run / "config.yaml").read_text())
    assert config["model"]["task"] == {"name": "task_x", "from": "stranger-parts==1.0"}
    assert (run / "table" / "csv" / "metrics.csv").exists()
    for args in (("test", run), ("fit", run, "--trainer.max_epochs", 2), ("export", run)):
        status, _, err = zoo(*args)
        assert status == 0, err
    assert zoo("command_x", "one", "two")[1] == "received 2 words\n"


@pytest.mark.parametrize("kind", PARTS)
def test_each_part_is_listed_and_described(zoo, stranger, kind):
    stranger()
    if KINDS[kind].plural:
        assert f"{kind}_x" in zoo("list", KINDS[kind].plural)[1]
    assert f"{KINDS[kind].title} {kind}_x, from stranger-parts 1.0" in zoo("info", f"{kind}_x")[1]


@pytest.mark.parametrize("kind", PARTS)
def test_a_part_whose_module_needs_another_package_is_named(zoo, stranger, kind):
    stranger(**{kind: "import not_there\n" + PARTS[kind]})
    line = fails(zoo, kind)
    assert f"{KINDS[kind].title} '{kind}_x' of stranger-parts 1.0 cannot be imported" in line
    assert "No module named 'not_there'" in line


@pytest.mark.parametrize("kind", PARTS)
def test_a_part_that_raises_is_named(zoo, stranger, kind):
    head = HEADS[kind]
    indent = head[: len(head) - len(head.lstrip())]
    stranger(**{kind: PARTS[kind].replace(head, f"{indent}raise KeyError('mine')\n{head}", 1)})
    line = fails(zoo, kind)
    assert f"{KINDS[kind].title} '{kind}_x' of stranger-parts 1.0" in line
    assert ("'mine'" if kind in ("optimizer", "scheduler") else "raises KeyError: 'mine'") in line


@pytest.mark.parametrize(("kind", "change"), [*TYPES.items(), *SHAPES.items()])
def test_a_part_of_another_type_or_shape_is_named_with_the_clause(zoo, stranger, kind, change):
    old, new, clause = change
    assert old in PARTS[kind]
    stranger(**{kind: PARTS[kind].replace(old, new, 1)})
    line = fails(zoo, kind)
    assert f"{KINDS[kind].title} '{kind}_x' of stranger-parts 1.0" in line
    assert clause in line


@pytest.mark.parametrize("kind", PARTS)
def test_a_name_that_two_packages_have_is_an_error_that_names_both(zoo, stranger, kind):
    stranger()
    stranger(distribution="other-parts", only=kind)
    line = fails(zoo, kind)
    assert f"'{kind}_x' is registered by 2 distributions" in line
    assert f"other-parts:{kind}_x, stranger-parts:{kind}_x" in line


def test_a_broken_part_breaks_nothing_else(zoo, stranger):
    stranger(loss="1 / 0", task="import not_there")
    assert zoo("fit", *USES["optimizer"], *SHORT)[0] == 0
    assert "loss_x" in zoo("list", "losses")[1]
    assert callable(registry.load("architecture", "architecture_x"))
    assert "cannot be imported: ZeroDivisionError" in error_of(zoo("info", "loss_x"))
