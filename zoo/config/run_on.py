"""zoo test RUN --on FOLDER: a run's network on other images than its data set's, all of them as they are."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from zoo.config.run import ALONE, EvaluateCLI, opened, show_results, training_facts
from zoo.core.console import is_first_process, print_stderr
from zoo.core.errors import UserError, listed
from zoo.data.opening import open_source
from zoo.data.other_images import OtherImages, open_other_images
from zoo.data.split_file import read_split
from zoo.models.tta import TestTimeAugmentation
from zoo.reports.evaluation import Predictions
from zoo.reports.predictions_csv import write_predictions
from zoo.runs.files import write_json
from zoo.runs.folder import Run
from zoo.training.predictions import CollectPredictions

#: Names in a line that lists some.
LISTED = 12

#: Letters of the folder's name that the files of results have, so that theirs is not too long for a disk.
NAME_LENGTH = 40

#: Options that come before the user's: a limit in the run's configuration is one of its own test.
WHOLE = ("--trainer.limit_test_batches=null", "--trainer.fast_dev_run=false")


def test_on(
    args: Sequence[str],
    path: str | Path,
    *configs: tuple[str, Mapping[str, Any]],
    tta: TestTimeAugmentation | None,
) -> dict[str, float]:
    """Measure a run on other images; write ``results-on-<name>-<digest>.json`` and ``predictions-on-....csv``.

    The run's own results, report and split stay as they are; its data set is not opened.

    Args:
        args: the run folder, then options that override its configuration.
        path: a folder of class folders, or a table of images and labels; it may lack some of the classes.
        *configs: as ``opened``.
        tta: flip averages each image and its mirror image.

    Returns:
        Metrics by name, such as ``{"test/accuracy": 0.91}``, of the classes that occur.

    Raises:
        UserError: the run, an option or the folder is wrong, or several processes or a limit are asked for.
        ImageError: images are damaged, without ``skip_bad``.
    """
    cli = opened("test", [*args[:1], *ALONE, *WHOLE, *args[1:]], *configs, own_data=False)
    _require_all_in_one_process(cli)
    cli.model.tta = tta
    run, data, spec = cli.run, cli.datamodule, cli.model.spec
    images = open_other_images(path, spec, data.root)
    _show_notes(run, images)
    source = open_source(
        images.dataset, spec, memory_bytes=data.memory_bytes, workers=data.num_workers, skip_bad=data.skip_bad
    )
    data.replace_source("test", source)
    name = re.sub(r"[^\w.-]+", "-", images.root.stem)[:NAME_LENGTH] + f"-{images.digest[:8]}"
    table_path = run.path / f"predictions-on-{name}.csv"
    with write_predictions(table_path, spec.classes, images.names) as table:
        predictions = Predictions(len(spec.classes), table=table, temperature=cli.model.temperature)
        cli.trainer.callbacks.append(CollectPredictions(predictions.add))  # type: ignore[attr-defined]  # set by a connector
        cli.trainer.test(cli.model, data, verbose=False)
        measured = predictions.metrics()
        if measured is None:
            raise UserError(f"--on is '{path}', in which no image can be read")
    results = {key: float(value) for key, value in cli.trainer.callback_metrics.items()}
    if not measured.support.all():  # that of a class without an image is no figure of these images
        results["test/f1"] = float(measured.f1[measured.support > 0].mean())
    left_out = len(images.names) - measured.images
    facts = {
        "root": str(images.root),
        "digest": images.digest,
        "counts": {name: int(count) for name, count in zip(spec.classes, measured.support, strict=True) if count},
        "missing_classes": [name for name, count in zip(spec.classes, measured.support, strict=True) if not count],
        "left_out": left_out,
        "trained_on": _trained_on(run, images),
    }
    write_json(run.path / f"results-on-{name}.json", results | facts | training_facts(cli, measured.images))
    damaged = f", without {left_out:,} that cannot be read" if left_out else ""
    show_results(f"{run.path}: {path}, {measured.images:,} images as they are{damaged}", results)
    print_stderr(f"predictions: {table_path}")
    print_stderr(f"results: {run.path / f'results-on-{name}.json'}")
    return results


def _require_all_in_one_process(cli: EvaluateCLI) -> None:
    if cli.trainer.world_size > 1:
        raise UserError("zoo test --on runs in one process; leave --trainer.devices and --trainer.num_nodes out")
    limit = cli.trainer.limit_test_batches
    if isinstance(limit, int) or limit < 1:  # 1.0 is all batches
        raise UserError(
            "zoo test --on measures all images; leave --trainer.limit_test_batches and --trainer.fast_dev_run out"
        )


def _show_notes(run: Run, images: OtherImages) -> None:
    """Name the classes without an image, and say how many images the network was trained on."""
    if not is_first_process():
        return
    if images.missing:
        print_stderr(f"no image of {listed(images.missing, LISTED)}: the figures are of the other classes")
    if trained := _trained_on(run, images):
        print_stderr(f"{trained:,} of the {len(images.names):,} images are ones that the network was trained on")


def _trained_on(run: Run, images: OtherImages) -> int | None:
    """Return how many images are equal to training images; None where the run has no digests of these."""
    if not run.split.is_file():
        return None
    rows = read_split(run.path).values()
    return images.among({row.digest for row in rows if row.split == "train" and row.digest})
