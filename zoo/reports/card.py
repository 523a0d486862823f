"""The model card of a run: Markdown with the front matter that the Hugging Face Hub reads.

Front matter as in https://huggingface.co/docs/hub/model-cards; sections after M. Mitchell et al., "Model Cards for
Model Reporting", 2019, https://arxiv.org/abs/1810.03993.
"""

from __future__ import annotations

import hashlib
import math
from collections import Counter
from pathlib import Path
from typing import Any

import yaml

from zoo.core.version import __version__
from zoo.data.split_file import read_split
from zoo.models.checkpoint import read_checkpoint, spec_of
from zoo.reports.mcnemar import read_answers
from zoo.reports.page import render
from zoo.runs.config_file import read_config
from zoo.runs.folder import Run
from zoo.runs.metrics import History, Monitor
from zoo.runs.records import read_record

#: The 97.5 % quantile of the normal distribution, for intervals of 95 %.
QUANTILE = 1.959964

#: Classes of which the card shows a row each.
MAX_CLASSES = 100


def model_card(run: Run, name: str = "") -> str:
    """Return the card of a run's best checkpoint.

    Args:
        run: a trained one; figures of a test are there once ``zoo test`` has measured it.
        name: what the model is called; by default the run's title.

    Raises:
        CheckpointError: the run has no checkpoint, or an unreadable one.
        UserError: its config.yaml is damaged.
    """
    path, config = run.trained(), read_config(run.config)
    checkpoint = read_checkpoint(path)
    spec, data, trainer = spec_of(checkpoint, path), config["data"], config["trainer"]
    results = read_record(run.results)
    monitor = Monitor.of(config)
    figures = _figures(results)
    return render(
        "card.md",
        {},
        front=yaml.safe_dump(_front_matter(name or run.title, data, results), sort_keys=False, allow_unicode=True),
        name=name or run.title,
        model=name or "model.onnx",
        spec=spec,
        classes=[_cell(text) for text in spec.classes],
        dataset=data["dataset"]["name"],
        counts=_counts(run, spec.classes),
        per_class=_per_class(run, spec.classes) if results else [],
        max_classes=MAX_CLASSES,
        rows=figures,
        tested=results.get("images"),
        best=History.of(run).best(monitor),
        monitor=monitor,
        architecture=checkpoint["hyper_parameters"]["architecture"],
        parameters=sum(value.numel() for value in checkpoint["state_dict"].values()),
        weights=config["model"].get("weights"),
        freeze=config["model"].get("freeze"),
        optimizer=_class_text(config.get("optimizer")),
        schedule=_class_text(config.get("lr_scheduler")),
        epochs=trainer["max_epochs"],
        batch_size=data["batch_size"],
        augmentation=data.get("augmentation"),
        seed=config["seed_everything"],
        epoch=checkpoint["epoch"] + 1,
        step=checkpoint["global_step"],
        digest=_sha256(path),
        ranges=run.known_training_images(),
        version=__version__,
    )


def interval(correct: float, count: int) -> tuple[float, float]:
    """Return the 95 % interval of a share by E. B. Wilson, 1927: https://doi.org/10.1080/01621459.1927.10502953.

    Args:
        correct: the number of successes.
        count: of how many, 1 or more.
    """
    share, square = correct / count, QUANTILE**2
    middle = (share + square / (2 * count)) / (1 + square / count)
    half = QUANTILE / (1 + square / count) * math.sqrt(share * (1 - share) / count + square / (4 * count**2))
    return max(0.0, middle - half), min(1.0, middle + half)


def _front_matter(name: str, data: dict[str, Any], results: dict[str, Any]) -> dict[str, Any]:
    front: dict[str, Any] = {
        "library_name": "zoo-classifiers",
        "pipeline_tag": "image-classification",
        "tags": ["image-classification", "onnx", "pytorch-lightning"],
    }
    measured = {key.removeprefix("test/"): value for key, value in results.items() if key.startswith("test/")}
    if measured:
        front["metrics"] = [key for key in ("accuracy", "f1") if key in measured]
        dataset = {"type": data["dataset"]["name"], "name": data["dataset"]["name"], "split": "test"}
        front["model-index"] = [
            {
                "name": name,
                "results": [
                    {
                        "task": {"type": "image-classification"},
                        "dataset": dataset,
                        "metrics": [{"type": key, "value": measured[key]} for key in front["metrics"]],
                    }
                ],
            }
        ]
    return front


def _figures(results: dict[str, Any]) -> list[tuple[str, str, str]]:
    """Return name, value and interval of each figure of the test."""
    names = {"accuracy": "accuracy", "top5_accuracy": "top-5 accuracy", "f1": "macro F1", "loss": "loss"}
    rows = []
    for key, title in names.items():
        if (value := results.get(f"test/{key}")) is None:
            continue
        if not key.endswith("accuracy"):
            rows.append((title, f"{value:.4f}", ""))
            continue
        count = results.get("images")
        low, high = interval(value * count, count) if count else (0.0, 1.0)
        rows.append((title, f"{value:.1%}", f"{low:.1%} to {high:.1%}"))
    return rows


def _counts(run: Run, classes: tuple[str, ...]) -> dict[str, Counter[str]]:
    """Return the number of images of each class, by split, as the run recorded them; empty where it recorded none."""
    counts: dict[str, Counter[str]] = {}
    none = dict.fromkeys(classes, 0)
    if run.split.is_file():
        for row in read_split(run.path).values():
            counts.setdefault(row.split, Counter(none))[row.class_name or ""] += 1
    return {split: counts[split] for split in ("train", "val", "test") if split in counts}


def _per_class(run: Run, classes: tuple[str, ...]) -> list[tuple[str, int, str, str]]:
    """Return class, test images, recall and its interval, by the predictions of the test."""
    if not run.predictions.is_file() or len(classes) > MAX_CLASSES:
        return []
    total: Counter[str] = Counter()
    correct: Counter[str] = Counter()
    for label, prediction in read_answers(run.predictions).values():
        total[label] += 1
        correct[label] += label == prediction
    rows = []
    for name in filter(total.__contains__, classes):
        low, high = interval(correct[name], total[name])
        rows.append((_cell(name), total[name], f"{correct[name] / total[name]:.1%}", f"{low:.1%} to {high:.1%}"))
    return rows


def _class_text(config: dict[str, Any] | None) -> str:
    """Return a class and its main argument: ``SGD, lr 0.1``; empty without one."""
    if not config:
        return ""
    arguments = config.get("init_args") or {}
    rate = next((f", {key} {arguments[key]:g}" for key in ("lr", "max_lr") if arguments.get(key)), "")
    return str(config["class_path"]).rpartition(".")[2] + rate


def _cell(text: str) -> str:
    """Return a text that stays in a cell of a Markdown table."""
    return " ".join(text.split()).replace("|", "\\|").replace("<", "&lt;")


def _sha256(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()
