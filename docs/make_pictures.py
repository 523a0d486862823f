"""Make the pictures of README and docs: ``python docs/make_pictures.py`` trains LeNet-5 on digits and shows the result.

docs/images/augmentation/   what each augmentation does to a drawn scene in four epochs
docs/images/terminal.svg    what ``zoo fit`` and ``zoo test`` print
docs/images/report.png      the report, in Chromium
docs/images/page.png        the page of ``zoo export --web``, if chromedriver is there and ZOO_NODE_MODULES
                            names a folder with onnxruntime-web
"""

from __future__ import annotations

import io
import os
import re
import shutil
import subprocess
import sys
import tempfile
import threading
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import numpy as np
from PIL import Image, ImageDraw
from rich.console import Console
from rich.terminal_theme import SVG_EXPORT_THEME
from rich.text import Text

from zoo.core import registry
from zoo.data.image_data import ImageData
from zoo.data.views import augmented_views

IMAGES = Path(__file__).parent / "images"
COLUMNS = 92
#: Pixels of the side of an augmented picture.
SIDE = 112
FIT = ("fit", "--model", "lenet5", "--data", "digits")
RUN = "runs/digits-lenet5/version_0"
STREAMS = {"stdout": subprocess.PIPE, "stderr": subprocess.STDOUT}
#: rich's own template loads a font from another host.
WEB_FONT = re.compile(r"@font-face \{.*?\}\s*", re.DOTALL)


def main() -> None:
    """Make all pictures."""
    IMAGES.mkdir(exist_ok=True)
    augmentations(IMAGES / "augmentation")
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        fit, test = zoo(folder, *FIT), zoo(folder, "test", RUN)
        terminal([("zoo " + " ".join(FIT), shortened(fit)), (f"zoo test {RUN}", test)], IMAGES / "terminal.svg")
        screenshot(folder / RUN / "report.html", IMAGES / "report.png", (1200, 1045))
        zoo(folder, "export", RUN, "--web", "page")
        page(folder / "page", IMAGES / "page.png")


def augmentations(folder: Path) -> None:
    """Draw a scene under each augmentation of zoo's own, in the epochs 1 to 4, side by side."""
    folder.mkdir(exist_ok=True)
    with tempfile.TemporaryDirectory() as name:
        for split in ("train", "val"):
            place = Path(name, split, "house")
            place.mkdir(parents=True)
            scene().save(place / "scene.png")
            shutil.copytree(place, place.with_name("tree"))
        for entry in registry.entries("augmentation"):
            if entry.distribution == registry.OWN_DISTRIBUTION:
                options = [option.name for option in registry.options("augmentation", entry.load())]
                setting = {"name": entry.name} | ({"p": 1.0} if "p" in options else {})  # otherwise some show nothing
                data = ImageData("folder", name, image_size=SIDE, augmentation=setting, memory_gib=0, num_workers=0)
                _, views = augmented_views(data, "train", 1, 4)
                pixels = np.concatenate(list(views[0].numpy()), axis=1)
                Image.fromarray(pixels).save(folder / f"{entry.name}.jpg", quality=80)


def scene() -> Image.Image:
    """Draw a house, a tree and the sun, which look different when they are mirrored, turned or coloured."""
    width, height = 4 * SIDE, 3 * SIDE
    rows, columns = np.mgrid[:height, :width]
    random = np.random.default_rng(0)
    sky = np.stack([120 + 90 * rows / height, 170 + 60 * rows / height, 235 - 20 * rows / height], axis=2)
    meadow = np.stack([90 + 30 * np.sin(columns / 9), 150 + 25 * np.sin(rows / 5), 60 + 0 * rows], axis=2)
    pixels = np.where((rows > 0.7 * height + 8 * np.sin(columns / 60))[..., None], meadow, sky)
    image = Image.fromarray((pixels + random.normal(0, 6, pixels.shape)).clip(0, 255).astype(np.uint8))
    draw = ImageDraw.Draw(image)
    draw.ellipse((30, 24, 90, 84), fill=(255, 221, 80))
    draw.rectangle((170, 150, 300, 270), fill=(214, 196, 170))
    draw.polygon([(155, 152), (235, 80), (315, 152)], fill=(170, 62, 50))
    draw.rectangle((266, 90, 284, 130), fill=(120, 60, 50))
    draw.rectangle((190, 205, 222, 270), fill=(96, 66, 44))
    draw.rectangle((244, 180, 284, 216), fill=(120, 190, 220), outline=(80, 80, 80), width=3)
    draw.rectangle((366, 190, 382, 280), fill=(101, 67, 33))
    for x, y, radius in ((374, 150, 44), (346, 176, 30), (402, 178, 30)):
        draw.ellipse((x - radius, y - radius, x + radius, y + radius), fill=(46, 110 + radius, 52))
    return image


def zoo(folder: Path, *argv: str) -> str:
    """Run a command in a folder and return what a terminal shows of it at the end, in colour."""
    settings = os.environ | {"FORCE_COLOR": "1", "COLUMNS": str(COLUMNS), "TERM": "xterm-256color"}
    command = [sys.executable, "-m", "zoo", *argv]
    done = subprocess.run(command, cwd=folder, env=settings, check=True, **STREAMS)
    lines: list[str] = []
    for line in done.stdout.decode().replace("\x1b[?25l", "").replace("\x1b[?25h", "").rstrip("\n").split("\n"):
        if "\x1b[1A" in line and lines:  # a finished bar: the line before is written again
            lines.pop()
        lines.append(line.rpartition("\x1b[2K")[2])
    return "\n".join(lines)


def shortened(text: str) -> str:
    """Return the output of fit without the epochs in the middle."""
    lines = text.splitlines()
    epochs = [place for place, line in enumerate(lines) if line.startswith("epoch ")]
    return "\n".join([*lines[: epochs[3]], "...", *lines[epochs[-2] :]])


def terminal(commands: list[tuple[str, str]], path: Path) -> None:
    """Draw commands and their output as a terminal."""
    console = Console(record=True, width=COLUMNS, file=io.StringIO(), force_terminal=True, highlight=False)
    for command, output in commands:
        console.print(Text.assemble(("$ ", "green"), (command, "bold")))
        console.print(Text.from_ansi(output), soft_wrap=False)
    svg = console.export_svg(title="zoo", theme=SVG_EXPORT_THEME, unique_id="zoo")
    path.write_text(WEB_FONT.sub("", svg).replace("Fira Code,", "Fira Code, DejaVu Sans Mono,"), encoding="utf-8")


def screenshot(page: Path, path: Path, size: tuple[int, int]) -> None:
    """Show a page in Chromium and keep the picture."""
    options = ["--headless", "--no-sandbox", "--disable-gpu", "--hide-scrollbars", f"--window-size={size[0]},{size[1]}"]
    raw = page.with_suffix(".png")
    command = [chromium(), *options, f"--screenshot={raw}", page.as_uri()]
    subprocess.run(command, check=True, stderr=subprocess.DEVNULL)
    small(raw, path)


def chromium() -> str:
    """Return Chromium's path."""
    browser = shutil.which("chromium") or shutil.which("google-chrome")
    if browser is None:
        raise SystemExit("the pictures need Chromium (Debian: apt-get install chromium chromium-driver)")
    return browser


def small(raw: Path, path: Path) -> None:
    """Write a picture in 128 colours, which keeps it below 200 KB."""
    Image.open(raw).convert("RGB").quantize(128, dither=Image.Dither.NONE).save(path, optimize=True)
    if path.stat().st_size > 200_000:
        raise SystemExit(f"{path} has {path.stat().st_size:,} bytes; allowed are 200,000")


def page(folder: Path, path: Path) -> None:
    """Draw a seven on the page and keep the picture."""
    modules = os.environ.get("ZOO_NODE_MODULES")
    if modules is None:
        print(f"{path} stays as it is: ZOO_NODE_MODULES names no folder with onnxruntime-web", file=sys.stderr)
        return
    from selenium import webdriver
    from selenium.webdriver import ActionChains
    from selenium.webdriver.support.ui import WebDriverWait

    (folder / "ort").symlink_to(Path(modules) / "onnxruntime-web" / "dist")
    options = webdriver.ChromeOptions()
    options.binary_location = chromium()
    for option in ("headless=new", "no-sandbox", "disable-gpu", "hide-scrollbars", "window-size=900,880"):
        options.add_argument(f"--{option}")
    handler = partial(SimpleHTTPRequestHandler, directory=str(folder))
    service = webdriver.ChromeService(shutil.which("chromedriver"))
    with (
        ThreadingHTTPServer(("127.0.0.1", 0), handler) as server,
        webdriver.Chrome(options=options, service=service) as browser,
    ):
        threading.Thread(target=server.serve_forever, daemon=True).start()
        browser.get(f"http://127.0.0.1:{server.server_port}/")
        wait = WebDriverWait(browser, 60)
        wait.until(lambda browser: browser.execute_script("return document.querySelector('#loading').hidden"))
        pad = browser.find_element("css selector", "#pad")
        side = pad.rect["height"]
        strokes = ActionChains(browser).move_to_element_with_offset(pad, int(-side * 0.22), int(-side * 0.3))
        strokes.click_and_hold().move_by_offset(int(side * 0.42), 0)
        strokes.move_by_offset(int(-side * 0.2), int(side * 0.6)).release().perform()
        wait.until(lambda browser: browser.execute_script("return document.querySelector('#status').textContent"))
        browser.save_screenshot(str(folder / "page.png"))
        server.shutdown()
    small(folder / "page.png", path)


if __name__ == "__main__":
    main()
