"""Write a trained network as a wheel, the file that pip installs.

    flower_classifier/            model.onnx  weights.safetensors  training_images.json  README.md  __init__.py
    flower_classifier-1.0.dist-info/   METADATA  WHEEL  entry_points.txt (group zoo.models)  RECORD (SHA-256 of each)

The format is that of https://packaging.python.org/en/latest/specifications/binary-distribution-format.
"""

from __future__ import annotations

import base64
import filecmp
import hashlib
import re
import sys
import zipfile
from collections.abc import Mapping, Sequence
from importlib.util import find_spec
from pathlib import Path

from packaging.version import InvalidVersion, Version

from zoo.core.errors import UserError
from zoo.core.version import __version__
from zoo.core.whole_file import replacing, write_error
from zoo.models.installed import without_front_matter
from zoo.runtime import MODELS

#: What a wheel's module holds: where its files are, and nothing that runs when it is listed.
MODULE = '''"""{summary}"""

from pathlib import Path


def folder() -> Path:
    """Return the folder with model.onnx and weights.safetensors."""
    return Path(__file__).parent
'''

WHEEL = "Wheel-Version: 1.0\nGenerator: zoo {version}\nRoot-Is-Purelib: true\nTag: py3-none-any\n"

#: The time of every file in a wheel, so that equal contents make equal wheels.
TIME = (1980, 1, 1, 0, 0, 0)


def require_name(name: str) -> str:
    """Return the name of the module of a model.

    Raises:
        UserError: the name is none that pip takes, or another package has the module.
    """
    if not re.fullmatch(r"[A-Za-z]([A-Za-z0-9._-]*[A-Za-z0-9])?", name):
        raise UserError(f"--name is '{name}'; allowed are letters, digits, '-', '_' and '.', a letter first")
    module = re.sub(r"[-_.]+", "_", name).lower()
    if module in sys.stdlib_module_names or not _is_free(module):
        raise UserError(f"--name is '{name}', but the Python package {module} is there and no model; choose another")
    return module


def _is_free(module: str) -> bool:
    """Tell whether no package has a module, or an earlier version of the model has it."""
    spec = find_spec(module)
    return spec is None or any(Path(place, "model.onnx").is_file() for place in spec.submodule_search_locations or ())


def require_version(version: str) -> str:
    """Return a version in its usual form; UserError where it is none (PEP 440)."""
    try:
        return str(Version(version))
    except InvalidVersion as error:
        raise UserError(f"--version is '{version}'; allowed is a version such as 1.0 or 1.2.3rc1 (PEP 440)") from error


def write_wheel(
    folder: Path, name: str, version: str, files: Mapping[str, Path | str], needs: Mapping[str, Sequence[str]]
) -> Path:
    """Write a wheel.

    Args:
        folder: where it goes; it is made where it is missing.
        name: of the distribution and of its entry point, as ``require_name`` takes it.
        version: as ``require_version`` returns it.
        files: by their names in the package, the files or their texts; README.md is the description.
        needs: requirements by the name of their extra.

    Returns:
        Its path.

    Raises:
        UserError: the name is not allowed, the folder cannot be made, or has a wheel of this name with other content.
        RunError: the file cannot be written.
    """
    module = require_name(name)
    info, summary = f"{module}-{version}.dist-info", f"{name} {version}, a trained image classifier for zoo."
    contents: dict[str, Path | str] = {f"{module}/__init__.py": MODULE.format(summary=summary)}
    contents |= {f"{module}/{file}": content for file, content in files.items()}
    described = without_front_matter(str(files["README.md"]))
    contents |= {
        f"{info}/METADATA": metadata(name, version, summary, needs, described),
        f"{info}/WHEEL": WHEEL.format(version=__version__),
        f"{info}/entry_points.txt": f"[{MODELS}]\n{name} = {module}:folder\n",
    }
    return save_wheel(folder, info, contents, replace=False)


def save_wheel(folder: Path, info: str, contents: Mapping[str, Path | str], *, replace: bool) -> Path:
    """Write files as a wheel, with a record of their SHA-256.

    Args:
        folder: where it goes; it is made where it is missing.
        info: the name of the folder of metadata in it, ``<name>-<version>.dist-info``.
        contents: by their places in the wheel, the files or their texts.
        replace: whether a wheel of this name with other content is replaced.

    Returns:
        Its path.

    Raises:
        UserError: the folder cannot be made, or has a wheel of this name with other content that is not replaced.
        RunError: the file cannot be written.
    """
    path = folder / f"{info.removesuffix('.dist-info')}-py3-none-any.whl"
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise UserError(f"--output is '{folder}', which cannot be made: {error.strerror}") from error
    try:
        with replacing(path) as target:
            with zipfile.ZipFile(target, "w") as wheel:
                _fill(wheel, contents, f"{info}/RECORD")
            target.flush()
            if not replace and path.exists() and not filecmp.cmp(target.name, path, shallow=False):
                raise UserError(
                    f"{path} holds another model, or an older card of this one, and pip does not replace a version by "
                    "itself; raise --version, or remove the file"
                )
    except OSError as error:
        raise write_error(path, error) from error
    return path


def _fill(wheel: zipfile.ZipFile, contents: Mapping[str, Path | str], record: str) -> None:
    """Write the files of a wheel, and last the record of their digests."""
    rows = []
    for file, content in contents.items():
        data = content.read_bytes() if isinstance(content, Path) else content.encode()
        stored = zipfile.ZIP_STORED if isinstance(content, Path) else zipfile.ZIP_DEFLATED  # weights do not shrink
        _add(wheel, file, data, stored)
        digest = base64.urlsafe_b64encode(hashlib.sha256(data).digest()).decode().rstrip("=")
        rows.append(f"{file},sha256={digest},{len(data)}\n")
    _add(wheel, record, "".join([*rows, f"{record},,\n"]).encode(), zipfile.ZIP_DEFLATED)


def _add(wheel: zipfile.ZipFile, name: str, data: bytes, compression: int) -> None:
    entry = zipfile.ZipInfo(name, TIME)
    entry.external_attr = 0o644 << 16
    wheel.writestr(entry, data, compression)


def metadata(name: str, version: str, summary: str, needs: Mapping[str, Sequence[str]], description: str) -> str:
    """Return the text of METADATA; ``needs`` has requirements by the name of their extra, "" for those without."""
    lines = ["Metadata-Version: 2.1", f"Name: {name}", f"Version: {version}", f"Summary: {summary}"]
    lines += ["Requires-Python: >=3.11", "Description-Content-Type: text/markdown"]
    for extra, requirements in needs.items():
        lines += [f"Provides-Extra: {extra}"] if extra else []
        lines += [
            f"Requires-Dist: {requirement}" + f"; extra == '{extra}'" * bool(extra) for requirement in requirements
        ]
    return "\n".join([*lines, "", description])
