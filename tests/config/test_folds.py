"""The table of folds."""

from __future__ import annotations

from pathlib import Path

from zoo.config.group import show_group
from zoo.runs.groups import RunGroup


def test_names_and_figures_are_whole_in_80_columns(capsys, monkeypatch):
    monkeypatch.setenv("COLUMNS", "80")
    names = ["accuracy", "average_precision", "calibration_error", "f1", "loss", "top5"]
    figures = {f"test/{name}": [0.1234, 0.5678] for name in names}
    summary = {name: {"mean": 0.3456, "std": 0.3142} for name in figures}
    show_group(RunGroup(Path("folds_0"), "folds", (1, 2)), figures, summary, [1000, 2000], 3000)
    rows = [line.replace("┃", "│").strip("│").split("│") for line in capsys.readouterr().out.splitlines()]
    cells = [
        "".join(part.strip() for part in column) for column in zip(*(row for row in rows if len(row) == 8), strict=True)
    ]
    assert [cell.startswith(name) for cell, name in zip(cells[2:], names, strict=True)] == [True] * 6
    assert all("0.12340.5678" in cell and cell.endswith("0.3456±0.3142") for cell in cells[2:])
