"""Chromium and pictures for tests of web pages.

Tests in a browser need Chromium with chromedriver (Debian: chromium, chromium-driver) and selenium. What npm has
(onnxruntime-web, onnxruntime-node, sharp) is looked for in the folder that ZOO_NODE_MODULES names, or ./node_modules.
"""

from __future__ import annotations

import os
from pathlib import Path

import numpy as np
from PIL import Image
from support import REPOSITORY

NODE_MODULES = Path(os.environ.get("ZOO_NODE_MODULES", REPOSITORY / "node_modules"))
ORT_WEB = NODE_MODULES / "onnxruntime-web" / "dist"
ORT_FILES = ("ort.wasm.bundle.min.mjs", "ort-wasm-simd-threaded.wasm")


class Page:
    """A page in the browser."""

    def __init__(self, browser):
        self.browser = browser

    def open(self, address):
        self.browser.get(address)
        self.until("the network is loaded", "return document.querySelector('#loading').hidden")

    def until(self, what, script):
        """Wait until a script gives something, and return it."""
        from selenium.webdriver.support.ui import WebDriverWait

        return WebDriverWait(self.browser, 60).until(lambda browser: browser.execute_script(script), what)

    def find(self, selector):
        return self.browser.find_element("css selector", selector)

    def text(self, selector):
        return self.find(selector).get_property("textContent")

    def answer(self):
        """Return the shown classes and their probabilities, once there is one that is read aloud."""
        self.until("an answer", "return document.querySelector('#status').textContent")
        script = (
            "return [...document.querySelectorAll('#classes li')].map((line) =>"
            "[line.querySelector('.name').textContent, Number(line.querySelector('data').value)])"
        )
        return dict(self.browser.execute_script(script))

    def errors(self):
        return [entry for entry in self.browser.get_log("browser") if entry["level"] != "INFO"]


def pictures(folder):
    """Write ten image files of many sizes and kinds, and return their paths."""
    random = np.random.default_rng(0)
    scene = Image.fromarray(random.integers(0, 255, (6, 8, 3), np.uint8)).resize((320, 240), Image.Resampling.BICUBIC)
    turned = Image.Exif()
    turned[0x0112] = 6
    transparent = scene.copy()
    transparent.putalpha(Image.linear_gradient("L").resize(scene.size))
    files = {
        "own.png": (scene.resize((32, 32)), {}),
        "small.png": (scene.resize((8, 8)), {}),
        "one.png": (scene.resize((1, 1)), {}),
        "wide.png": (scene.resize((500, 40)), {}),
        "tall.webp": (scene.resize((37, 211)), {"lossless": True}),
        "photo.jpg": (scene.resize((1280, 960)), {"quality": 85}),
        "turned.jpg": (scene, {"exif": turned}),
        "grey.jpg": (scene.convert("L"), {}),
        "palette.gif": (scene.quantize(16), {}),
        "transparent.png": (transparent, {}),
    }
    for name, (image, options) in files.items():
        image.save(folder / name, **options)
    return [folder / name for name in files]
