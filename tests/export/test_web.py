"""The page that runs an exported model in a browser; tests/browser.py says what the tests in a browser need."""

from __future__ import annotations

import base64
import errno
import io
import json
import os
import re
import shutil

import numpy as np
import onnx
import pytest
from browser import ORT_FILES, ORT_WEB, Page, pictures
from PIL import Image
from sklearn.datasets import load_digits
from support import REPOSITORY, png_of_16_bits

from zoo.cli import main
from zoo.core.errors import RunError, UserError
from zoo.export import web
from zoo.runtime import Classifier, measure_filled

EXACT = 1e-4

pytestmark = pytest.mark.filterwarnings("ignore::zoo.runtime.UnlikeTrainingImages")


def assets(folder):
    """Return the only zoo-* folder of a page."""
    [found] = folder.glob("zoo-*")
    return found


def described(folder):
    """Return what a page knows of its model."""
    page = (folder / "index.html").read_text(encoding="utf-8")
    return json.loads(re.search(r'<script type="application/json" id="model">(.*?)</script>', page)[1])


def test_a_page_is_its_index_its_scripts_and_the_model(digits_model, tmp_path):
    page = web.write_page(digits_model, tmp_path / "deep" / "page")
    folder = page.parent
    assert page == tmp_path / "deep" / "page" / "index.html"
    assert {path.name for path in assets(folder).iterdir()} == {*web.STATIC, "model.onnx"}
    assert (assets(folder) / "model.onnx").read_bytes() == digits_model.read_bytes()
    text = page.read_text(encoding="utf-8")
    assert "<title>lenet5 on digits</title>" in text
    assert all((folder / link).is_file() for link in re.findall(r'(?:src|href)="(zoo-[^"]*)"', text))
    assert (folder / described(folder)["file"]).is_file()


def test_every_script_that_a_script_imports_is_written():
    for script in (REPOSITORY / "zoo" / "export" / "page").glob("*.js"):
        for name in re.findall(r"(?:from|URL\()\s*'\./([^']*)'", script.read_text(encoding="utf-8")):
            assert name in web.STATIC, f"{script.name} needs {name}"


def test_the_page_knows_what_the_file_says(colour_model, tmp_path):
    model = described(web.write_page(colour_model, tmp_path / "page").parent)
    metadata = Classifier(colour_model).metadata
    assert tuple(model["classes"]) == Classifier(colour_model).classes
    assert model["test_accuracy"] is None
    assert model["sample"] == metadata["golden"]
    assert (model["channels"], model["height"], model["width"]) == (3, 32, 32)
    assert model["bytes"] == colour_model.stat().st_size


def test_a_file_of_format_1_gets_a_page_that_covers_and_divides_by_257(tmp_path):
    old = REPOSITORY / "tests" / "fixtures" / "run_0.1" / "model.onnx"
    model = described(web.write_page(old, tmp_path / "page").parent)
    expected = {"fit": "cover", "white_level": 65535, "labels": "one", "thresholds": None}
    assert {key: model[key] for key in expected} == expected


def test_dark_data_is_drawn_light_on_dark(digits_model, tmp_path):
    assert described(web.write_page(digits_model, tmp_path / "page").parent)["light_on_dark"] is True


def test_another_model_replaces_the_page_and_nothing_else(digits_model, colour_model, tmp_path):
    folder = web.write_page(digits_model, tmp_path / "page").parent
    (folder / "ort").mkdir()
    (folder / "CNAME").write_text("example.org")
    first = assets(folder)
    web.write_page(colour_model, folder)
    assert assets(folder) != first
    assert (assets(folder) / "model.onnx").read_bytes() == colour_model.read_bytes()
    assert (folder / "CNAME").read_text() == "example.org"
    assert (folder / "ort").is_dir()


def test_a_folder_with_onnxruntime_or_a_killed_exports_remains_takes_a_page(digits_model, tmp_path):
    for name in ("ort", "zoo-0123456789ab"):
        (tmp_path / name).mkdir()
    (tmp_path / ".index.html-x1y2z3w4.part").write_text("<!doc")
    page = web.write_page(digits_model, tmp_path)
    assert {path.name for path in tmp_path.iterdir()} == {"ort", page.name, assets(tmp_path).name}


@pytest.mark.parametrize("name", ["index.html", "notes.txt"])
def test_a_folder_of_something_else_is_left_alone(digits_model, tmp_path, name):
    (tmp_path / name).write_text("mine")
    with pytest.raises(UserError, match="no page of zoo"):
        web.write_page(digits_model, tmp_path)
    assert [path.name for path in tmp_path.iterdir()] == [name]
    assert (tmp_path / name).read_text() == "mine"


def test_a_file_is_no_folder(digits_model, tmp_path):
    (tmp_path / "page").write_text("mine")
    with pytest.raises(UserError, match="Not a directory"):
        web.write_page(digits_model, tmp_path / "page")


@pytest.mark.parametrize("content", [None, b"no model"])
def test_what_is_no_model_makes_no_page(tmp_path, content):
    if content is not None:
        (tmp_path / "model.onnx").write_bytes(content)
    with pytest.raises(UserError, match=re.escape(str(tmp_path / "model.onnx"))):
        web.write_page(tmp_path / "model.onnx", tmp_path / "page")
    assert not (tmp_path / "page").exists()


def test_a_full_disk_leaves_the_older_page(digits_model, colour_model, tmp_path, monkeypatch):
    folder = web.write_page(digits_model, tmp_path / "page").parent
    before = {path: path.read_bytes() for path in folder.rglob("*") if path.is_file()}

    def full(*_):
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    monkeypatch.setattr(shutil, "copyfileobj", full)
    with pytest.raises(RunError, match="No space left"):
        web.write_page(colour_model, folder)
    assert {path: path.read_bytes() for path in folder.rglob("*") if path.is_file()} == before


# In a browser


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


@pytest.mark.parametrize("kind", ["digits_model", "colour_model", "letterbox_model"])
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


def write_model(source, target, change):
    """Write a copy of a model after a function has changed its metadata, by their decoded values."""
    model = onnx.load(source)
    texts = {prop.key: prop.value for prop in model.metadata_props}
    values = {key: json.loads(text) for key, text in texts.items() if key not in ("zoo_format", "sha256")}
    change(values)
    onnx.helper.set_model_props(model, texts | {key: json.dumps(value) for key, value in values.items()})
    onnx.save(model, target)
    return target


@pytest.mark.parametrize(("kind", "channels"), [("digits_model", 1), ("colour_model", 3)])
@pytest.mark.parametrize("white_level", [1023, 65535])
def test_the_browser_reads_all_16_bits_as_the_runtime(show, request, tmp_path, kind, channels, white_level):
    def change(values):
        values["input_spec"]["white_level"] = white_level

    model = write_model(request.getfixturevalue(kind), tmp_path / "model.onnx", change)
    page, classifier, random = show(model), Classifier(model), np.random.default_rng(0)
    for stored in (channels, channels + 1):  # without and with transparency
        levels = random.integers(0, white_level + 1, (19, 23, stored)).astype(np.uint16)
        file = tmp_path / f"deep{stored}.png"
        file.write_bytes(png_of_16_bits(levels, filters=True))
        page.find("#file").send_keys(str(file))
        page.until(file.name, f"return document.querySelector('#note').textContent === '{file.name}'")
        assert page.answer() == pytest.approx(dict(classifier.predict(file, top_k=5)), abs=EXACT), file.name


def test_the_page_leaves_out_classes_below_their_threshold(show, digits_model, tmp_path):
    def change(values):
        values.update(labels="several", thresholds=[0.999] * 10)

    page = show(write_model(digits_model, tmp_path / "model.onnx", change))
    Image.new("L", (8, 8), 128).save(tmp_path / "grey.png")
    page.find("#file").send_keys(str(tmp_path / "grey.png"))
    page.until("an answer", "return document.querySelector('#status').textContent")
    assert page.text("#status") == "No class is probable enough."
    assert page.text("#others") == "No class is probable enough. 10 other classes"
    assert page.text("#classes") == ""


def test_a_picture_unlike_the_training_images_is_named_and_can_be_inverted(show, digits_model, tmp_path):
    digit = np.rint(load_digits().images[0] * 255 / 16).astype(np.uint8)
    for name, pixels in (("like", digit), ("negative", 255 - digit)):
        Image.fromarray(pixels).save(tmp_path / f"{name}.png")
    page, classifier = show(digits_model), Classifier(digits_model)

    def answer_to(name):
        page.find("#file").send_keys(str(tmp_path / f"{name}.png"))
        page.until(name, f"return document.querySelector('#note').textContent === '{name}.png'")
        return page.answer()

    expected = answer_to("like")
    assert page.text("#unlike") == ""
    assert not page.find("#invert").is_displayed()
    answer_to("negative")
    [sentence] = classifier.differences(tmp_path / "negative.png")
    hint = " For dark strokes on a light ground, press Invert."
    assert page.text("#unlike") == f"This picture is {sentence.partition(';')[0]}.{hint}"
    page.find("#invert").click()
    page.until("no warning", "return document.querySelector('#unlike').textContent === ''")
    page.until("another answer", f"return {shown_is(expected)}")


def shown_is(answer):
    """Return a script that tells whether the page shows an answer's likeliest class."""
    return f"document.querySelector('#classes .name').textContent === '{max(answer, key=answer.get)}'"


@pytest.mark.parametrize(
    ("kind", "form"), [("colour_model", "fixed"), ("colour_model", "float"), ("letterbox_model", "float")]
)
def test_the_page_prepares_pictures_for_the_other_forms(show, request, tmp_path, kind, form):
    run = request.getfixturevalue(kind).parent
    assert main(["export", str(run), "--input", form, "--batch", "2"]) == 0
    page, classifier = show(run / f"model.{form}.onnx"), Classifier(run / f"model.{form}.onnx")
    assert page.text("#checked").startswith("Checked here")
    for file in pictures(tmp_path)[:3]:
        page.find("#file").send_keys(str(file))
        page.until(file.name, f"return document.querySelector('#note').textContent === '{file.name}'")
        assert page.answer() == pytest.approx(dict(classifier.predict(file, top_k=5)), abs=EXACT), file.name


@pytest.mark.parametrize("kind", ["digits_model", "colour_model", "letterbox_model"])
def test_the_page_measures_pictures_as_the_runtime(show, request, kind):
    page, classifier = show(model := request.getfixturevalue(kind)), Classifier(model)
    random, channels = np.random.default_rng(0), classifier.input_spec["channels"]
    script = """
        const [data, height, width, done] = arguments;
        const model = JSON.parse(document.querySelector('#model').textContent);
        import(new URL('unlike.js', document.querySelector('script[type=module]').src)).then((unlike) => {
          done(unlike.measured({ data, height, width }, model));
        });
    """
    for height, width in ((5, 7), (40, 90), (60, 31)):
        coarse = random.integers(0, 256, (4, 5, channels), np.uint8)
        picture = np.asarray(Image.fromarray(coarse.squeeze()).resize((width, height))).reshape(height, width, channels)
        shown = page.browser.execute_async_script(script, picture.ravel().tolist(), height, width)
        seen = measure_filled(classifier.geometry, classifier.see(picture)[None], [(height, width)])
        expected = {name: float(value[0]) for name, value in seen.items()}
        assert shown == pytest.approx(expected, abs=0.02)


def test_a_drawing_is_answered_as_the_runtime(show, digits_model):
    from selenium.webdriver import ActionChains

    page = show(digits_model)
    pad = page.find("#pad")
    half = pad.rect["height"] // 2
    ActionChains(page.browser).move_to_element_with_offset(pad, 0, 10 - half).click_and_hold().move_by_offset(
        0, 2 * half - 20
    ).release().perform()
    shown = page.answer()
    png = page.browser.execute_script("return document.querySelector('#pad').toDataURL('image/png')")
    drawn = Image.open(io.BytesIO(base64.b64decode(png.partition(",")[2])))
    assert np.asarray(drawn.convert("L")).max() == 255
    assert shown == pytest.approx(dict(Classifier(digits_model).predict(drawn, top_k=5)), abs=EXACT)
    page.find("#clear").click()
    assert page.text("#classes") == page.text("#status") == ""
    script = (
        "const pad = document.querySelector('#pad');"
        "const { data } = pad.getContext('2d').getImageData(0, 0, pad.width, pad.height);"
        "return data.every((level, place) => level === (place % 4 === 3 ? 255 : 0));"
    )
    assert page.browser.execute_script(script)


def test_a_drawing_of_centred_data_is_moved_by_its_centre_of_mass(show, digits_model):
    page = show(digits_model)
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


def test_the_camera_is_classified_and_its_picture_taken(show, colour_model):
    page = show(colour_model)
    page.find("#camera").click()
    page.until("a live answer", "return document.querySelectorAll('#classes li').length === 2")
    assert page.text("#status") == ""
    page.find("#camera").click()
    assert sum(page.answer().values()) == pytest.approx(1, abs=EXACT)
    assert page.text("#note") == "Picture of the camera"
    assert page.browser.execute_script("return document.querySelector('#video').srcObject") is None


def test_a_file_that_is_no_picture_is_named_and_the_next_one_works(show, colour_model, tmp_path):
    page = show(colour_model)
    (tmp_path / "text.png").write_text("no picture")
    page.find("#file").send_keys(str(tmp_path / "text.png"))
    page.until("the error", "return document.querySelector('#problem').textContent.includes('text.png')")
    page.find("#example").click()
    assert len(page.answer()) == 2
    assert page.text("#problem") == ""


@pytest.mark.parametrize("width", [400, 1280])
def test_long_names_do_not_widen_the_page(show, colour_model, width):
    page = show(colour_model)
    size = {"width": width, "height": 900, "deviceScaleFactor": 1, "mobile": False}
    page.browser.execute_cdp_cmd("Emulation.setDeviceMetricsOverride", size)
    page.find("#example").click()
    page.answer()
    assert page.browser.execute_script("return document.documentElement.scrollWidth") <= width
    page.browser.execute_cdp_cmd("Emulation.clearDeviceMetricsOverride", {})


def test_a_model_that_computes_something_else_is_not_used(chromium, server, digits_model):
    folder, address = server
    text = web.write_page(digits_model, folder).read_text(encoding="utf-8")
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


def test_a_page_from_a_file_says_how_to_serve_it(chromium, digits_model, tmp_path):
    page = web.write_page(digits_model, tmp_path / "page")
    chromium.get(page.as_uri())
    assert "python -m http.server" in Page(chromium).text("#problem")
    chromium.get_log("browser")  # the browser's own complaint about file:
