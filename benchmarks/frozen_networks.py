"""Whether frozen layers run once, for one small network of every family of timm and torchvision up to 100 M parameters.

    python benchmarks/frozen_networks.py [--only PATTERN] [--layers 8]

benchmarks/frozen_networks.csv names the networks; its other columns are written anew: the size of the images, and for
`--model.freeze backbone` and for the first layers alone whether they run once, else the reason. Weights are random. A
family of timm that has no row yet gets its smallest network, by the number of parameters.
"""

from __future__ import annotations

import argparse
import csv
import warnings
from collections import Counter
from fnmatch import fnmatch
from pathlib import Path

import timm
import torch
from timm.models import get_pretrained_cfg

from zoo import InputSpec, UserError
from zoo.models.classifier import Classifier
from zoo.models.frozen_prefix import NoPrefix
from zoo.training.feature_cache import split_network

TABLE = Path(__file__).with_suffix(".csv")
COLUMNS = ("family", "network", "parameters", "size", "backbone", "layers")
SIZES = (64, 128, 224, 256, 299)
MOST_PARAMETERS = 100_000_000


def smallest(family: str) -> tuple[str, int]:
    """Return the network of a family of timm with the fewest parameters, and their number."""
    sizes = {}
    for name in timm.list_models(module=family):
        with torch.device("meta"):
            sizes[name] = sum(value.numel() for value in timm.create_model(name).parameters())
    name = min(sizes, key=sizes.__getitem__)
    return name, sizes[name]


def build(name: str, what: int | str) -> Classifier:
    """Return a network with frozen layers, at the smallest size at which it works."""
    known = get_pretrained_cfg(name.removeprefix("timm/")) if name.startswith("timm/") else None
    sizes = (known.input_size[1],) if known is not None and known.fixed_input_size else SIZES
    for size in sizes:
        spec = InputSpec(("a", "b", "c"), 3, size, size, (0.5,) * 3, (0.5,) * 3)
        try:
            return Classifier(spec, name, freeze=what).train()
        except (UserError, RuntimeError, ValueError) as error:
            last = error
    raise last


def attempt(name: str, what: int | str) -> tuple[int, str]:
    """Return the size of the images, and ``yes`` or the reason why the frozen layers run in every epoch."""
    try:
        classifier = build(name, what)
    except UserError as error:  # such as fewer layers than should freeze
        return 0, f"no: {error}"
    spec = classifier.spec
    images = torch.randint(256, (2, spec.height, spec.width, 3), dtype=torch.uint8)
    try:
        split_network(classifier, classifier.preprocess(images))
    except NoPrefix as reason:
        return spec.height, f"no: {reason}"
    return spec.height, "yes"


def main() -> None:
    """Try the networks, write the table and print a summary."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--only", default="*", help="pattern of the networks to try; other rows stay")
    parser.add_argument("--layers", type=int, default=8, help="how many of the first layers the last column freezes")
    options = parser.parse_args()
    warnings.simplefilter("ignore")
    with TABLE.open(newline="", encoding="utf-8") as file:
        rows = list(csv.DictReader(file))
    for family in sorted(set(timm.list_modules()) - {row["family"] for row in rows}):
        name, count = smallest(family)
        rows.append({"family": family, "network": f"timm/{name}", "parameters": str(count)})
    for row in rows:
        if int(row["parameters"]) <= MOST_PARAMETERS and fnmatch(row["network"], options.only):
            size, row["backbone"] = attempt(row["network"], "backbone")
            row["size"], row["layers"] = str(size), attempt(row["network"], options.layers)[1]
            print(row["network"], row["backbone"], row["layers"], sep="  ", flush=True)
            with TABLE.open("w", newline="", encoding="utf-8") as file:
                writer = csv.DictWriter(file, COLUMNS, lineterminator="\n")
                writer.writeheader()
                writer.writerows(rows)
    tried = [row for row in rows if row.get("backbone")]
    for column in ("backbone", "layers"):
        print(column, Counter(row[column].partition(":")[0] for row in tried))


if __name__ == "__main__":
    main()
