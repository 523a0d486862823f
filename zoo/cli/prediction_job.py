"""One prediction of many images: results go to a file, a table or lines while a bar shows how far it is."""

from __future__ import annotations

import sys
from collections.abc import Iterator, Sequence
from contextlib import closing, contextmanager
from itertools import takewhile
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from rich.console import Console
from rich.table import Table

from zoo.cli.prediction_progress import PredictionProgress
from zoo.core.console import print_stderr, printable
from zoo.core.errors import ImageError, RunError, UserError
from zoo.models.many import Result, classify
from zoo.reports.prediction_file import PredictionFile
from zoo.reports.prediction_rows import Choice, Prediction, rows_for, written_name

if TYPE_CHECKING:
    from zoo.cli.classify import OpenedNetwork
    from zoo.cli.predict import Wanted

#: Most images whose classes are shown as a table; of more, a line each is printed where no file is written.
MAX_TABLE = 20

#: What stands in place of a class where none is probable enough.
NONE = "none reaches the threshold"

#: Largest difference of a probability when an image of an interrupted command is classified again.
SAME = 1e-3


class PredictionJob:
    """Classifies images and hands each result on as it comes.

    Args:
        network: what classifies.
        names: files and addresses.
        wanted: what to show and to write.
    """

    def __init__(self, network: OpenedNetwork, names: list[str], wanted: Wanted) -> None:
        self.network, self.names, self.wanted = network, names, wanted
        thresholds = network.thresholds
        if wanted.threshold is not None:
            thresholds = np.full(len(network.classes), wanted.threshold, np.float32)
        self.choice = Choice(network.classes, wanted.top_k, thresholds, wanted.all_classes)
        self.file: PredictionFile | None = None
        if wanted.output is not None:
            path = Path(wanted.output)
            self.file = PredictionFile(path, rows_for(path.suffix.lower(), self.choice))
        self.first: list[Result] = []  # for the table and the plot
        self.errors = self.unlike = 0
        self.first_error = self.first_warning = ""

    def run(self, threads: int, chunk: int) -> None:
        """Classify all images; errors as ``zoo.cli.predict.predict``."""
        with self._rows_kept():
            names = self._begin()
            progress = PredictionProgress(len(self.names), len(self.names) - len(names), self._shows_progress())
            with progress, closing(classify(self.network, names, threads, chunk)) as chunks:
                for results in chunks:
                    self._take(results)
                    progress.advance(len(results))
            if self.file is not None:
                self.file.finish()
        if not self.wanted.quiet:
            self._show(progress)
        if self.wanted.plot is not None:
            self._plot(Path(self.wanted.plot))
        if self.errors:
            raise RunError(self._failure())

    @property
    def _few(self) -> bool:
        return len(self.names) <= MAX_TABLE

    def _shows_progress(self) -> bool:
        """Tell whether a bar is wanted: where lines of results scroll by in the same terminal, it is not."""
        lines = self.file is None and not self._few
        return not self.wanted.quiet and not (lines and sys.stdout.isatty())

    @contextmanager
    def _rows_kept(self) -> Iterator[None]:
        """Close the file of rows; if the command stops early, say how to go on."""
        if self.file is None:
            yield
            return
        try:
            with self.file:
                yield
        except BaseException:
            if self.file.began and self.file.count == 0:
                self.file.part.unlink(missing_ok=True)
            elif self.file.count:
                print_stderr(f"{self.file.part} holds {self.file.count:,} rows; the same command with --resume goes on")
            raise

    def _begin(self) -> list[str]:
        """Start or resume the file of rows; return the names that have no row yet."""
        if self.file is None:
            return self.names
        if not self.wanted.resume:
            if self.file.part.exists():
                self._notice(f"{self.file.part} of an interrupted command is overwritten; --resume would go on with it")
            self.file.start()
            return self.names
        if not self.file.resume():
            self._notice(f"--resume: there is no {self.file.part}; all images are classified")
            return self.names
        names = self.file.missing(self.names)
        self._require_same_answer()
        self.errors = self.file.errors
        self.first_error = self.file.first_error
        self._notice(f"{self.file.count:,} rows are in {self.file.part}; {len(names):,} images are left")
        return names

    def _require_same_answer(self) -> None:
        """Classify an image of the interrupted command again: rows of another network or invert do not fit."""
        row = self.file.last if self.file is not None else None
        original = {written_name(name): name for name in self.names}.get(row.name) if row is not None else None
        if row is None or row.top is None or original is None:
            return
        [[result]] = classify(self.network, [original], 1, 1)
        if result.probabilities is None:
            return
        pairs = self.choice.named(result.probabilities)
        if not pairs or pairs[0][0] != row.top[0] or abs(pairs[0][1] - row.top[1]) > SAME:
            raise UserError(
                f"--resume: {row.name} was {row.top[0]} with {row.top[1]:.4f} there, and is {_text(pairs)} now; give "
                "network and options of the interrupted command, or leave --resume out to begin anew"
            )

    def _notice(self, text: str) -> None:
        if not self.wanted.quiet:
            print_stderr(text)

    def _take(self, results: Sequence[Result]) -> None:
        error = next((result.error for result in results if result.error), "")
        if error and self.wanted.strict:
            self._take(list(takewhile(lambda result: not result.error, results)))
            raise ImageError(error)
        self.first_error = self.first_error or error
        for result in results:
            self.errors += bool(result.error)
            if result.warnings:
                self.unlike += 1
                self.first_warning = self.first_warning or f"{result.name}: {'; '.join(result.warnings)}"
            if self._few or (not result.error and len(self.first) < MAX_TABLE):
                self.first.append(result)
        if self.file is not None:
            self.file.add(results)
        elif not self._few and not self.wanted.quiet:
            print(*map(self._line, results), sep="\n")

    def _named(self, result: Result) -> list[Prediction]:
        return [] if result.probabilities is None else self.choice.named(result.probabilities)

    def _line(self, result: Result) -> str:
        text = printable(f"error: {result.error}") if result.error else _text(self._named(result))
        return f"{printable(result.name)}\t{text}"

    def _show(self, progress: PredictionProgress) -> None:
        if self._few:
            self._print_table()
            for result in self.first:
                for warning in result.warnings:
                    print_stderr(f"warning: {result.name}: {warning}")
            return
        where = f": {self.file.path}" if self.file is not None else ""
        print_stderr(f"{len(self.names):,} images, {progress.rate:,.0f} images/s{where}")
        if self.unlike:
            print_stderr(
                f"warning: unlike the training images: {self.unlike:,}, the first: {self.first_warning}"
                + self._where_each("warning")
            )

    def _print_table(self) -> None:
        table = Table()
        table.add_column("image", overflow="fold")
        table.add_column("class")
        table.add_column("probability", justify="right")
        for result in self.first:
            rows = [(name, f"{probability:.2%}") for name, probability in self._named(result)]
            rows = rows or [(result.error.removeprefix(f"{result.name}: ") or NONE, "")]
            for rank, (name, probability) in enumerate(rows):
                image = printable(result.name) if rank == 0 else ""
                table.add_row(image, printable(name), probability, end_section=rank == len(rows) - 1)
        Console(highlight=False, emoji=False, markup=False).print(table)

    def _plot(self, path: Path) -> None:
        from zoo.reports.plots import draw_predictions, shrink

        drawn = [result for result in self.first if not result.error]
        if len(self.names) - self.errors > len(drawn):
            self._notice(f"--plot draws the first {len(drawn)} of {len(self.names):,} images")
        if not drawn:
            print_stderr(f"--plot: no image could be read; {path} is not written")
            return
        images = [shrink(np.atleast_3d(np.asarray(self.network.read(result.name)))) for result in drawn]
        seen = [self.network.see(result.name)[0] for result in drawn]
        titles = [Path(result.name).name for result in drawn]
        draw_predictions(path, titles, images, seen, [self._named(result) for result in drawn])

    def _failure(self) -> str:
        if len(self.names) == 1:
            return self.first_error
        text = f"{self.errors:,} of {len(self.names):,} images could not be read, the first: {self.first_error}"
        return text + self._where_each("error")

    def _where_each(self, column: str) -> str:
        return "" if self.file is None else f"; see '{column}' in {self.file.path}"


def _text(pairs: Sequence[Prediction]) -> str:
    return f"{printable(pairs[0][0])}\t{pairs[0][1]:.4f}" if pairs else NONE
