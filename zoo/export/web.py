"""Write a web page that runs an exported model in the browser: ``zoo export RUN --web FOLDER``.

    FOLDER/index.html        describes the model and names the zoo-* folder to use
    FOLDER/zoo-<digest>/     the model, and the page's scripts and style (zoo/export/page), named after their content
    FOLDER/ort/              onnxruntime-web, if you put it there; else the page loads it from jsDelivr

index.html is replaced after the new zoo-* folder is complete and before older ones are removed: the page works at every
moment, in its old or its new version.
"""

from __future__ import annotations

import hashlib
import re
import shutil
from importlib import resources
from pathlib import Path
from typing import Any

from jinja2 import Environment, StrictUndefined

from zoo import runtime
from zoo.core.errors import UserError
from zoo.core.whole_file import replacing, write_error
from zoo.images.files import as_user_errors
from zoo.runs.files import write_atomically

#: Identifies a page that zoo has written.
MARK = b'<meta name="generator" content="zoo export --web">'

#: The folder of the page's files, and their names but index.html.
PAGE = resources.files("zoo.export") / "page"
STATIC = sorted(path.name for path in PAGE.iterdir() if path.name.endswith((".js", ".css")))

ASSETS = re.compile(r"zoo-[0-9a-f]{12}")

#: Names allowed in a folder without a page: onnxruntime-web, and the remains of a killed export.
_ALLOWED_NAMES = re.compile(rf"ort|{ASSETS.pattern}|\.index\.html-.*")


def write_page(model_path: Path, folder: Path) -> Path:
    """Write a static page that classifies with a model, in a new folder or over an older page.

    Args:
        model_path: a file that ``zoo export`` wrote.
        folder: is made if it does not exist; other files beside an older page stay.

    Returns:
        ``folder/index.html``.

    Raises:
        UserError: the model cannot be used, or the folder is not empty and holds no page of zoo.
        RunError: the folder cannot be written; an older page stays as it was.
    """
    check_folder(folder)
    with as_user_errors():
        metadata = runtime.Classifier(model_path).metadata
    if (channels := metadata["input_spec"]["channels"]) not in (1, 3):
        raise UserError(f"{model_path} takes images of {channels} channels; a browser opens images of 1 or 3")
    static = {name: (PAGE / name).read_bytes() for name in STATIC}
    page = folder / "index.html"
    try:
        assets = folder / f"zoo-{_digest(model_path, static)}"
        new = not assets.exists()
        assets.mkdir(parents=True, exist_ok=True)
        try:
            for name, content in static.items():
                write_atomically(assets / name, content)
            with model_path.open("rb") as source, replacing(assets / "model.onnx") as target:
                shutil.copyfileobj(source, target)
            write_atomically(page, _index(metadata, assets.name, model_path.stat().st_size))
        except BaseException:
            if new:
                shutil.rmtree(assets)
            raise
        _remove_older(folder, assets)
    except OSError as error:
        raise write_error(folder, error, "; an older page there works as before") from error
    return page


def check_folder(folder: Path) -> None:
    """Check that a page may be written into a folder.

    Raises:
        UserError: the folder is a file, or is not empty and holds no page of zoo.
    """
    try:
        names = [path.name for path in folder.iterdir()]
        page = folder / "index.html"
        allowed = MARK in page.read_bytes()[:1000] if page.exists() else all(map(_ALLOWED_NAMES.fullmatch, names))
    except FileNotFoundError:
        return
    except OSError as error:
        raise UserError(f"{folder} cannot hold a page: {error.strerror}; name a new folder") from error
    if not allowed:
        raise UserError(
            f"{folder} is not empty and holds no page of zoo ({', '.join(sorted(names)[:3])}); name a new folder"
        )


def _digest(model_path: Path, static: dict[str, bytes]) -> str:
    """Return twelve hexadecimal digits that depend on the content."""
    with model_path.open("rb") as file:
        digest = hashlib.file_digest(file, "sha256")
    for name, content in static.items():
        digest.update(f"\n{name} {len(content)}\n".encode() + content)
    return digest.hexdigest()[:12]


def _remove_older(folder: Path, assets: Path) -> None:
    for older in folder.iterdir():
        if ASSETS.fullmatch(older.name) and older != assets and older.is_dir() and not older.is_symlink():
            shutil.rmtree(older)


def _index(metadata: dict[str, Any], assets: str, size: int) -> str:
    """Return index.html; ``size`` is that of the model file, in bytes."""
    model = _describe(metadata) | {"file": f"{assets}/model.onnx", "bytes": size}
    page = (PAGE / "index.html").read_text(encoding="utf-8")
    return Environment(autoescape=True, undefined=StrictUndefined).from_string(page).render(assets=assets, model=model)


def _describe(metadata: dict[str, Any]) -> dict[str, Any]:
    """Return the part of a file's metadata that the page needs; onnxruntime-web gives no access to metadata."""
    spec, quantization = metadata["input_spec"], metadata.get("quantization")
    architecture, crop, taken = metadata["architecture"], spec["resize"]["crop"], metadata.get("input", {})
    form = taken.get("form", "any")
    return {
        "classes": metadata["classes"],
        "architecture": architecture["name"] if isinstance(architecture, dict) else architecture,
        "dataset": metadata["dataset"],
        "test_accuracy": metadata.get("test_accuracy"),
        "precision": quantization["precision"] if quantization else "float32",
        "channels": spec["channels"],
        "height": spec["height"],
        "width": spec["width"],
        "form": form,
        "batch": 1 if form == "any" else taken["shape"][0],
        "mean": spec["mean"],
        "std": spec["std"],
        "interpolation": spec["resize"].get("interpolation", "bilinear"),
        "fit": spec["resize"].get("fit", "cover"),
        "white_level": spec.get("white_level", runtime.WHITE_LEVEL),
        "labels": metadata.get("labels", "one"),
        "thresholds": metadata.get("thresholds"),
        "cover": [round(spec["height"] / crop), round(spec["width"] / crop)],
        "max_pixels": runtime.MAX_PIXELS,
        # Digits of MNIST are light strokes on black: their mean is 0.13.
        "light_on_dark": spec["mean"][0] < 0.5,
        "training_images": metadata.get("training_images"),
        "sample": metadata["golden"],
    }
