"""The page for people, in a real browser without a network."""

from __future__ import annotations

import re
import shutil
import time

import pytest
from clients import Server
from models import write_model
from PIL import Image

selenium = pytest.importorskip("selenium", reason="selenium is not installed")
CHROMIUM = shutil.which("chromium") or shutil.which("google-chrome")
DRIVER = shutil.which("chromedriver")
pytestmark = pytest.mark.skipif(
    not (CHROMIUM and DRIVER), reason="no chromium and chromedriver (Debian: apt-get install chromium chromium-driver)"
)


@pytest.fixture(scope="module")
def browser():
    from selenium import webdriver

    options = webdriver.ChromeOptions()
    options.binary_location = CHROMIUM
    for argument in ("--headless=new", "--no-sandbox", "--disable-dev-shm-usage", "--disable-gpu"):
        options.add_argument(argument)
    options.set_capability("goog:loggingPrefs", {"browser": "ALL"})
    driver = webdriver.Chrome(options, webdriver.ChromeService(DRIVER))
    yield driver
    driver.quit()
    driver.command_executor.close()  # quit leaves it open: an unclosed socket is a warning, and that an error


@pytest.fixture
def page(browser, server):
    browser.get(server.url)
    wait(lambda: browser.title == "mean_colour on colours")
    yield browser
    complaints = [entry for entry in browser.get_log("browser") if "422" not in entry["message"]]
    assert complaints == []


@pytest.fixture
def red(tmp_path):
    path = tmp_path / "red.png"
    Image.new("RGB", (40, 30), "red").save(path)
    return path


def wait(condition, seconds=10):
    end = time.monotonic() + seconds
    while not (result := condition()):
        assert time.monotonic() < end, "it did not come"
        time.sleep(0.02)
    return result


def text(browser, selector):
    return browser.execute_script("return document.querySelector(arguments[0]).innerText", selector)


def choose(browser, path):
    browser.find_element("id", "file").send_keys(str(path))
    wait(lambda: browser.find_element("id", "result").get_attribute("aria-busy") == "false")
    wait(lambda: text(browser, "#predictions") or text(browser, "#error"))


#: Makes a file of the page's own canvas and hands it to an event.
EVENT = """
const [kind, type, done] = arguments;
const canvas = document.createElement("canvas");
canvas.width = canvas.height = 10;
const pen = canvas.getContext("2d");
pen.fillStyle = "blue";
pen.fillRect(0, 0, 10, 10);
canvas.toBlob(blob => {
  const data = new DataTransfer();
  if (type === "file") data.items.add(new File([blob], "blue.png", {type: "image/png"}));
  else data.setData("text/plain", "words");
  const event = kind === "drop" ? new DragEvent("drop", {dataTransfer: data, bubbles: true, cancelable: true})
    : new ClipboardEvent("paste", {clipboardData: data, bubbles: true, cancelable: true});
  document.getElementById("zone").dispatchEvent(event);
  done();
});
"""


def test_a_chosen_image_is_shown_with_its_classes_and_the_time(page, red):
    choose(page, red)
    names = [element.text for element in page.find_elements("css selector", "#predictions .name")]
    shares = [
        float(element.text.rstrip(" %")) for element in page.find_elements("css selector", "#predictions .percent")
    ]
    assert names[0] == "red"
    assert len(names) == 5
    assert shares == sorted(shares, reverse=True)
    assert sum(shares) == pytest.approx(100, abs=0.3)
    width = page.find_element("css selector", ".fill").size["width"]
    track = page.find_element("css selector", ".track").size["width"]
    assert 100 * width / track == pytest.approx(shares[0], abs=1)
    assert re.fullmatch(r"[\d.]+ ms in the server, \d+ ms with .*", text(page, "#latency"))
    assert page.execute_script("return document.getElementById('preview').naturalWidth") == 40
    assert text(page, "#caption").startswith("red.png, ")
    assert page.find_element("id", "status").get_attribute("textContent").startswith("Likeliest: red, ")


def test_the_model_is_described(page):
    facts = text(page, "#facts")
    for fact in (
        "colours.onnx",
        "mean_colour",
        "colours",
        "87.50 %",
        "8 \N{MULTIPLICATION SIGN} 8 pixels, colour",
        "float32",
    ):
        assert fact in facts
    assert text(page, "#classes").split() == ["red", "green", "blue", "white", "black"]


@pytest.mark.parametrize("kind", ["drop", "paste"])
def test_an_image_can_be_dropped_and_pasted(page, kind):
    page.execute_async_script(EVENT, kind, "file")
    wait(lambda: text(page, "#predictions").startswith("blue"))


@pytest.mark.parametrize("kind", ["drop", "paste"])
def test_what_is_no_file_is_said(page, kind):
    page.execute_async_script(EVENT, kind, "words")
    assert text(page, "#error") == "There was no image file in what you dropped or pasted."


def test_a_refusal_is_shown_and_goes_with_the_next_image(page, tmp_path, red):
    words = tmp_path / "words.png"
    words.write_text("these are words")
    choose(page, words)
    assert text(page, "#error").startswith("The server refused this (422): not an image that can be read")
    assert page.find_element("id", "error").get_attribute("role") == "alert"
    assert text(page, "#no-preview") == "This browser cannot show this file."
    assert text(page, "#predictions") == ""
    choose(page, red)
    assert text(page, "#predictions").startswith("red")
    assert not page.find_element("id", "error").is_displayed()


def test_a_file_that_is_too_large_is_not_even_sent(page, server, tmp_path):
    before = server.metric("zoo_serve_request_seconds_count")
    large = tmp_path / "large.png"
    large.write_bytes(bytes(2_000_001))
    choose(page, large)
    assert text(page, "#error") == "The file has 2.0 MB; this server takes at most 2.0 MB."
    assert server.metric("zoo_serve_request_seconds_count") == before


def test_the_keyboard_reaches_everything(page):
    from selenium.webdriver import ActionChains, Keys

    reached = []
    for _ in range(6):
        ActionChains(page).send_keys(Keys.TAB).perform()
        reached.append(page.execute_script("return document.activeElement.id || document.activeElement.tagName"))
    assert reached[:5] == ["file", "count", "classes", "A", "A"]
    assert page.find_element("id", "file").accessible_name == "Choose an image"


@pytest.mark.parametrize("width", [1280, 400])
def test_a_thousand_classes_and_long_names_fit(browser, tmp_path, red, width):
    classes = ["W" * 200, "<b>a name</b> of many words " * 6, *(f"class {number}" for number in range(998))]
    network = {"name": "family/" + "long_name_" * 8}
    with Server(write_model(tmp_path / "many.onnx", classes, sharpness=50, architecture=network)) as server:
        size = {"width": width, "height": 900, "deviceScaleFactor": 1, "mobile": False}
        browser.execute_cdp_cmd("Emulation.setDeviceMetricsOverride", size)
        browser.get(server.url)
        wait(lambda: text(browser, "#count") == "1,000 classes")
        browser.execute_script("document.getElementById('all').open = true")
        choose(browser, red)
        assert len(browser.find_elements("css selector", "#classes li")) == 1000
        assert browser.execute_script("return document.documentElement.scrollWidth") <= width
        assert browser.find_elements("css selector", "b") == []
        assert browser.find_element("id", "classes").size["height"] <= 240
        browser.find_element("id", "find").send_keys("class 99")
        wait(lambda: len(browser.find_elements("css selector", "#classes li")) == 9)
        browser.find_element("id", "find").send_keys("xyz")
        wait(lambda: text(browser, "#none") == "No class has this in its name.")
        browser.execute_cdp_cmd("Emulation.clearDeviceMetricsOverride", {})


def test_nothing_comes_from_elsewhere(page, red):
    choose(page, red)
    names = page.execute_script("return performance.getEntriesByType('resource').map(entry => entry.name)")
    hosts = {name.partition("/")[2] for name in names if not name.startswith(("blob:", "data:"))}
    assert all(host.startswith("/127.0.0.1:") for host in hosts)


def test_the_descriptions_page_works_without_a_network(browser, server):
    browser.get(server.url + "/docs")
    wait(lambda: "/predict" in text(browser, "#swagger-ui"))


def test_a_server_that_has_gone_is_said(browser, model, red):
    with Server(model) as server:
        browser.get(server.url)
        wait(lambda: browser.title == "mean_colour on colours")
        server.stop()
        choose(browser, red)
        assert text(browser, "#error").startswith("The server did not answer")
