"""zoo check: look at every image of every split before training, and say what is wrong."""

from __future__ import annotations

import argparse
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import jsonargparse
from rich.console import Console
from rich.table import Table

from zoo.config.builder import add_builder
from zoo.config.messages import parser_error
from zoo.config.resolve import resolve
from zoo.core.errors import RunError, UserError
from zoo.data.checks.issues import KINDS, Finding, Item, find
from zoo.data.checks.scan import Survey, surveyed
from zoo.data.image_data import ImageData
from zoo.runs.files import require_json, write_json

#: Findings of a kind, and images of a finding, that are shown; the file has all.
SHOWN, SHOWN_ITEMS = 10, 4


def check(name: str, args: Sequence[str], output: str | None = None) -> list[Finding]:
    """Look at every image of a data set, print what is wrong with it and, if asked, write it.

    Args:
        name: registered name of the data set.
        args: ``--data.root``, ``--data.num_workers`` and the data set's own ``--data.dataset.<name>``, as in fit.
        output: a ``.json`` file to write.

    Raises:
        UserError: an option is wrong, or the data set cannot be opened.
        DownloadError: files are missing and cannot be downloaded.
        RunError: images cannot be read, or the same picture is in two splits; all findings are shown before.
    """
    target = None if output is None else require_json(output)
    options = _parsed(name, args)
    data = ImageData(name, options["root"], num_workers=options["num_workers"])
    surveys, missing = surveyed(name, data.root, options["dataset"], data.num_workers)
    found = find(list(surveys.values()))
    _show(name, surveys, missing, found, output)
    if target is not None:
        write_json(target, _described(name, data.root, surveys, missing, found))
    faults = {kind: sum(finding.kind == kind for finding in found) for kind in ("unreadable", "leak")}
    if any(faults.values()):
        raise RunError(
            f"{name} has {faults['unreadable']} unreadable and {faults['leak']} leaking pictures; "
            "repair or remove them before training"
        )
    return found


def _parsed(name: str, args: Sequence[str]) -> dict[str, Any]:
    """Return ``{"root": ..., "num_workers": ..., "dataset": options of the data set}``."""
    arguments = resolve(["--data", name, *args])
    if arguments.names != resolve(["--data", name]).names:
        raise UserError(f"zoo check {name} is told which data set; leave --data and --model out")
    parser = jsonargparse.ArgumentParser(prog="zoo check", exit_on_error=False, allow_abbrev=False)
    parser.add_argument("--data.root", type=str | None, default=None)
    parser.add_argument("--data.num_workers", type=int | None, default=None)
    add_builder(parser, "dataset", "data.dataset", arguments.names["data"], "")
    try:
        config = parser.parse_args(arguments.args).data.as_dict()
    except (argparse.ArgumentError, jsonargparse.ArgumentError) as error:
        raise parser_error(str(error), parser, arguments) from error
    config["dataset"].pop("name")
    return config  # type: ignore[no-any-return]


def _show(
    name: str, surveys: Mapping[str, Survey], missing: Mapping[str, str], found: Sequence[Finding], output: str | None
) -> None:
    console = Console(highlight=False, emoji=False, markup=False)
    table = Table(title=f"{name}: all images", title_justify="left")
    for column in ("split", "images", "classes", "smallest class", "largest class"):
        table.add_column(column, justify="right" if column in ("images", "classes") else "left")
    for survey in surveys.values():
        counts = survey.counts
        least, most = min(counts), max(counts)
        names = [survey.classes[counts.index(count)] if least < most else "each" for count in (least, most)]
        ends = [f"{count:,} {_printable(name)}" for count, name in zip((least, most), names, strict=True)]
        table.add_row(survey.split, f"{len(survey.labels):,}", f"{len(counts):,}", *ends)
    console.print(table)
    for split, reason in missing.items():
        note = "; fit takes it from train, so what is twice in train may leak into it" if split == "val" else ""
        console.print(_printable(reason) + note, soft_wrap=True)
    kinds = {kind: [finding for finding in found if finding.kind == kind] for kind in KINDS}
    if not found:
        console.print("nothing found")
        return
    table = Table(title="findings", title_justify="left")
    for column in ("finding", "meaning", "number", "images"):
        table.add_column(column, justify="right" if column in ("number", "images") else "left")
    for kind, findings in kinds.items():
        if findings:
            images = len({(item.split, item.index) for finding in findings for item in finding.items})
            table.add_row(kind, KINDS[kind], f"{len(findings):,}", f"{images:,}" if images else "")
    console.print(table)
    for kind, findings in kinds.items():
        for finding in findings[:SHOWN]:
            _show_finding(console, finding)
        if len(findings) > SHOWN:
            rest = "--output FILE.json writes all" if output is None else f"{output} has all"
            console.print(f"{kind}: {len(findings) - SHOWN:,} more; {rest}", soft_wrap=True)


def _show_finding(console: Console, finding: Finding) -> None:
    shown = [_place(item) for item in finding.items[:SHOWN_ITEMS]]
    more = f" and {len(finding.items) - SHOWN_ITEMS:,} more" if len(finding.items) > SHOWN_ITEMS else ""
    what = _printable(finding.what)
    if finding.kind == "unreadable" and finding.items[0].file is not None and finding.items[0].file in finding.what:
        shown = []  # the reason names the file
    places = f": {', '.join(shown)}{more}" if shown else ""
    console.print(f"{finding.kind}: {what}{places}", soft_wrap=True)


def _place(item: Item) -> str:
    if item.file is not None:
        return _printable(item.file)
    return f"{item.split} {item.index}" + ("" if item.class_name is None else f" ({_printable(item.class_name)})")


def _printable(text: str) -> str:
    """Return text for one line of a terminal: what would move its cursor or cannot be shown becomes an escape."""
    return "".join(sign if sign.isprintable() else sign.encode("unicode_escape").decode() for sign in text)


def _described(
    name: str, root: Path, surveys: Mapping[str, Survey], missing: Mapping[str, str], found: Sequence[Finding]
) -> dict[str, Any]:
    """Return everything as JSON holds it."""
    return {
        "dataset": name,
        "root": str(root),
        "splits": {
            split: {"images": len(survey.labels), "classes": dict(zip(survey.classes, survey.counts, strict=True))}
            for split, survey in surveys.items()
        },
        "missing_splits": dict(missing),
        "findings": [
            {
                "kind": finding.kind,
                "what": finding.what,
                **({} if finding.difference is None else {"difference": round(finding.difference, 6)}),
                "images": [
                    {"split": item.split, "index": item.index, "class": item.class_name, "file": item.file}
                    for item in finding.items
                ],
            }
            for finding in found
        ],
    }
