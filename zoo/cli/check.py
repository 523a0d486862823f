"""zoo check: read every image of every split before training, and report what is wrong; or show the augmentation."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import fields
from pathlib import Path
from typing import TYPE_CHECKING, Any, get_type_hints

from zoo.cli.parser import Parser
from zoo.cli.quiet import silence_libraries
from zoo.core import registry
from zoo.core.console import printable
from zoo.core.errors import RunError, UserError, listed

if TYPE_CHECKING:
    from rich.console import Console

    from zoo.data.checks.issues import Issue
    from zoo.data.checks.scan import ImageRecord, SplitScan
    from zoo.reports.label_check import RankedLabel

#: Issues of a kind, and images of an issue, that are shown; the file of --output has all.
SHOWN, SHOWN_IMAGES = 10, 4

#: Options of ImageData that decide how images are changed.
INPUT_OPTIONS = ("augmentation", "image_size", "resize", "channels")

#: Images in a picture of --augmentation, and views of each.
PICTURED = 8

EPILOG = (
    "As in 'zoo fit': --data.num_workers; --data.val_fraction, .test_fraction, .split_seed, .group, .split, .folds and "
    ".fold, by which splits are drawn; and --data.dataset.<name>, the data set's own."
)


def parser() -> Parser:
    """Return the command's parser."""
    parser = Parser("check", epilog=EPILOG)
    parser.add_argument("dataset", metavar="DATA", nargs="?", help="a data set that 'zoo list datasets' shows")
    parser.add_argument("--data.root", dest="root", metavar="FOLDER", help="where the data lives, as in 'zoo fit'")
    parser.add_argument(
        "--output", metavar="FILE", help="also write all issues to a .json file; with --labels, the .csv file to write"
    )
    parser.add_argument(
        "--labels",
        dest="run",
        metavar="RUN",
        help="in place of DATA: rank the labels of a run's data, or of a folder of folds, by how likely they are to be "
        "wrong; writes labels.csv and labels.html into it",
    )
    parser.add_argument(
        "--augmentation",
        metavar="FILE",
        help="in place of checking: draw training images and what the network gets of each in eight epochs, into a "
        ".png, .svg or .pdf file; takes --data.augmentation, .image_size, .resize and .channels as 'zoo fit'",
    )
    return parser


def main(argv: Sequence[str]) -> None:
    """Read all images of a data set: damage, duplicates, leaks, odd classes and sizes; or rank a run's labels."""
    if any(argument.partition("=")[0] == "--labels" for argument in argv):
        _check_labels(argv)
        return
    options, rest = parser().parse_known_args(argv)
    if options.dataset is None:
        raise UserError("which data set? zoo check DATA, as 'zoo list datasets' shows it, or zoo check --labels RUN")
    root = [] if options.root is None else [f"--data.root={options.root}"]
    if options.augmentation is not None:
        if options.output is not None:
            raise UserError(f"--augmentation writes one picture and no findings; leave --output {options.output} out")
        return draw_augmentation(options.dataset, [*root, *rest], options.augmentation)
    check(options.dataset, [*root, *rest], options.output)


def _check_labels(argv: Sequence[str]) -> None:
    labels_parser = Parser("check")  # without DATA, which would take the value of an option of fit
    labels_parser.add_argument("--labels", dest="run", required=True)
    labels_parser.add_argument("--output")
    options, rest = labels_parser.parse_known_args(argv)
    if rest and not rest[0].startswith("-"):
        raise UserError(f"zoo check --labels takes the data of the run; leave '{rest[0]}' out")

    from zoo.config.label_check import check_labels

    silence_libraries()
    show_labels(*check_labels(options.run, rest, options.output))


def check(name: str, args: Sequence[str], output: str | None = None) -> list[Issue]:
    """Read every image of a data set, print its issues and, if asked, write them to a file.

    Args:
        name: registered name of the data set.
        args: as in fit ``--data.root``, ``--data.num_workers``, those of SplitOptions, and the data set's own.
        output: a ``.json`` file to write.

    Raises:
        UserError: an option is wrong, or the data set cannot be opened.
        DownloadError: files are missing and cannot be downloaded.
        RunError: images cannot be read, or the same picture is in two splits; all issues are shown before.
    """
    from zoo.data.checks.issues import find_issues
    from zoo.data.checks.scan import scan_dataset
    from zoo.data.image_data import ImageData
    from zoo.data.split_options import SplitOptions
    from zoo.runs.files import require_json, write_json

    target = None if output is None else require_json(output)
    options = _parsed(name, args)
    silence_libraries()
    data = ImageData(name, options["root"], num_workers=options["num_workers"])
    rule = SplitOptions(**{field.name: options[field.name] for field in fields(SplitOptions)})
    scans, missing = scan_dataset(name, data.root, options["dataset"], data.num_workers, rule)
    issues = find_issues(list(scans.values()))
    _show(name, scans, missing, issues, output)
    if target is not None:
        write_json(target, _described(name, data.root, scans, missing, issues))
    faults = {kind: sum(issue.kind == kind for issue in issues) for kind in ("unreadable", "leak")}
    if any(faults.values()):
        raise RunError(
            f"{_called(name)} has {faults['unreadable']} unreadable and {faults['leak']} leaking pictures; "
            "repair or remove them before training"
        )
    return issues


def _called(name: str) -> str:
    """Return a data set's name, of a plugin's with its distribution."""
    entry = registry.find("dataset", name)
    return name if entry.distribution == registry.OWN_DISTRIBUTION else entry.title


def draw_augmentation(name: str, args: Sequence[str], picture: str) -> None:
    """Draw training images and what their augmentation makes of them.

    Args:
        name: registered name of the data set.
        args: as ``check``, and INPUT_OPTIONS as in fit.
        picture: the file to write.

    Raises:
        UserError, DownloadError: as ``check``, or the file cannot be written.
    """
    from zoo.data.image_data import ImageData
    from zoo.data.views import augmented_views
    from zoo.reports.plots import draw_views, require_plot

    path = require_plot("--augmentation", picture)
    options = _parsed(name, args, INPUT_OPTIONS)
    silence_libraries()
    data = ImageData(**options | {"dataset": {"name": name, **options["dataset"]}}, memory_gib=0)
    images, views = augmented_views(data, "train", PICTURED, PICTURED)
    draw_views(path, f"{name}: {data.augmentation_name()}", list(images.numpy()), [list(row) for row in views.numpy()])
    print(path)


def show_labels(rows: Sequence[RankedLabel], notes: Sequence[str]) -> None:
    """Print the labels that are most likely to be wrong, then sentences about them."""
    from rich.console import Console
    from rich.table import Table

    console = Console(highlight=False, emoji=False, markup=False)
    table = Table(title="labels most likely to be wrong", title_justify="left")
    for column in ("label", "prediction", "suspect"):
        table.add_column(column)
    for column in ("of label", "of prediction"):
        table.add_column(column, justify="right")
    table.add_column("image", overflow="fold")
    for row in rows[:SHOWN]:
        if row.prediction:  # not one that the network was trained on
            shares = (f"{float(p):.1%}" for p in (row.probability_of_label, row.probability_of_prediction))
            names = (printable(text) for text in (row.label, row.prediction, row.suspect))
            table.add_row(*names, *shares, printable(row.path))
    console.print(table)
    for note in notes:
        console.print(printable(note), soft_wrap=True)


def _parsed(name: str, args: Sequence[str], others: Sequence[str] = ()) -> dict[str, Any]:
    """Return values by their names in ``ImageData``: root, num_workers, SplitOptions, ``others``, and ``dataset``."""
    from zoo.config.data_options import parse_data_options
    from zoo.data.image_data import ImageData
    from zoo.data.split_options import SplitOptions

    types: dict[str, tuple[Any, Any]] = {"root": (str | None, None), "num_workers": (int | None, None)}
    types |= {option: (kind, getattr(SplitOptions, option)) for option, kind in get_type_hints(SplitOptions).items()}
    types |= {name: (kind, None) for name, kind in get_type_hints(ImageData.__init__).items() if name in others}
    return parse_data_options("check", name, args, types)


def _show(
    name: str, scans: Mapping[str, SplitScan], missing: Mapping[str, str], issues: Sequence[Issue], output: str | None
) -> None:
    from rich.console import Console
    from rich.table import Table

    from zoo.data.checks.issues import KINDS

    console = Console(highlight=False, emoji=False, markup=False)
    table = Table(title=f"{name}: all images", title_justify="left")
    for column in ("split", "images", "classes", "smallest class", "largest class"):
        table.add_column(column, justify="right" if column in ("images", "classes") else "left")
    for scan in scans.values():
        counts = scan.counts
        least, most = min(counts), max(counts)
        names = [scan.classes[counts.index(count)] if least < most else "each" for count in (least, most)]
        ends = [f"{count:,} {printable(name)}" for count, name in zip((least, most), names, strict=True)]
        table.add_row(scan.split, f"{len(scan.records):,}", f"{len(counts):,}", *ends)
    console.print(table)
    for split, reason in missing.items():
        note = "; fit takes it from train, so what is twice in train may leak into it" if split == "val" else ""
        console.print(printable(reason) + note, soft_wrap=True)
    for scan in scans.values():
        for note in scan.notes:
            console.print(printable(note), soft_wrap=True)
    kinds = {kind: [issue for issue in issues if issue.kind == kind] for kind in KINDS}
    if not issues:
        console.print("nothing found")
        return
    table = Table(title="findings", title_justify="left")
    for column in ("finding", "meaning", "number", "images"):
        table.add_column(column, justify="right" if column in ("number", "images") else "left")
    for kind, group in kinds.items():
        if group:
            images = len({(image.split, image.index) for issue in group for image in issue.images})
            table.add_row(kind, KINDS[kind], f"{len(group):,}", f"{images:,}" if images else "")
    console.print(table)
    for kind, group in kinds.items():
        for issue in group[:SHOWN]:
            _show_issue(console, issue)
        if len(group) > SHOWN:
            rest = "--output FILE.json writes all" if output is None else f"{output} has all"
            console.print(f"{kind}: {len(group) - SHOWN:,} more; {rest}", soft_wrap=True)


def _show_issue(console: Console, issue: Issue) -> None:
    shown = listed([_place(image) for image in issue.images], SHOWN_IMAGES)
    what = printable(issue.what)
    if issue.kind == "unreadable" and issue.images[0].file is not None and issue.images[0].file in issue.what:
        shown = ""  # the reason names the file
    places = f": {shown}" if shown else ""
    console.print(f"{issue.kind}: {what}{places}", soft_wrap=True)


def _place(image: ImageRecord) -> str:
    if image.file is not None:
        return printable(image.file)
    return f"{image.split} {image.index}" + ("" if image.class_name is None else f" ({printable(image.class_name)})")


def _described(
    name: str, root: Path, scans: Mapping[str, SplitScan], missing: Mapping[str, str], issues: Sequence[Issue]
) -> dict[str, Any]:
    """Return scans and issues as the JSON file holds them."""
    return {
        "dataset": name,
        "root": str(root),
        "splits": {
            split: {
                "images": len(scan.records),
                "classes": dict(zip(scan.classes, scan.counts, strict=True)),
                "notes": list(scan.notes),
            }
            for split, scan in scans.items()
        },
        "missing_splits": dict(missing),
        "findings": [
            {
                "kind": issue.kind,
                "what": issue.what,
                **({} if issue.difference is None else {"difference": round(issue.difference, 6)}),
                "images": [
                    {"split": image.split, "index": image.index, "class": image.class_name, "file": image.file}
                    for image in issue.images
                ],
            }
            for issue in issues
        ],
    }
