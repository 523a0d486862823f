"""The page that runs an exported model in a browser, and the README's programs in other languages.

Tests in a browser need Chromium with chromedriver (Debian: chromium, chromium-driver) and selenium. What npm has
(onnxruntime-web, onnxruntime-node, sharp) is looked for in the folder that ZOO_NODE_MODULES names, or ./node_modules.
"""

from __future__ import annotations

import base64
import errno
import io
import json
import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from support import REPOSITORY

from zoo.cli import main
from zoo.core.errors import RunError, UserError
from zoo.export import web
from zoo.runtime import Classifier

NODE_MODULES = Path(os.environ.get("ZOO_NODE_MODULES", REPOSITORY / "node_modules"))
ORT_WEB = NODE_MODULES / "onnxruntime-web" / "dist"
ORT_FILES = ("ort.wasm.bundle.min.mjs", "ort-wasm-simd-threaded.wasm")

#: Class names are folders' names here, and these would end the page's data if they stood in it as they are.
NAMES = ("<!--<script>", "bee, or a bee's & friend's quite long name that takes more than one line " * 2)

EXACT = 1e-4


@pytest.fixture(scope="module")
def grey(digits_model):
    """A model of grey images of 8x8."""
    return digits_model


@pytest.fixture(scope="module")
def colour(tmp_path_factory):
    """A model of colour images of 32x32 and of two classes."""
    folder = tmp_path_factory.mktemp("colour")
    random = np.random.default_rng(0)
    for label, name in enumerate(NAMES):
        (folder / "photos" / name.strip()).mkdir(parents=True)
        for number in range(20):
            pixels = random.integers(0, 128, (32, 32, 3), np.uint8) + np.uint8(128 * label)
            Image.fromarray(pixels).save(folder / "photos" / name.strip() / f"{number}.png")
    words = ["fit", "--model", "lenet5", "--data", "folder", "--data.root", str(folder / "photos")]
    words += ["--data.num_workers", "0", "--trainer.max_epochs", "1", "--trainer.default_root_dir", str(folder)]
    assert main([*words, "--data.image_size", "32"]) == 0
    run = folder / "folder-lenet5" / "version_0"
    assert main(["export", str(run)]) == 0
    return run / "model.onnx"


def assets(folder):
    """Return the only zoo-* folder of a page."""
    [found] = folder.glob("zoo-*")
    return found


def described(folder):
    """Return what a page knows of its model."""
    page = (folder / "index.html").read_text(encoding="utf-8")
    return json.loads(re.search(r'<script type="application/json" id="model">(.*?)</script>', page)[1])


def test_a_page_is_its_index_its_scripts_and_the_model(grey, tmp_path):
    page = web.write_page(grey, tmp_path / "deep" / "page")
    folder = page.parent
    assert page == tmp_path / "deep" / "page" / "index.html"
    assert {path.name for path in assets(folder).iterdir()} == {*web.STATIC, "model.onnx"}
    assert (assets(folder) / "model.onnx").read_bytes() == grey.read_bytes()
    text = page.read_text(encoding="utf-8")
    assert "<title>lenet5 on digits</title>" in text
    assert all((folder / link).is_file() for link in re.findall(r'(?:src|href)="(zoo-[^"]*)"', text))
    assert (folder / described(folder)["file"]).is_file()


def test_all_that_lies_in_pages_is_written_and_all_that_is_imported_is_there():
    pages = REPOSITORY / "zoo" / "export" / "page"
    assert {path.name for path in pages.iterdir()} == {*web.STATIC, "index.html"}
    for script in pages.glob("*.js"):
        for name in re.findall(r"(?:from|URL\()\s*'\./([^']*)'", script.read_text(encoding="utf-8")):
            assert name in web.STATIC, f"{script.name} needs {name}"


def test_the_page_knows_what_the_file_says(colour, tmp_path):
    model = described(web.write_page(colour, tmp_path / "page").parent)
    metadata = Classifier(colour).metadata
    assert tuple(model["classes"]) == Classifier(colour).classes
    assert model["test_accuracy"] is None
    assert model["sample"] == metadata["golden"]
    assert (model["channels"], model["height"], model["width"]) == (3, 32, 32)
    assert model["bytes"] == colour.stat().st_size


def test_dark_data_is_drawn_light_on_dark(grey, tmp_path):
    assert described(web.write_page(grey, tmp_path / "page").parent)["light_on_dark"] is True


def test_another_model_replaces_the_page_and_nothing_else(grey, colour, tmp_path):
    folder = web.write_page(grey, tmp_path / "page").parent
    (folder / "ort").mkdir()
    (folder / "CNAME").write_text("example.org")
    first = assets(folder)
    web.write_page(colour, folder)
    assert assets(folder) != first
    assert (assets(folder) / "model.onnx").read_bytes() == colour.read_bytes()
    assert (folder / "CNAME").read_text() == "example.org"
    assert (folder / "ort").is_dir()


def test_a_folder_with_onnxruntime_or_a_killed_exports_remains_takes_a_page(grey, tmp_path):
    for name in ("ort", "zoo-0123456789ab"):
        (tmp_path / name).mkdir()
    (tmp_path / ".index.html-x1y2z3").write_text("<!doc")
    page = web.write_page(grey, tmp_path)
    assert {path.name for path in tmp_path.iterdir()} == {"ort", page.name, assets(tmp_path).name}


@pytest.mark.parametrize("name", ["index.html", "notes.txt"])
def test_a_folder_of_something_else_is_left_alone(grey, tmp_path, name):
    (tmp_path / name).write_text("mine")
    with pytest.raises(UserError, match="no page of zoo"):
        web.write_page(grey, tmp_path)
    assert [path.name for path in tmp_path.iterdir()] == [name]
    assert (tmp_path / name).read_text() == "mine"


def test_a_file_is_no_folder(grey, tmp_path):
    (tmp_path / "page").write_text("mine")
    with pytest.raises(UserError, match="Not a directory"):
        web.write_page(grey, tmp_path / "page")


@pytest.mark.parametrize("content", [None, b"no model"])
def test_what_is_no_model_makes_no_page(tmp_path, content):
    if content is not None:
        (tmp_path / "model.onnx").write_bytes(content)
    with pytest.raises(UserError, match=re.escape(str(tmp_path / "model.onnx"))):
        web.write_page(tmp_path / "model.onnx", tmp_path / "page")
    assert not (tmp_path / "page").exists()


def test_a_full_disk_leaves_the_older_page(grey, colour, tmp_path, monkeypatch):
    folder = web.write_page(grey, tmp_path / "page").parent
    before = {path: path.read_bytes() for path in folder.rglob("*") if path.is_file()}

    def full(*_):
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    monkeypatch.setattr(shutil, "copyfileobj", full)
    with pytest.raises(RunError, match="No space left"):
        web.write_page(colour, folder)
    assert {path: path.read_bytes() for path in folder.rglob("*") if path.is_file()} == before


# In a browser


@pytest.fixture(scope="module")
def chromium():
    """A headless Chromium with a camera that films a pie chart."""
    selenium = pytest.importorskip("selenium", reason="the page is tested with selenium, which is not installed")
    browser = shutil.which("chromium") or shutil.which("google-chrome")
    driver = shutil.which("chromedriver")
    if browser is None or driver is None:
        pytest.skip("the page is tested in Chromium: chromium and chromedriver are not both on the path")
    if not all((ORT_WEB / name).is_file() for name in ORT_FILES):
        pytest.skip(f"onnxruntime-web is not in {NODE_MODULES}: npm install it, and set ZOO_NODE_MODULES")
    from selenium import webdriver

    assert selenium
    options = webdriver.ChromeOptions()
    options.binary_location = browser
    for option in ("headless=new", "no-sandbox", "disable-gpu", "disable-dev-shm-usage", "window-size=1280,900"):
        options.add_argument(f"--{option}")
    for option in ("use-fake-device-for-media-stream", "use-fake-ui-for-media-stream"):
        options.add_argument(f"--{option}")
    options.set_capability("goog:loggingPrefs", {"browser": "ALL"})
    with webdriver.Chrome(options=options, service=webdriver.ChromeService(driver)) as started:
        started.set_script_timeout(60)
        yield started


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


@pytest.fixture
def show(chromium, server):
    """Write a model's page, serve it, open it, and return it; at the end it must not have complained."""
    folder, address = server
    page = Page(chromium)

    def opened(model):
        web.write_page(model, folder)
        (folder / "ort").mkdir()
        for name in ORT_FILES:
            (folder / "ort" / name).symlink_to(ORT_WEB / name)
        page.open(address)
        assert page.text("#problem") == ""
        return page

    yield opened
    assert page.errors() == []


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


@pytest.mark.parametrize("kind", ["grey", "colour"])
def test_the_browser_answers_as_the_runtime(show, request, tmp_path, kind):
    model = request.getfixturevalue(kind)
    page, classifier = show(model), Classifier(model)
    assert page.text("#checked").startswith("Checked here")
    files = pictures(tmp_path)
    assert len(files) == 10
    for file in files:
        page.find("#file").send_keys(str(file))
        page.until(file.name, f"return document.querySelector('#note').textContent === '{file.name}'")
        shown = page.answer()
        expected = dict(classifier.predict(file, top_k=5))
        assert shown == pytest.approx(expected, abs=EXACT), file.name


def test_a_drawing_is_answered_as_the_runtime(show, grey):
    from selenium.webdriver import ActionChains

    page = show(grey)
    pad = page.find("#pad")
    half = pad.rect["height"] // 2
    ActionChains(page.browser).move_to_element_with_offset(pad, 0, 10 - half).click_and_hold().move_by_offset(
        0, 2 * half - 20
    ).release().perform()
    shown = page.answer()
    png = page.browser.execute_script("return document.querySelector('#pad').toDataURL('image/png')")
    drawn = Image.open(io.BytesIO(base64.b64decode(png.partition(",")[2])))
    assert np.asarray(drawn.convert("L")).max() == 255
    assert shown == pytest.approx(dict(Classifier(grey).predict(drawn, top_k=5)), abs=EXACT)
    page.find("#clear").click()
    assert page.text("#classes") == page.text("#status") == ""
    script = (
        "const pad = document.querySelector('#pad');"
        "const { data } = pad.getContext('2d').getImageData(0, 0, pad.width, pad.height);"
        "return data.every((level, place) => level === (place % 4 === 3 ? 255 : 0));"
    )
    assert page.browser.execute_script(script)


def test_a_drawing_of_centred_data_is_moved_by_its_centre_of_mass(show, grey):
    page = show(grey)
    script = """
        const [done] = arguments;
        const square = (left, top, side) => {
          const data = new Uint8Array(400);
          for (let row = top; row < top + side; row += 1) data.fill(255, 20 * row + left, 20 * row + left + side);
          return { data, height: 20, width: 20 };
        };
        import(new URL('ink.js', document.querySelector('script[type=module]').src)).then(({ layout, toMiddle }) => {
          done([
            toMiddle(square(1, 12, 4), 0),
            layout(square(8, 8, 4), 0),
            layout(square(1, 8, 4), 0),
            layout(square(0, 0, 20), 0),
          ]);
        });
    """
    assert page.browser.execute_async_script(script) == [
        [7, -4],
        {"share": 0.2, "centred": True},
        {"share": 0.2, "centred": False},
        {"share": 1, "centred": False},
    ]


def test_the_camera_is_classified_and_its_picture_taken(show, colour):
    page = show(colour)
    page.find("#camera").click()
    page.until("a live answer", "return document.querySelectorAll('#classes li').length === 2")
    assert page.text("#status") == ""
    page.find("#camera").click()
    assert sum(page.answer().values()) == pytest.approx(1, abs=EXACT)
    assert page.text("#note") == "Picture of the camera"
    assert page.browser.execute_script("return document.querySelector('#video').srcObject") is None


def test_a_file_that_is_no_picture_is_named_and_the_next_one_works(show, colour, tmp_path):
    page = show(colour)
    (tmp_path / "text.png").write_text("no picture")
    page.find("#file").send_keys(str(tmp_path / "text.png"))
    page.until("the error", "return document.querySelector('#problem').textContent.includes('text.png')")
    page.find("#example").click()
    assert len(page.answer()) == 2
    assert page.text("#problem") == ""


@pytest.mark.parametrize("width", [400, 1280])
def test_long_names_do_not_widen_the_page(show, colour, width):
    page = show(colour)
    size = {"width": width, "height": 900, "deviceScaleFactor": 1, "mobile": False}
    page.browser.execute_cdp_cmd("Emulation.setDeviceMetricsOverride", size)
    page.find("#example").click()
    page.answer()
    assert page.browser.execute_script("return document.documentElement.scrollWidth") <= width
    page.browser.execute_cdp_cmd("Emulation.clearDeviceMetricsOverride", {})


def test_a_model_that_computes_something_else_is_not_used(chromium, server, grey):
    folder, address = server
    text = web.write_page(grey, folder).read_text(encoding="utf-8")
    logits = described(folder)["sample"]["logits"]
    other = json.dumps(logits).replace(str(logits[0]), str(logits[0] + 1), 1)
    (folder / "index.html").write_text(text.replace(json.dumps(logits), other), encoding="utf-8")
    (folder / "ort").symlink_to(ORT_WEB)
    page = Page(chromium)
    page.open(address)
    assert "differ by 1.00" in page.text("#problem")
    page.find("#example").click()
    page.until("the example", "return !document.querySelector('#picture').hidden")
    assert "differ by 1.00" in page.text("#problem")
    assert page.text("#classes") == ""


def test_a_page_from_a_file_says_how_to_serve_it(chromium, grey, tmp_path):
    page = web.write_page(grey, tmp_path / "page")
    chromium.get(page.as_uri())
    assert "python -m http.server" in Page(chromium).text("#problem")
    chromium.get_log("browser")  # the browser's own complaint about file:


# Other languages


@pytest.fixture
def programs(tmp_path):
    """Write the README's programs into a folder, by the names in their first lines."""
    section = (REPOSITORY / "README.md").read_text(encoding="utf-8").partition("### Other languages")[2]
    for program in re.findall(r"^```\w+\n(.*?)^```", section.partition("\n## ")[0], re.MULTILINE | re.DOTALL):
        (tmp_path / re.search(r"\w+\.\w+", program)[0]).write_text(program, encoding="utf-8")
    return tmp_path


def parsed(text):
    """Return a program's output as classes and probabilities."""
    return {name: float(share) for name, _, share in (line.rpartition("\t") for line in text.strip("\n").split("\n"))}


@pytest.mark.parametrize("kind", ["grey", "colour"])
@pytest.mark.parametrize("language", ["py", "mjs"])
def test_a_program_of_the_readme_answers_as_the_runtime(programs, request, tmp_path, kind, language):
    if language == "mjs":
        if shutil.which("node") is None:
            pytest.skip("node is not on the path")
        if not all((NODE_MODULES / name).is_dir() for name in ("onnxruntime-node", "sharp")):
            pytest.skip(f"onnxruntime-node and sharp are not in {NODE_MODULES}: npm install them, set ZOO_NODE_MODULES")
        (programs / "node_modules").symlink_to(NODE_MODULES)
    model = request.getfixturevalue(kind)
    command = {"py": sys.executable, "mjs": "node"}[language]
    for file in pictures(tmp_path):
        if language == "py" and file.name == "transparent.png":
            continue  # the README says that this needs zoo/runtime.py
        words = [command, programs / f"classify.{language}", model, file]
        done = subprocess.run(words, capture_output=True, text=True, check=True, encoding="utf-8")
        assert parsed(done.stdout) == pytest.approx(dict(Classifier(model).predict(file)), abs=EXACT), file.name


def test_the_readmes_page_answers_as_the_runtime(chromium, server, programs, grey, tmp_path):
    folder, address = server
    page, [file] = Page(chromium), [path for path in pictures(tmp_path) if path.name == "photo.jpg"]
    cdn = re.compile(r"https://cdn\.jsdelivr\.net/npm/onnxruntime-web@[\d.]+/dist")
    text = (programs / "classify.html").read_text(encoding="utf-8")
    (folder / "index.html").write_text('<link rel="icon" href="data:,">' + cdn.sub("./ort", text), encoding="utf-8")
    for name, target in (("zoo.mjs", programs / "zoo.mjs"), ("model.onnx", grey), ("ort", ORT_WEB)):
        (folder / name).symlink_to(target)
    chromium.get(address)
    page.until("the model", "return !document.querySelector('input').disabled")
    page.find("input").send_keys(str(file))
    shown = page.until("an answer", "return document.querySelector('pre').textContent")
    assert parsed(shown) == pytest.approx(dict(Classifier(grey).predict(file)), abs=EXACT)
    assert page.errors() == []
