"""Draw zoo's packages: the layers of the contract in pyproject.toml, and an arrow for each import between packages.

``python docs/packages.py > packages.svg`` draws them; the documentation calls ``drawing`` when it is built.
"""

from __future__ import annotations

import sys
import tomllib
from collections import Counter
from pathlib import Path

import grimp

WIDTH, HEIGHT, GAP, BOX = 900, 84, 40, 130


def layers(repository: Path) -> list[list[str]]:
    """Return the lines of the contract, highest first, each a list of packages without ``zoo.``."""
    content = tomllib.loads((repository / "pyproject.toml").read_text(encoding="utf-8"))
    [contract] = [item for item in content["tool"]["importlinter"]["contracts"] if item["type"] == "layers"]
    lines = [line if isinstance(line, str) else " | ".join(line) for line in contract["layers"]]
    return [[name.strip(" ()").removeprefix("zoo.") for name in line.replace(":", "|").split("|")] for line in lines]


def arrows() -> Counter[tuple[str, str]]:
    """Return how many modules of one package import from another: ``{(importer, imported): modules}``."""
    graph = grimp.build_graph("zoo")
    found: set[tuple[str, str, str]] = set()
    for module in graph.modules:
        importer = package(module)
        for target in graph.find_modules_directly_imported_by(module):
            if importer and package(target) and package(target) != importer:
                found.add((importer, package(target), module))
    return Counter((importer, imported) for importer, imported, _ in found)


def package(module: str) -> str:
    """Return ``training`` for ``zoo.training.loss``; nothing for ``zoo`` itself, which holds no code of its own."""
    return module.split(".")[1] if "." in module and not module.endswith("__main__") else ""


def drawing(repository: Path) -> str:
    """Return the drawing as SVG in the colours of the text around it."""
    lines = layers(repository)
    places: dict[str, tuple[float, float]] = {}
    for row, line in enumerate(lines):
        step = WIDTH / len(line)
        for column, name in enumerate(line):
            places[name] = (step * (column + 0.5), row * HEIGHT + 24)
    edges = {edge: count for edge, count in arrows().items() if edge[0] in places and edge[1] in places}
    height = len(lines) * HEIGHT - HEIGHT + 60
    parts = [
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH} {height}" role="img" class="packages"'
        f' font-family="monospace" font-size="14"><title>{len(edges)} imports between the packages of zoo</title>',
        '<defs><marker id="tip" viewBox="0 0 8 8" refX="8" refY="4" markerWidth="8" markerHeight="8"'
        ' orient="auto"><path d="M0 0L8 4L0 8z" fill="currentColor"/></marker></defs>',
    ]
    for (importer, imported), count in sorted(edges.items()):
        (x, y), (to_x, to_y) = places[importer], places[imported]
        tip = to_x + (x - to_x) * 0.12  # spread the arrows that meet at one box
        parts.append(
            f'<path d="M{x:.0f} {y + 16:.0f}C{x:.0f} {y + 50:.0f} {tip:.0f} {to_y - 56:.0f} {tip:.0f} {to_y - 17:.0f}"'
            f' fill="none" stroke="currentColor" opacity=".35" marker-end="url(#tip)">'
            f"<title>{importer} imports {imported} in {count} modules</title></path>"
        )
    for name, (x, y) in places.items():
        parts.append(
            f'<rect x="{x - BOX / 2:.0f}" y="{y - 16:.0f}" width="{BOX}" height="32" rx="6" class="box"/>'
            f'<text x="{x:.0f}" y="{y + 5:.0f}" text-anchor="middle" fill="currentColor">{name}</text>'
        )
    return "".join([*parts, "</svg>"])


if __name__ == "__main__":
    sys.stdout.write(drawing(Path(__file__).parent.parent))
