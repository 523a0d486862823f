"""TrainedRun: a run folder in Python, and the classifier in it."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

from zoo.config.host_process import quiet_lightning
from zoo.config.sections import Section, plain_sections
from zoo.core.errors import UserError
from zoo.runs.config_file import read_config
from zoo.runs.folder import Run
from zoo.runs.records import read_record

if TYPE_CHECKING:
    from pandas import DataFrame

    from zoo.images.gallery import Gallery
    from zoo.models.classifier import Classifier
    from zoo.reports.inline import PagePath
    from zoo.reports.run_history import RunHistory


def load(run_or_checkpoint: str | Path) -> Classifier:
    """Return the trained classifier of a run (its best checkpoint) or of one checkpoint file, on the CPU, evaluating.

    Its ``predict`` takes image files, PIL images and arrays; in a notebook it shows itself as a table.

    Args:
        run_or_checkpoint: a run folder, a ``.ckpt`` file in one, or the name of an installed model.

    Raises:
        CheckpointError: there is no checkpoint, or it is unreadable or not zoo's.
    """
    from zoo.models.checkpoint import load_classifier

    return load_classifier(run_or_checkpoint)


@dataclass(frozen=True)
class TrainedRun:
    """A run folder, and what to do with it; ``zoo fit`` on the command line leaves the same.

    Args:
        path: the folder.

    Raises:
        UserError: there is no run.
    """

    path: Path

    def __post_init__(self) -> None:
        object.__setattr__(self, "path", Run.open(self.path).path)

    def __fspath__(self) -> str:
        return str(self.path)

    def load(self) -> Classifier:
        """Return the classifier of the best checkpoint; as ``zoo.load``."""
        return load(self.path)

    @property
    def metrics(self) -> list[dict[str, float]]:
        """A row an epoch: ``epoch`` (from 0), ``step``, ``train/loss``, ``val/accuracy``, ``images_per_second`` ..."""
        from zoo.runs.metrics import History

        return History.of(Run(self.path)).epochs

    @property
    def results(self) -> dict[str, Any]:
        """What the last test measured, as in results.json: ``test/accuracy``, ``images`` ...; empty before a test."""
        return read_record(Run(self.path).results)

    @property
    def history(self) -> RunHistory:
        """The training's curves, which a notebook draws: ``run.history``, ``run.history.plot("val/f1")``.

        ``run.history[-1]`` is the last epoch's row, and ``run.history.frame`` all rows as a pandas DataFrame.
        """
        from zoo.reports.run_history import RunHistory
        from zoo.runs.metrics import History, Monitor

        run = Run(self.path)
        return RunHistory(History.of(run), Monitor.of(read_config(run.config)))

    @property
    def predictions(self) -> DataFrame:
        """What the last test predicted, a pandas DataFrame: path, label, prediction, ``probability of <class>`` ...

        Raises:
            UserError: the run was not tested, or pandas is not installed.
        """
        from zoo.reports.frames import predictions_frame

        path = Run(self.path).predictions
        if not path.is_file():
            raise UserError(f"{self.path} has no predictions.csv; run.test() writes it")
        return predictions_frame("run.predictions", path)

    def mistakes(self, count: int = 12, root: str | Path | None = None) -> Gallery:
        """Return the test images that are classified wrong, the most confident mistakes first, as thumbnails.

        Args:
            count: at most so many.
            root: where the data lies now; None is where it was.

        Raises:
            UserError: the run was not tested, its data is gone, or count is below 1.
        """
        from zoo.config.mistakes import mistakes

        return mistakes(Run(self.path), count, root)

    @property
    def report(self) -> PagePath:
        """The page about the run, which ``fit`` writes and ``test`` writes anew: a path; ``run.report()`` shows it."""
        from zoo.reports.inline import PagePath

        page: PagePath = PagePath(Run(self.path).report)
        return page

    def validate(self, *, data: Section | None = None, trainer: Section | None = None) -> dict[str, float]:
        """Measure the best checkpoint on the validation split; otherwise as ``test``."""
        return self._evaluate("validate", data=data, trainer=trainer)

    def test(
        self,
        *,
        data: Section | None = None,
        trainer: Section | None = None,
        on: str | Path | None = None,
        tta: Literal["flip"] | None = None,
    ) -> dict[str, float]:
        """Measure the best checkpoint on the test split, print a table, and write results.json and the report.

        Args:
            on: test on all images of this folder of class folders, or of this table, instead; results and predictions
                get files of their own.
            data: what differs from the training, such as ``{"root": "/data"}``.
            trainer: likewise, such as ``{"accelerator": "cpu"}``.
            tta: flip averages each image and its mirror image.

        Returns:
            Metrics by name, such as ``{"test/accuracy": 0.91}``.

        Raises:
            UserError: a value is wrong, or the run has no checkpoint.
            NoSplitError: the data set has no such split.
        """
        return self._evaluate("test", on, tta, data=data, trainer=trainer)

    def export(
        self,
        quantize: Literal["int8", "fp16"] | None = None,
        tta: Literal["flip"] | None = None,
        input: Literal["any", "fixed", "float"] = "any",
        batch: int = 1,
    ) -> Path:
        """Write the run as one ONNX file with class names and, unless ``input`` says otherwise, preprocessing inside.

        Args:
            quantize: write model.int8.onnx or model.fp16.onnx, measured against float32 on the test split, else on val.
            tta: flip writes a network that averages each image and its mirror image.
            input: how the graph takes images: ``any`` size and number as uint8; ``fixed``: uint8 of the network's size;
                ``float``: normalised float32 ``(batch, channels, height, width)``.
            batch: images in a batch of the inputs ``fixed`` and ``float``.

        Returns:
            The file.

        Raises:
            UserError: the run has no checkpoint, or an argument is not allowed.
            RunError: the network cannot be expressed, or the file differs from the checkpoint; nothing is written.
        """
        from zoo.config.export import export

        return export([str(self.path)], quantize, tta, input, batch)[0]

    @quiet_lightning()
    def _evaluate(
        self,
        command: Literal["validate", "test"],
        on: str | Path | None = None,
        tta: Literal["flip"] | None = None,
        **sections: Any,
    ) -> dict[str, float]:
        from zoo.config.run import evaluate
        from zoo.config.run_on import test_on

        config = f"zoo.TrainedRun.{command}", plain_sections(sections)
        if on is not None:
            return test_on([str(self.path)], on, config, tta=tta)
        return evaluate(command, [str(self.path)], config, tta=tta)
