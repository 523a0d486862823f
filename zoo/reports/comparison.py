"""Write one page that compares runs: curves together, differing configurations and results, McNemar's test.

Runs that differ in seed or fold only are compared as one, by mean and standard deviation.
It reads the files in the run folders; it needs no network and no data.
"""

from __future__ import annotations

import sys
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from zoo.core.console import print_stderr
from zoo.core.errors import UserError
from zoo.reports import charts
from zoo.reports.mcnemar import Difference
from zoo.reports.page import read_figures, render, require_page
from zoo.reports.units import Unit, unit_differences, units
from zoo.runs.config_file import read_config
from zoo.runs.files import write_atomically
from zoo.runs.folder import Run
from zoo.runs.groups import expand_groups
from zoo.runs.metrics import History, Monitor
from zoo.runs.records import read_record

#: Curves that are drawn of each run: column, title, whether values are shares.
CURVES = (
    ("val/loss", "Validation loss", False),
    ("val/accuracy", "Validation accuracy", True),
    ("train/loss", "Training loss", False),
    ("train/accuracy", "Training accuracy", True),
)


def compare(paths: Sequence[str], output: str | None) -> Path | None:
    """Say by McNemar's test whether runs differ by more than chance; write a page that compares them, if it is named.

    Args:
        paths: two or more run folders; a group folder stands for its runs.
        output: the page, or None.

    Returns:
        The page. Without one, the lines are printed on stdout, else on stderr.

    Raises:
        UserError: a folder is not a run, a run is named twice, or no page is asked for and no two runs can be tested.
        RunError: the page cannot be written.
    """
    page = None if output is None else require_page(output)
    runs = [Run.open(path) for path in expand_groups(paths)]
    if len({run.path.resolve() for run in runs}) < len(runs):
        raise UserError("a run is given twice; name each once")
    names = _names(runs)
    results = [_results(run, History.of(run)) for run in runs]
    compared = units(runs, names, results)
    tested, reasons = unit_differences(compared, dict(zip((run.path for run in runs), names, strict=True)))
    groups = [unit for unit in compared if len(unit.runs) > 1]
    if page is not None:
        _write_page(page, dict(zip(names, results, strict=True)), compared, tested, reasons)
    elif not tested and not groups:
        raise UserError("; ".join(reasons))
    for line in map(str, [*groups, *tested]):
        print(line, file=sys.stdout if page is None else sys.stderr)
    for line in reasons:
        print_stderr(line)
    if page is None:
        print_stderr("a page with curves, results and options: add --output FILE.html")
    return page


def _write_page(
    page: Path,
    results: Mapping[str, Mapping[str, Any]],
    compared: Sequence[Unit],
    tested: Sequence[Difference | str],
    reasons: Sequence[str],
) -> None:
    """Write the page; ``results`` are those of single runs by their names, ``compared`` has groups together."""
    titles = [unit.name for unit in compared]
    figures: dict[str, Any] = {"runs": results}
    figures["mcnemar"] = [one.to_json() for one in tested if isinstance(one, Difference)]
    merged = {}
    if len(compared) < len(results):
        merged = figures["groups"] = {unit.name: unit.merged for unit in compared}
    content = render(
        "comparison.html",
        figures,
        title=f"{len(results)} runs compared",
        names=[*results],
        titles=titles,
        groups=_rows([*merged.values()], str),
        results=_rows([*results.values()], _format),
        tested=[str(difference) for difference in tested],
        reasons=reasons,
        legend=charts.legend(titles),
        curves=_curves(titles, [[History.of(run) for run in unit.runs] for unit in compared]),
        options=_rows(_different_options([_flatten(unit.config) for unit in compared]), str),
    )
    write_atomically(page, content)


def _names(runs: Sequence[Run]) -> list[str]:
    """Return the titles of runs, or their paths if two titles are equal."""
    titles = [run.title for run in runs]
    return titles if len(set(titles)) == len(runs) else [str(run.path) for run in runs]


def _results(run: Run, history: History) -> dict[str, Any]:
    """Return a run's figures: of its best epoch, of its test and of its report."""
    best, reported = history.best(Monitor.of(read_config(run.config))), read_figures(run.report)
    results: dict[str, Any] = {"epochs": history.trained}
    if best:
        results["best epoch"] = int(best["epoch"]) + 1
    results |= {key: value for key, value in best.items() if key.startswith("val/")}
    if history.epochs:
        results["train/loss (last epoch)"] = history.epochs[-1]["train/loss"]
    if speeds := [value for _, value in history.curve("images_per_second")]:
        results["images per second (median)"] = round(float(np.median(speeds)))
    if run.results.is_file():
        tested = read_record(run.results)
        results |= {key: value for key, value in tested.items() if key.startswith("test/")}
    if "calibration_error" in reported:
        results[f"{reported['split']}/calibration_error"] = reported["calibration_error"]
    if memory := reported.get("training", {}).get("memory"):
        results["most memory while training"] = memory
    return results


def _flatten(config: Mapping[str, Any], prefix: str = "") -> dict[str, Any]:
    """Join nested keys by dots: ``{"optimizer": {"init_args": {"lr": 1}}}`` is ``{"optimizer.init_args.lr": 1}``."""
    flat: dict[str, Any] = {}
    for key, value in config.items():
        flat |= _flatten(value, f"{prefix}{key}.") if isinstance(value, dict) else {f"{prefix}{key}": value}
    return flat


def _different_options(configs: Sequence[Mapping[str, Any]]) -> list[dict[str, Any]]:
    """Return the entries of each configuration that are not equal in all of them."""
    missing, first = object(), configs[0]
    keys = dict.fromkeys(key for config in configs for key in config)
    different = [key for key in keys if any(config.get(key, missing) != first.get(key, missing) for config in configs)]
    return [{key: config[key] for key in different if key in config} for config in configs]


def _rows(columns: Sequence[Mapping[str, Any]], text: Callable[[Any], str]) -> list[tuple[str, ...]]:
    """Return a row for each key: its name, then its value in each column as text, or a dash."""
    keys = dict.fromkeys(key for column in columns for key in column)
    return [(key, *(text(column[key]) if key in column else "–" for column in columns)) for key in keys]  # noqa: RUF001


def _format(value: Any) -> str:
    return f"{value:.4f}" if isinstance(value, float) else f"{value:,}" if isinstance(value, int) else str(value)


def _curves(names: Sequence[str], histories: Sequence[Sequence[History]]) -> list[tuple[str, str]]:
    """Return drawings with their captions; the runs of one unit have one colour."""
    drawings: list[tuple[str, str]] = []
    for column, title, percent in CURVES:
        curves = [[curve for history in several if (curve := history.curve(column))] for several in histories]
        lines = _lines(curves)
        if lines:
            pairs = zip(names, curves, strict=True)
            ends = [(name, [points[-1][1] for points in several]) for name, several in pairs if several]
            last = "; ".join(f"{name} {', '.join(map(_format, values))}" for name, values in ends)
            alt = f"{title} by epoch; last: {last}"
            drawings.append((charts.draw_curves(column.replace("/", "-"), alt, lines, percent=percent), title))
    if lines := _lines([[history.curve("images_per_second") for history in several] for several in histories]):
        drawings.append((charts.draw_speed("speed", "Images per second by epoch", lines), "Images per second"))
    return drawings


def _lines(curves: Sequence[Sequence[Sequence[tuple[float, float]]]]) -> list[charts.Line]:
    return [charts.Line(points, number) for number, several in enumerate(curves) for points in several if points]
