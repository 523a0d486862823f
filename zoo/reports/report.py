"""RUN/report.html: one page, without a network, about what a run learned and how.

metrics.csv · config.yaml · predictions of a split · a few pictures ──► sections ──► report.html
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import matplotlib as mpl
import numpy as np
import torch
from lightning.pytorch import Trainer

from zoo.core.console import print_stderr
from zoo.data.datamodule import ImageDataModule, Split
from zoo.models.classifier import Classifier
from zoo.reports import markup, sections
from zoo.reports.assess import Assessment
from zoo.reports.environment import environment, peak_memory
from zoo.reports.evaluation import Picture, Predictions, predictions_of
from zoo.reports.gradcam import find_feature_map, heat_maps
from zoo.runs.config_file import read_config
from zoo.runs.files import write_atomically
from zoo.runs.folder import Run
from zoo.runs.metrics import History

#: Pictures under Grad-CAM of the mistakes, and as many of the hits; and pictures that show augmentation.
LOOKED_AT = 3
VARIED = 8


@dataclass(frozen=True)
class Subject:
    """What a report is about.

    Args:
        run: the run.
        classifier: with the weights of the checkpoint.
        data: the run's data.
        trainer: says on which device the network runs, and how much of a split counts.
        epoch: of the checkpoint, from 0.
    """

    run: Run
    classifier: Classifier
    data: ImageDataModule
    trainer: Trainer
    epoch: int


@contextmanager
def spared(run: Run) -> Iterator[None]:
    """Let a report fail without what it is about: one line says so, and how to make it again."""
    again = f"again with: zoo report {run.path}"
    try:
        yield
    except SystemExit:  # Ctrl-C or SIGTERM
        print_stderr(f"interrupted while reporting; the run is complete; {again}")
        raise
    except Exception as error:  # whatever it is, the run is worth more than its report
        print_stderr(f"no report: {type(error).__name__}: {' '.join(str(error).split())}; {again}")


def write_report(
    subject: Subject,
    split: Split,
    predictions: Predictions | None = None,
    *,
    fitted: bool = False,
    output: Path | None = None,
) -> Path:
    """Write a run's report, complete, in place of an older one.

    Args:
        subject: what it is about.
        split: which images it tells of.
        predictions: of the split; where there are none, it is classified here.
        fitted: whether this process has trained the run, so that its versions and memory are the training's.
        output: the page; None is RUN/report.html.

    Returns:
        The page.

    Raises:
        ZooError: the split is not there, an image is damaged, the folder cannot be written ...
    """
    page = subject.run.report if output is None else output
    write_atomically(page, report_page(subject, split, predictions, fitted))
    return page


def report_page(subject: Subject, split: Split, predictions: Predictions | None, fitted: bool) -> str:
    """Return the page that ``write_report`` writes."""
    run, classes = subject.run, subject.classifier.spec.classes
    if predictions is None:
        predictions = _predict(subject, split)
    assessment = predictions.assessment()
    training = _training(subject, fitted)
    history = History.of(run)
    body = [_summary(subject, split, assessment, history), sections.curves(history, subject.epoch + 1)]
    if assessment is None:
        body.append(markup.section("Predictions", note=f"The trainer's limits leave no image of the {split} split."))
    else:
        body += [
            sections.confusion(assessment, classes),
            sections.per_class(assessment, classes),
            sections.calibration(assessment),
            sections.pictures("Most confident mistakes", "The surest first.", predictions.mistakes, classes),
            sections.pictures("Least certain hits", "The least sure first.", predictions.unsure_hits, classes),
            _grad_cam(subject, [*predictions.mistakes[:LOOKED_AT], *predictions.unsure_hits[:LOOKED_AT]]),
        ]
    body += [
        _augmentation(subject, "train" if fitted else split),
        sections.speed(history, training.get("memory", "not known: another process trained, and left no report")),
        _origins(run, training),
    ]
    figures = {"run": run.title, "split": split, "classes": list(classes), "training": training}
    return markup.page(run.title, body, figures | (assessment.numbers() if assessment is not None else {}))


def _predict(subject: Subject, split: Split) -> Predictions:
    data, trainer = subject.data, subject.trainer
    loader = data.val_dataloader() if split == "val" else data.test_dataloader()
    limit = trainer.limit_val_batches if split == "val" else trainer.limit_test_batches
    batches = limit if isinstance(limit, int) else int(len(loader) * limit)
    return predictions_of(subject.classifier, loader, trainer, batches)


def _training(subject: Subject, fitted: bool) -> dict[str, str]:
    """Return what the training ran on: measured now, or as the report told that was made then."""
    if fitted:
        device = subject.trainer.strategy.root_device
        return {**environment(), "device": str(device), "memory": peak_memory(device)}
    told = markup.figures_in(subject.run.report).get("training")
    return {str(key): str(value) for key, value in told.items()} if isinstance(told, dict) else {}


def _summary(subject: Subject, split: Split, assessment: Assessment | None, history: History) -> str:
    made = markup.facts(
        _made_of(subject) | {"epochs": str(len(history.epochs)), "checkpoint": f"epoch {subject.epoch + 1}"}
    )
    if assessment is None:
        return markup.section("Summary", made)
    measured = {
        "accuracy": f"{assessment.accuracy:.2%}",
        **({} if assessment.top5_accuracy is None else {"top-5 accuracy": f"{assessment.top5_accuracy:.2%}"}),
        "macro F1": f"{assessment.macro_f1:.4f}",
        "calibration error": f"{assessment.calibration_error:.2%}",
    }
    images = f"On the {split} split, {assessment.images:,} images"
    return markup.section("Summary", markup.heading(images), markup.facts(measured), markup.heading("What"), made)


def _made_of(subject: Subject) -> dict[str, str]:
    """Return what was trained on what, and how, in a few words."""
    classifier, spec, config = subject.classifier, subject.classifier.spec, read_config(subject.run.config)
    parameters = list(classifier.network.parameters())
    frozen = sum(parameter.numel() for parameter in parameters if not parameter.requires_grad)
    optimizer = config["optimizer"]
    rate = (optimizer.get("init_args") or {}).get("lr")
    return {
        "architecture": classifier.architecture["name"],
        **{k: str(v) for k, v in classifier.architecture.items() if k not in ("name", "from")},
        "parameters": f"{sum(parameter.numel() for parameter in parameters):,}",
        **({"frozen parameters": f"{frozen:,}"} if frozen else {}),
        "pretrained weights": str(config["model"]["weights"] or "none"),
        "data set": subject.data.dataset_name,
        "classes": f"{len(spec.classes):,}",
        "network input": f"{spec.height}x{spec.width}x{spec.channels}",
        "batch size": f"{subject.data.batch_size:,}",
        "optimizer": optimizer["class_path"].rpartition(".")[2] + (f", rate {rate:g}" if rate is not None else ""),
        "seed": str(config["seed_everything"]),
    }


def _grad_cam(subject: Subject, shown: list[Picture]) -> str:
    classifier, title = subject.classifier, "Grad-CAM"
    if not shown:
        return markup.section(title, note="There is no picture to look at.")
    device, preprocess = subject.trainer.strategy.root_device, classifier.preprocess
    classifier.to(device).eval()
    with torch.no_grad():
        inputs = torch.cat([preprocess(torch.from_numpy(one.pixels)[None].to(device)) for one in shown])
    found = find_feature_map(classifier.network, inputs[:1])
    if found is None:
        name = classifier.architecture["name"]
        return markup.section(title, note=f"None: no module of {name} gives a map of the image with several places.")
    heat = heat_maps(classifier.network, inputs, found).numpy()
    levels = ((inputs - preprocess.shift) / preprocess.scale).float().round().clamp(0, 255).byte()
    seen = levels.movedim(1, -1).expand(-1, -1, -1, 3).cpu().numpy()
    colours = mpl.colormaps["inferno"](heat)[..., :3] * 255
    heated = (0.45 * seen + 0.55 * colours).astype(np.uint8)
    return sections.grad_cam(
        list(zip(shown, seen, heated, strict=True)), found.module, found.size, classifier.spec.classes
    )


def _augmentation(subject: Subject, split: Split) -> str:
    images, varied = subject.data.varied_samples(split, VARIED)
    return sections.augmentation(subject.data.augmentation_name(), split, images.numpy(), varied.numpy())


def _origins(run: Run, training: Mapping[str, str]) -> str:
    """Return the configuration, the distributions of its names, and the versions of what ran."""
    config = read_config(run.config)
    names = {"architecture": config["model"]["architecture"], "data set": config["data"]["dataset"]}
    origins = {f"{kind} {given['name']}": str(given.get("from", "not recorded")) for kind, given in names.items()}
    trained = markup.facts(training) if training else markup.paragraph("Not recorded: no report was made after fit.")
    return markup.section(
        "Configuration and environment",
        markup.folded("config.yaml", markup.code(run.config.read_text(encoding="utf-8"))),
        markup.heading("Names are of") + markup.facts(origins),
        markup.heading("Trained with") + trained,
        markup.heading("Reported with") + markup.facts(environment()),
    )
