"""The model card of a run: Markdown with the front matter that the Hugging Face Hub reads.

Front matter as in https://huggingface.co/docs/hub/model-cards; sections after M. Mitchell et al., "Model Cards for
Model Reporting", 2019, https://arxiv.org/abs/1810.03993.
"""

from __future__ import annotations

from collections import Counter
from pathlib import Path
from typing import Any

import yaml

from zoo.data.split_file import read_split
from zoo.models.checkpoint import read_checkpoint, spec_of
from zoo.reports.card_training import training_rows
from zoo.reports.intervals import interval_text
from zoo.reports.mcnemar import read_answers
from zoo.reports.page import render
from zoo.runs.config_file import read_recorded
from zoo.runs.folder import Run
from zoo.runs.metrics import History, Monitor
from zoo.runs.records import read_record

#: How images become the network's size, as a sentence goes on.
FITS = {
    "cover": "the middle of an image, scaled to it",
    "letterbox": "the whole image, scaled into it, with bars beside it",
    "stretch": "the whole image, each side scaled to it",
}

#: Data sets of the user's own images, which are called after their folder or table, and their type on the Hub.
OWN_IMAGES = {"folder": "imagefolder", "table": "csv"}

#: Classes of which the card shows a row each.
MAX_CLASSES = 100


def model_card(run: Run, name: str = "", wheel: str = "") -> str:
    """Return the card of a run's best checkpoint.

    Args:
        run: a trained one; figures of a test are there once ``zoo test`` has measured it.
        name: what the model is called; by default after its network and data.
        wheel: the file that installs it, where it is a package.

    Raises:
        CheckpointError: the run has no checkpoint, or an unreadable one.
        UserError: its config.yaml is damaged.
    """
    path, config = run.trained(), read_recorded(run.config)
    checkpoint = read_checkpoint(path)
    spec, dataset, history = spec_of(checkpoint, path), _dataset(config["data"]), History.of(run)
    results = read_record(run.results)
    architecture = checkpoint["hyper_parameters"]["architecture"]
    title = name or f"{architecture['name'].rpartition('/')[2]} trained on {dataset['name']}"
    monitor, counts = Monitor.of(config), _counts(run, spec.classes)
    return render(
        "card.md",
        {},
        front=yaml.safe_dump(_front_matter(title, dataset, results), sort_keys=False, allow_unicode=True),
        name=title,
        model=name if wheel else "model.onnx",
        wheel=wheel,
        spec=spec,
        fit=FITS[spec.resize.fit],
        classes=[_cell(text) for text in spec.classes],
        dataset=dataset["name"],
        kind=config["data"]["dataset"]["name"],
        counts=counts,
        per_class=_per_class(run, spec.classes) if results else [],
        rows=_figures(results),
        tested=results.get("images"),
        best=history.best(monitor),
        validations=len(history.validations),
        monitor=monitor,
        training=training_rows(config, checkpoint, path, history, sum(counts.get("train", {}).values())),
        ranges={key: _range_text(key, values) for key, values in run.known_training_images().items()},
    )


def _dataset(data: dict[str, Any]) -> dict[str, str]:
    """Return what the Hub reads of a data set; the user's own images are called after their folder or table."""
    name = data["dataset"]["name"]
    own = name in OWN_IMAGES
    title = Path(str(data.get("root") or "")).name if own else name
    return {"type": OWN_IMAGES.get(name, name), "name": title or "images", "split": "test"}


def _range_text(quantity: str, values: list[float]) -> str:
    form = ".0f" if quantity in ("width", "height") else ".2f"
    return f"{quantity} {values[0]:{form}} to {values[1]:{form}}"


def _front_matter(name: str, dataset: dict[str, str], results: dict[str, Any]) -> dict[str, Any]:
    front: dict[str, Any] = {
        "library_name": "zoo-classifiers",
        "pipeline_tag": "image-classification",
        "tags": ["image-classification", "onnx", "pytorch-lightning"],
    }
    measured = {key.removeprefix("test/"): value for key, value in results.items() if key.startswith("test/")}
    if measured:
        front["metrics"] = [key for key in ("accuracy", "f1") if key in measured]
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
        count = results.get("images") if key.endswith("accuracy") else None
        text = f"{value:.3f}" if key == "loss" else f"{value:.1%}"
        rows.append((title, text, interval_text(value * count, count) if count else ""))
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
        share = f"{correct[name] / total[name]:.1%}"
        rows.append((_cell(name), total[name], share, interval_text(correct[name], total[name])))
    return rows


def _cell(text: str) -> str:
    """Return a text that stays in a cell of a Markdown table."""
    return " ".join(text.split()).replace("|", "\\|").replace("<", "&lt;")
