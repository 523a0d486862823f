"""A page that runs an exported model in the browser: ``zoo export RUN --web FOLDER``.

    FOLDER/index.html        what the page knows of the model, and which zoo-* folder it uses
    FOLDER/zoo-<digest>/     the model and the page's scripts and style (zoo/export/page), named after their content
    FOLDER/ort/              onnxruntime-web, if you put it there; else the page loads it from jsDelivr

Everything is complete before index.html is replaced, and older zoo-* folders go after it: a page that worked works at
every moment, the old one or the new one.
"""

from __future__ import annotations

import hashlib
import html
import json
import re
import shutil
from importlib import resources
from pathlib import Path
from typing import Any

from zoo import runtime
from zoo.core.errors import RunError, UserError
from zoo.images.files import as_user_errors
from zoo.runs.files import replacing, write_atomically

#: Tells a page of zoo from other people's.
MARK = b'<meta name="generator" content="zoo export --web">'

#: The page's files beside index.html.
STATIC = (
    *("page.js", "answer.js", "camera.js", "facts.js", "ink.js", "pad.js", "pixels.js", "sample.js"),
    *("classifier.js", "worker.js", "style.css"),
)

ASSETS = re.compile(r"zoo-[0-9a-f]{12}")

#: What may be in a folder that has no page yet: onnxruntime-web, and what a killed export left.
_FORERUNNERS = re.compile(rf"ort|{ASSETS.pattern}|\.index\.html-.*")


def write_page(model_path: Path, folder: Path) -> Path:
    """Write a static page that classifies with a model, in a new folder or in place of an older page.

    Args:
        model_path: a file that ``zoo export`` wrote.
        folder: is made where it does not exist; what else lies beside an older page stays.

    Returns:
        ``folder/index.html``.

    Raises:
        UserError: the model cannot be used, or the folder holds something that is no page of zoo.
        RunError: the folder cannot be written; an older page is untouched.
    """
    check_folder(folder)
    with as_user_errors():
        metadata = runtime.Classifier(model_path).metadata
    static = {name: (resources.files("zoo.export") / "page" / name).read_bytes() for name in STATIC}
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
        raise RunError(f"{folder} cannot be written: {error.strerror}; an older page there works as before") from error
    return page


def check_folder(folder: Path) -> None:
    """Ask, before anything is computed, whether a page may be written into a folder.

    Raises:
        UserError: it is a file, or not empty and no page that ``write_page`` wrote.
    """
    try:
        names = [path.name for path in folder.iterdir()]
        page = folder / "index.html"
        known = MARK in page.read_bytes()[:1000] if page.exists() else all(map(_FORERUNNERS.fullmatch, names))
    except FileNotFoundError:
        return
    except OSError as error:
        raise UserError(f"{folder} cannot hold a page: {error.strerror}; name a new folder") from error
    if not known:
        raise UserError(
            f"{folder} is not empty and holds no page of zoo ({', '.join(sorted(names)[:3])}); name a new folder"
        )


def _digest(model_path: Path, static: dict[str, bytes]) -> str:
    """Return twelve hexadecimal digits that differ where the content does."""
    with model_path.open("rb") as file:
        digest = hashlib.file_digest(file, "sha256")
    for name, content in static.items():
        digest.update(f"\n{name} {len(content)}\n".encode() + content)
    return digest.hexdigest()[:12]


def _remove_older(folder: Path, assets: Path) -> None:
    for left in folder.glob(".index.html-*"):  # by an export that was killed
        left.unlink()
    for older in folder.iterdir():
        if ASSETS.fullmatch(older.name) and older != assets and older.is_dir() and not older.is_symlink():
            shutil.rmtree(older)


def _index(metadata: dict[str, Any], assets: str, size: int) -> str:
    """Return index.html; ``size`` is the model file's, in bytes."""
    model = _described(metadata) | {"file": f"{assets}/model.onnx", "bytes": size}
    title = html.escape(f"{model['architecture']} on {model['dataset']}")
    # A class may be called "</script>", and have bytes in its name that are no UTF-8.
    texts = {"@TITLE@": title, "@ASSETS@": assets, "@MODEL@": json.dumps(model).replace("<", "\\u003c")}
    page = (resources.files("zoo.export") / "page" / "index.html").read_text(encoding="utf-8")
    return re.sub("|".join(texts), lambda found: texts[found[0]], page)


def _described(metadata: dict[str, Any]) -> dict[str, Any]:
    """Return what the page needs of a file's metadata, which onnxruntime-web does not give."""
    spec, lower = metadata["input_spec"], metadata.get("quantization")
    architecture = metadata["architecture"]
    crop = spec["resize"]["crop"]
    return {
        "classes": metadata["classes"],
        "architecture": architecture["name"] if isinstance(architecture, dict) else architecture,
        "dataset": metadata["dataset"],
        "test_accuracy": metadata.get("test_accuracy"),
        "precision": lower["precision"] if lower else "float32",
        "channels": spec["channels"],
        "height": spec["height"],
        "width": spec["width"],
        "cover": [round(spec["height"] / crop), round(spec["width"] / crop)],
        "max_pixels": runtime.MAX_PIXELS,
        # MNIST's digits are light strokes on black: its mean is 0.13.
        "light_on_dark": spec["mean"][0] < 0.5,
        "sample": metadata["golden"],
    }
