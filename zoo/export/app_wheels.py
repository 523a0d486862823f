"""Wheels that an application without torch installs: of zoo-runtime, and of an installed model, written again.

zoo/runtime.py  ──► zoo_runtime-0.1.0-py3-none-any.whl         what pip installed of a model  ──► its wheel
"""

from __future__ import annotations

import tomllib
from importlib.metadata import Distribution
from pathlib import Path

from zoo import runtime
from zoo.core.version import __version__
from zoo.export.wheel import WHEEL, metadata, save_wheel

#: What zoo-runtime is called and needs: beside this file in a wheel of zoo, among the plugins in a checkout.
PLACES = (Path(__file__).parent / "zoo-runtime", Path(__file__).parents[2] / "plugins" / "zoo-runtime")

#: What pip adds to the files of a wheel when it installs them.
OF_PIP = ("RECORD", "INSTALLER", "REQUESTED", "direct_url.json")


def write_runtime(folder: Path) -> Path:
    """Write the wheel of zoo-runtime into a folder, and return its path; errors as ``save_wheel``.

    It holds the module ``zoo_runtime`` of this version of zoo. No package index is asked for it.
    """
    source = next(place for place in PLACES if place.is_dir())
    project = tomllib.loads((source / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    name, version = project["name"], project["version"]
    needs = {"": project["dependencies"], **project["optional-dependencies"]}
    readme = (source / project["readme"]).read_text(encoding="utf-8")
    scripts = "".join(f"{script} = {function}\n" for script, function in project["scripts"].items())
    info = f"{name.replace('-', '_')}-{version}.dist-info"
    contents: dict[str, Path | str] = {
        "zoo_runtime.py": Path(runtime.__file__),
        f"{info}/METADATA": metadata(name, version, project["description"], needs, readme),
        f"{info}/WHEEL": WHEEL.format(version=__version__),
        f"{info}/entry_points.txt": f"[console_scripts]\n{scripts}",
    }
    return save_wheel(folder, info, contents, replace=True)


def repack(distribution: Distribution, folder: Path) -> Path:
    """Write the wheel of an installed model into a folder, and return its path; errors as ``save_wheel``."""
    files = [file for file in distribution.files or () if file.name not in OF_PIP and file.suffix != ".pyc"]
    [info] = {file.parts[0] for file in files if file.name == "METADATA"}
    contents: dict[str, Path | str] = {
        file.as_posix(): Path(str(distribution.locate_file(file))) for file in files if ".." not in file.parts
    }
    return save_wheel(folder, info, contents, replace=True)
