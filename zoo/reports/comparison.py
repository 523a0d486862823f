"""One page that compares runs: their curves together, and what differs in configuration and result.

It reads what the runs' folders hold; no network runs, and no data need be there.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from zoo.core.errors import UserError
from zoo.reports import charts, markup
from zoo.runs.config_file import read_config
from zoo.runs.files import write_atomically
from zoo.runs.folder import Run
from zoo.runs.metrics import History, Row

#: What is drawn of each run: column, title, whether it is a share.
DRAWN = (
    ("val/loss", "Validation loss", False),
    ("val/accuracy", "Validation accuracy", True),
    ("train/loss", "Training loss", False),
    ("train/accuracy", "Training accuracy", True),
)


def compare(paths: Sequence[str], output: str | None) -> Path:
    """Write a page that compares runs.

    Args:
        paths: run folders, two or more.
        output: the page.

    Returns:
        The page.

    Raises:
        UserError: a folder is no run, or a run is given twice, or there is no output.
        RunError: the page cannot be written.
    """
    if output is None:
        raise UserError("a comparison is of no one run; say where it goes: zoo report RUN RUN --output FILE.html")
    page, runs = markup.require_page(output), [Run.open(path) for path in paths]
    if len({run.path.resolve() for run in runs}) < len(runs):
        raise UserError("a run is given twice; name each once")
    names = _names(runs)
    histories = [History.of(run) for run in runs]
    results = [_results(run, history) for run, history in zip(runs, histories, strict=True)]
    configs = [_flat(read_config(run.config)) for run in runs]
    body = [
        _table("Results", "What each run reached.", names, results, _figure),
        _curves(names, histories),
        _table("Configuration", "What differs; all else is the same.", names, _differing(configs), str),
    ]
    content = markup.page(f"{len(runs)} runs compared", body, {"runs": dict(zip(names, results, strict=True))})
    write_atomically(page, content)
    return page


def _names(runs: Sequence[Run]) -> list[str]:
    """Return what tells runs apart: their titles, or the paths as given where those are the same."""
    short = [run.title for run in runs]
    return short if len(set(short)) == len(runs) else [str(run.path) for run in runs]


def _results(run: Run, history: History) -> dict[str, Any]:
    """Return a run's figures by name: of its best epoch, of its test, of its report."""
    best = history.best()
    found: dict[str, Any] = {"epochs": len(history.epochs)}
    if best:
        found["best epoch"] = int(best["epoch"]) + 1
    found |= {key: value for key, value in best.items() if key.startswith("val/")}
    if history.epochs:
        found["train/loss (last epoch)"] = history.epochs[-1]["train/loss"]
    speeds = [row["images_per_second"] for row in history.epochs if "images_per_second" in row]
    if speeds:
        found["images per second (median)"] = round(float(np.median(speeds)))
    if run.results.is_file():
        tested: Row = json.loads(run.results.read_text(encoding="utf-8"))
        found |= {key: value for key, value in tested.items() if key.startswith("test/")}
    reported = markup.figures_in(run.report)
    if "calibration_error" in reported:
        found[f"{reported['split']}/calibration_error"] = reported["calibration_error"]
    if memory := reported.get("training", {}).get("memory"):
        found["most memory while training"] = memory
    return found


def _flat(config: Mapping[str, Any], prefix: str = "") -> dict[str, Any]:
    """Return nested keys as one: ``{"optimizer": {"init_args": {"lr": 1}}}`` as ``{"optimizer.init_args.lr": 1}``."""
    flat: dict[str, Any] = {}
    for key, value in config.items():
        flat |= _flat(value, f"{prefix}{key}.") if isinstance(value, dict) else {f"{prefix}{key}": value}
    return flat


def _differing(configs: Sequence[Mapping[str, Any]]) -> list[dict[str, Any]]:
    """Return of each configuration what is not the same in all."""
    missing = object()
    keys = dict.fromkeys(key for config in configs for key in config)
    differing = [
        key for key in keys if any(config.get(key, missing) != configs[0].get(key, missing) for config in configs)
    ]
    return [{key: config[key] for key in differing if key in config} for config in configs]


def _table(
    title: str, note: str, names: Sequence[str], columns: Sequence[Mapping[str, Any]], shown: Callable[[Any], str]
) -> str:
    keys = dict.fromkeys(key for column in columns for key in column)
    if not keys:
        return markup.section(title, note="Nothing differs.")
    rows = [(key, *(shown(column[key]) if key in column else "–" for column in columns)) for key in keys]  # noqa: RUF001
    return markup.section(title, markup.table(title, ("run", *names), rows), note=note)


def _figure(value: Any) -> str:
    return f"{value:.4f}" if isinstance(value, float) else f"{value:,}" if isinstance(value, int) else str(value)


def _curves(names: Sequence[str], histories: Sequence[History]) -> str:
    drawings = []
    for column, title, percent in DRAWN:
        curves = [history.curve(column) for history in histories]
        lines = [charts.Line(points, number) for number, points in enumerate(curves) if points]
        if lines:
            last = "; ".join(
                f"{name} {_figure(points[-1][1])}" for name, points in zip(names, curves, strict=True) if points
            )
            svg = charts.draw_curves(
                column.replace("/", "-"), f"{title} by epoch; last: {last}", lines, percent=percent
            )
            drawings.append(markup.drawing(svg, title))
    speeds = [charts.Line(points, n) for n, h in enumerate(histories) if (points := h.curve("images_per_second"))]
    if speeds:
        drawings.append(
            markup.drawing(charts.draw_speed("speed", "Images per second by epoch", speeds), "Images per second")
        )
    key = markup.key(names, [charts.line_style(number) for number in range(len(names))])
    return markup.section("Curves", key, markup.columns(*drawings))
