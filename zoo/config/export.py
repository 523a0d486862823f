"""zoo export: a run's best checkpoint becomes a file, without Lightning, whose import takes seconds."""

from __future__ import annotations

import argparse
import json
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import jsonargparse

from zoo.config.builder_options import add_builder
from zoo.config.messages import parser_error
from zoo.config.parser_internals import checked_imports
from zoo.config.recorded_split import complete_data, recorded_augmentation, recorded_split
from zoo.config.resolve import ConfigSources
from zoo.config.run_sources import run_sources, show_split_notes
from zoo.core import registry
from zoo.core.code_file import use_code
from zoo.core.console import print_stderr
from zoo.core.trust import require_import, restricted
from zoo.core.whole_file import replacing, write_error
from zoo.data.image_data import ImageData
from zoo.models.checkpoint import PLAIN, classifier_of, read_checkpoint, require_same_architecture, spec_of
from zoo.models.classifier import Classifier
from zoo.models.installed import write_description
from zoo.models.tta import TestTimeAugmentation
from zoo.runs.folder import Run
from zoo.runtime import Form

if TYPE_CHECKING:
    from zoo.export.model_file import Precision


@dataclass
class TrainedClassifier:
    """A run's network, and the data that it was trained on."""

    run: Run
    checkpoint: dict[str, Any]
    checkpoint_path: Path
    classifier: Classifier
    data: ImageData


def export(
    args: Sequence[str],
    precision: Precision | None = None,
    tta: TestTimeAugmentation | None = None,
    form: Form = "any",
    batch: int = 1,
) -> tuple[Path, dict[str, Any]]:
    """Write a run's best checkpoint as one ONNX file.

    Args:
        args: the run folder, then options that override its configuration, such as ``--data.root``.
        precision: int8 or fp16; None is float32.
        tta: flip writes a network that averages each image and its mirror image.
        form: how the graph takes images, as ``zoo.export.model_file.export``.
        batch: images in a batch of the forms fixed and float.

    Returns:
        ``RUN/model.onnx``, with precision and form between its two parts where they are not the default, and its
        metadata.

    Raises:
        UserError: the run, an option or the data is wrong.
        RunError: the file would differ from the checkpoint or cannot be written.
    """
    trained = open_trained("export", args)
    from zoo.export import model_file  # loads onnx, which takes longer than reading a wrong option

    parts = ["model", *([] if precision is None else [precision]), *([] if form == "any" else [form]), "onnx"]
    path, classifier = trained.run.path / ".".join(parts), trained.classifier
    classifier.tta = tta
    origin = model_file.describe_origin(trained.run, trained.checkpoint, trained.checkpoint_path, tta)
    metadata = model_file.export(
        classifier, trained.data, path, precision=precision, form=form, batch=batch, origin=origin, release=True
    )
    return path, metadata


def export_weights(args: Sequence[str]) -> Path:
    """Write the weights of a run's best checkpoint as RUN/model.safetensors, with all that ``zoo.load`` needs.

    Raises:
        UserError, RunError: as ``export``.
    """
    run, sources = run_sources("export", args)
    checkpoint_path = _checkpoint_path(run, sources)
    checkpoint = read_checkpoint(checkpoint_path)
    path = run.path / "model.safetensors"
    try:
        with replacing(path) as file:
            write_description(checkpoint, PLAIN, Path(file.name), run.temperature(checkpoint["global_step"]))
    except OSError as error:
        raise write_error(path, error) from error
    return path


@restricted()
def open_trained(command: str, args: Sequence[str]) -> TrainedClassifier:
    """Return a run's network and data.

    Args:
        command: the word after ``zoo``, for errors.
        args: the run folder, then ``--data.*``, ``--ckpt_path`` and ``--config``.

    Raises:
        UserError: the run, an option or the data is wrong, or the run has no checkpoint.
    """
    run, sources = run_sources(command, args)
    use_code(sources.code)
    options = _parsed(command, sources)
    data, checkpoint_path = options["data"], Path(options["ckpt_path"] or run.trained())
    checkpoint = read_checkpoint(checkpoint_path, mapped=True)
    _require_own_architecture(checkpoint, checkpoint_path, sources)
    data["dataset"]["name"] = sources.names["dataset"]
    complete_data(data, run)
    data |= recorded_split(run, data) | recorded_augmentation(data)
    images = ImageData(**data, seed=options["seed"], spec=spec_of(checkpoint, checkpoint_path))
    classifier = classifier_of(checkpoint, checkpoint_path, Classifier, run.path, share=True)
    # Without its tensors, whose memory is given back.
    checkpoint = {key: checkpoint[key] for key in ("epoch", "global_step", "hyper_parameters")}
    classifier.temperature = run.temperature(checkpoint["global_step"])
    show_split_notes(command, run, images.splits)
    return TrainedClassifier(run, checkpoint, checkpoint_path, classifier, images)


def _parsed(command: str, sources: ConfigSources) -> dict[str, Any]:
    """Return the options of data, ``ckpt_path`` and ``seed``; UserError where one is wrong."""
    parser = jsonargparse.ArgumentParser(prog=f"zoo {command}", exit_on_error=False, allow_abbrev=False)
    parser.add_argument("--config", action="config")
    parser.add_argument("--ckpt_path", type=str | None, default=None)
    parser.add_argument("--seed_everything", type=bool | int, default=0)
    parser.add_class_arguments(ImageData, "data", skip={"spec", "like", "dataset", "seed"}, instantiate=False)
    add_builder(parser, "dataset", "data.dataset", sources.names["dataset"], sources.origins["dataset"])
    own = ("data", "ckpt_path", "seed_everything")
    configs = [{key: config[key] for key in own if key in config} for config in sources.configs]
    args = [f"--config={json.dumps(config)}" for config in configs]
    for option in sources.options:
        if option.startswith("--trainer."):
            print_stderr(f"{option} has no effect on zoo {command}")
        else:
            args.append(option)
    try:
        with checked_imports(require_import):
            parsed = parser.parse_args(args)
    except (argparse.ArgumentError, jsonargparse.ArgumentError) as error:
        raise parser_error(str(error), parser, sources) from error
    data: dict[str, Any] = parsed.data.as_dict()
    return {"data": data, "ckpt_path": parsed.ckpt_path, "seed": int(parsed.seed_everything)}


def _checkpoint_path(run: Run, sources: ConfigSources) -> Path:
    """Return the checkpoint that options name, else the run's own."""
    named = [option.partition("=")[2] for option in sources.options if option.startswith("--ckpt_path=")]
    return Path(named[-1]) if named else run.trained()


def _require_own_architecture(checkpoint: dict[str, Any], path: Path, sources: ConfigSources) -> None:
    """Compare the architecture of a checkpoint with that of the run's configuration; CheckpointError if they differ."""
    architecture: dict[str, Any] = {}
    for config in sources.configs:
        architecture |= config.get("model", {}).get("architecture", {})
    architecture["name"] = registry.recorded("architecture", sources.names["architecture"])["name"]
    require_same_architecture(checkpoint, path, architecture)
