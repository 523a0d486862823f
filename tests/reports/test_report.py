"""RUN/report.html: its figures against scikit-learn's, what it must not disturb, and how it looks in a browser.

Tests in a browser need Chromium with chromedriver (Debian: chromium, chromium-driver) and selenium.
"""

from __future__ import annotations

import csv
import hashlib
import html.parser
import json
import re
import shutil
from types import SimpleNamespace
from urllib.parse import unquote

import numpy as np
import pytest
import torch
import yaml
from markupsafe import escape
from PIL import Image
from sklearn import metrics
from sklearn.datasets import load_digits
from support import write_photos

from zoo.core.spec import InputSpec
from zoo.data.datamodule import ImageDataModule
from zoo.reports.evaluation import Predictions
from zoo.reports.intervals import interval_text
from zoo.reports.page import read_figures, render
from zoo.reports.report import describe_predictions, warn_on_error
from zoo.runs.folder import Run

#: Folders' names are class names; these would end a page's data, or its text, if they stood in it as they are.
NAMES = ("<!--<script>alert(1)", 'bees & "wasps" ' + "of a very long name " * 3 + "unbreakable" * 8)


class Elements(html.parser.HTMLParser):
    """The elements of a page with their attributes."""

    def __init__(self, text):
        super().__init__()
        self.found = []
        self.feed(text)

    def handle_starttag(self, tag, attributes):
        self.found.append((tag, dict(attributes)))

    def of(self, *tags):
        return [attributes for tag, attributes in self.found if tag in tags]


def rows(path):
    with path.open(newline="") as file:
        return list(csv.DictReader(file))


def digests(run):
    """Return the SHA-256 of every file of a run but its report."""
    files = [path for path in run.rglob("*") if path.is_file() and path.name != "report.html"]
    return {path.name: hashlib.sha256(path.read_bytes()).hexdigest() for path in files}


@pytest.fixture(scope="module")
def tested(digits_run, tmp_path_factory):
    """A copy of a run of digits, after its test."""
    from zoo.cli import main

    run = tmp_path_factory.mktemp("tested") / "digits-lenet5" / "version_0"
    shutil.copytree(digits_run, run)
    assert main(["test", str(run)]) == 0
    return run


@pytest.fixture(scope="module")
def odd(tmp_path_factory):
    """A run of two classes with odd names, of images of 32x32 in colour, varied by crops and flips."""
    from zoo.cli import main

    folder = tmp_path_factory.mktemp("odd")
    write_photos(folder / "photos", NAMES, 200, 30)
    words = ["fit", "--data", "folder", "--data.root", str(folder / "photos"), "--data.augmentation", "crop_flip"]
    words += ["--data.num_workers", "0", "--trainer.max_epochs", "1", "--trainer.default_root_dir", str(folder)]
    assert main([*words, "--data.batch_size", "16"]) == 0
    return folder / "folder-lenet5" / "version_0"


def test_a_fit_reports_its_best_checkpoint_on_the_validation_split(untested_run):
    figures = read_figures(untested_run / "report.html")
    best = max(float(row["val/accuracy"]) for row in rows(untested_run / "metrics.csv") if row["val/accuracy"])
    assert figures["split"] == "val"
    assert figures["images"] == 143
    assert figures["accuracy"] == pytest.approx(best)
    assert figures["training"]["torch"] == torch.__version__.partition("+")[0]
    assert figures["training"]["memory"].endswith(" MiB")


def test_figures_are_scikit_learns_of_what_predict_writes(zoo, tested, tmp_path):
    data = ImageDataModule("digits")
    [(images, labels)] = data.source("test").fetch([torch.arange(len(data.source("test")))])
    (tmp_path / "images").mkdir()
    for number, image in enumerate(images.numpy()):
        Image.fromarray(image[..., 0]).save(tmp_path / "images" / f"{number:04d}.png")
    assert zoo("predict", tested, "images", "--output", "predictions.csv")[0] == 0
    answers = [row["class"] for row in rows(tmp_path / "predictions.csv")]
    truth, names = [str(label) for label in labels.tolist()], [str(number) for number in load_digits().target_names]

    figures = read_figures(tested / "report.html")
    assert figures["split"] == "test"
    assert figures["classes"] == names
    assert figures["accuracy"] == pytest.approx(metrics.accuracy_score(truth, answers))
    known = metrics.precision_recall_fscore_support(truth, answers, labels=names, zero_division=0)
    for key, values in zip(("precision", "recall", "f1", "support"), known, strict=True):
        np.testing.assert_allclose(figures[key], values, rtol=1e-12, err_msg=key)
    matrix = np.zeros((10, 10), int)
    for true, predicted, count in figures["confusion"]:
        matrix[true, predicted] = count
    np.testing.assert_array_equal(matrix, metrics.confusion_matrix(truth, answers, labels=names))
    results = json.loads((tested / "results.json").read_text())
    for key in ("accuracy", "top5_accuracy"):
        assert figures[key] == pytest.approx(results[f"test/{key}"], rel=1e-6)
    assert figures["macro_f1"] == pytest.approx(results["test/f1"], rel=1e-6)


def test_the_tables_show_the_figures(tested):
    page, figures = (tested / "report.html").read_text(), read_figures(tested / "report.html")
    for label in range(10):
        cells = [f"{figures[key][label]:.1%}" for key in ("precision", "recall", "f1")]
        row = "".join(f'<td class="n">{value}</td>' for value in [*cells, f"{figures['support'][label]}"])
        assert f'<tr><th scope="row">{label}</th>{row}</tr>' in page
    matrix = re.search(r'<table class="matrix.*?</table>', page, re.DOTALL)[0]
    counts = [int(count) for count in re.findall(r">(\d+)</td>", matrix)]
    assert counts == [count for _, _, count in figures["confusion"]]


def test_report_makes_the_same_page_again_and_changes_nothing_else(zoo, tested):
    before, older = digests(tested), read_figures(tested / "report.html")
    status, out, err = zoo("report", tested)
    assert status == 0, err
    assert out.splitlines()[-1] == str(tested / "report.html")
    assert read_figures(tested / "report.html") == older  # what the training ran on included
    assert digests(tested) == before


def test_a_report_goes_where_it_is_told_to(zoo, untested_run, tmp_path):
    status, out, err = zoo("report", untested_run, "--output", "page.html", "--trainer.limit_val_batches", 2)
    assert status == 0, err
    assert out == "page.html\n"
    assert read_figures(tmp_path / "page.html")["images"] == 64


def test_limits_that_leave_no_image_leave_the_rest_of_the_page(zoo):
    status, out, err = zoo("fit", "--trainer.max_epochs", 1, "--trainer.limit_val_batches", 0)
    assert status == 0, err
    assert "report: " in err
    with open(f"{out.splitlines()[-1]}/report.html") as file:
        assert "limits leave no image of the val split" in file.read()


def test_a_report_that_fails_leaves_a_trained_run(zoo, digits_run, tmp_path):
    run = tmp_path / "run"
    shutil.copytree(digits_run, run)
    (run / "report.html").unlink()
    (run / "report.html").mkdir()  # where no file can be written
    status, out, err = zoo("fit", run, "--trainer.max_epochs", 4)
    assert status == 0
    assert out.splitlines()[-1] == str(run)
    assert err.splitlines()[-3].startswith(f"no report: RunError: {run / 'report.html'} cannot be written")
    assert err.splitlines()[-3].endswith(f"again with: zoo report {run}")
    assert rows(run / "metrics.csv")[-1]["epoch"] == "3"
    status, _, err = zoo("test", run)
    assert status == 0
    assert "no report: " in err
    assert (run / "results.json").is_file()
    status, _, err = zoo("report", run)
    assert status == 1
    assert err.startswith("error: ")


def test_a_signal_while_reporting_ends_the_command_and_says_that_the_run_is_complete(tmp_path, capsys):
    with pytest.raises(SystemExit), warn_on_error(Run(tmp_path)):
        raise SystemExit(130)
    again = f"again with: zoo report {tmp_path}"
    assert capsys.readouterr().err == f"interrupted while reporting; the run is complete; {again}\n"


def test_a_report_is_made_by_one_process_whatever_trained_the_run(zoo, digits_run, tmp_path):
    shutil.copytree(digits_run, tmp_path / "run")
    config = yaml.safe_load((tmp_path / "run" / "config.yaml").read_text())
    config["trainer"] |= {"devices": 2, "strategy": "ddp", "accelerator": "cpu"}
    (tmp_path / "run" / "config.yaml").write_text(yaml.safe_dump(config))
    (tmp_path / "run" / "report.html").unlink()
    assert zoo("report", "run")[0] == 0
    assert read_figures(tmp_path / "run" / "report.html")["training"] == {}
    status, _, err = zoo("report", "run", "--trainer.devices", 2)
    assert status == 2
    assert "a report is made by one process" in err


def test_a_page_needs_nothing_from_elsewhere_and_says_what_its_pictures_show(odd, tested):
    for run in (odd, tested):
        page = (run / "report.html").read_text()
        elements = Elements(page)
        pictures = elements.of("img")
        assert len(pictures) > 20
        assert all(picture["alt"] and picture["src"].startswith("data:image/") for picture in pictures)
        assert all(drawing["role"] == "img" and drawing["aria-label"] for drawing in elements.of("svg"))
        links = [value for _, attributes in elements.found for key, value in attributes.items() if "href" in key]
        files = [attributes["href"] for attributes in elements.of("a")]
        assert all(link.startswith(("#", "data:")) or link in files for link in links)
        assert all((run / unquote(link)).is_file() for link in files)
        assert [attributes.get("type") for attributes in elements.of("script")] == ["application/json"]
        identities = [attributes["id"] for _, attributes in elements.found if "id" in attributes]
        assert len(set(identities)) == len(identities)
        config = (run / "config.yaml").read_text()
        assert str(run) not in page.replace(escape(config), "")


def test_names_stand_in_a_page_as_text(odd):
    page = (odd / "report.html").read_text()
    assert read_figures(odd / "report.html")["classes"] == sorted(name.strip() for name in NAMES)
    assert "<script>alert" not in page
    assert '<th scope="row">&lt;!--&lt;script&gt;alert(1)</th>' in page
    texts = [attributes["alt"] for attributes in Elements(page).of("img")]
    assert all(any(f"An image of {name.strip()}, taken for" in text for text in texts) for name in NAMES)


def test_a_page_shows_what_augmentation_makes_of_images(odd, tested):
    page = (odd / "report.html").read_text()
    assert "crop_flip: above an image of the train split" in page
    assert page.count('alt="The same after crop_flip"') == 8
    assert "None: the network gets the images as they are" in (tested / "report.html").read_text()


def test_a_page_about_a_solved_last_layer_is_silent_about_training(zoo, tmp_path, digits_run):
    options = (
        "--model.freeze",
        "backbone",
        "--model.head_start",
        "solve",
        "--trainer.max_epochs",
        0,
        "--run",
        "solved",
    )
    status, _, err = zoo("fit", "--model.weights", digits_run, *options)
    assert status == 0, err
    page = (tmp_path / "runs" / "solved" / "report.html").read_text()
    assert "<dd>the solved last layer</dd>" in page
    headings = re.findall(r"<h2>(.*?)</h2>", page)
    assert "Memory" in headings
    assert not {"Curves", "Augmentation", "Speed and memory"} & set(headings)
    assert "<dt>optimizer</dt>" not in page


def test_the_accuracy_has_its_interval(tested):
    page, figures = (tested / "report.html").read_text(), read_figures(tested / "report.html")
    text = interval_text(round(figures["accuracy"] * figures["images"]), figures["images"])
    assert f"<dt>95 % interval of it (Wilson)</dt><dd>{text}</dd>" in page
    assert re.search(r"the network is (over|under)confident", page)


def test_few_images_say_nothing_of_confidence(odd):
    assert "the network is" not in (odd / "report.html").read_text()


def test_a_network_without_a_feature_map_says_so(zoo, install):
    source = (
        "from torch import nn\n"
        "def linear(spec):\n"
        "    pixels = spec.channels * spec.height * spec.width\n"
        "    return nn.Sequential(nn.Flatten(), nn.Linear(pixels, len(spec.classes)))\n"
    )
    module = "linear_plugin_of_report"
    install("linear-plugin", f"[zoo.architectures]\nflat = {module}:linear\n", source, module)
    status, out, err = zoo("fit", "--model", "flat", "--trainer.max_epochs", 1)
    assert status == 0, err
    with open(f"{out.splitlines()[-1]}/report.html") as file:
        page = file.read()
    assert "None: no module of flat gives a map of the image" in page
    assert "architecture flat</dt><dd>linear-plugin==1.0</dd>" in page


def many_classes(count):
    """Return metrics and page of a split with 20 images of each class."""
    names = [f"<class {number} of a rather long name>" for number in range(count)]
    generator, predictions = torch.Generator().manual_seed(0), Predictions(count)
    for _ in range(20):
        labels = torch.arange(count)
        logits = torch.randn(count, count, generator=generator)
        logits[labels, labels.roll(1)] += 4
        logits[labels, labels] += 4
        predictions.add(torch.zeros(count, 8, 8, 1, dtype=torch.uint8), labels, logits, range(count))
    metrics = predictions.metrics()
    values = describe_predictions(predictions, metrics, names) | {"heat_maps": [], "places": [("val 0", None)] * count}
    classifier = SimpleNamespace(architecture={"name": "cnn"}, spec=InputSpec(tuple(names), 1, 8, 8, (0.5,), (0.5,)))
    data = SimpleNamespace(dataset_name="many", batch_size=32, augmentation_name=lambda: "none")
    config = {"optimizer": {"class_path": "torch.optim.Adam", "init_args": {}}, "seed_everything": 0}
    config |= {"model": {"weights": None, "architecture": {"name": "cnn"}}, "data": {"dataset": {"name": "many"}}}
    values |= {"classifier": classifier, "data": data, "config": config, "config_text": "", "memory": "1 MiB"}
    values |= {"parameters": 1, "frozen": 0, "epochs": 1, "epoch": 1, "split": "val", "sample_split": "val"}
    values |= {"only_solved": False, "curves": [], "legend": [], "samples": [], "speed": None}
    values |= {"training": {}, "environment": {}}
    return metrics, render("report.html", {"classes": names, **metrics.to_json()}, title="many", **values)


def test_a_thousand_classes_fit_in_a_page():
    metrics, page = many_classes(1000)
    assert len(page) < 2e6
    assert "10 neighbouring classes are added up" in page
    assert page.count("&lt;class 7 of a rather long name&gt;") >= 1
    true, predicted, count = metrics.most_confused(1)[0]
    assert f">{escape(f'<class {true} of a rather long name>')}</th>" in page
    assert f'<td class="n">{count}</td>' in page
    assert predicted == (true - 1) % 1000


def test_a_run_without_a_checkpoint_has_no_report(zoo, digits_run, tmp_path):
    shutil.copytree(digits_run, tmp_path / "run", ignore=shutil.ignore_patterns("*.ckpt"))
    status, _, err = zoo("report", "run")
    assert status == 2
    assert "has no checkpoint" in err


@pytest.fixture(scope="module")
def chromium():
    """A headless Chromium."""
    pytest.importorskip("selenium", reason="the page is tested with selenium, which is not installed")
    browser = shutil.which("chromium") or shutil.which("google-chrome")
    driver = shutil.which("chromedriver")
    if browser is None or driver is None:
        pytest.skip("the page is tested in Chromium: chromium and chromedriver are not both on the path")
    from selenium import webdriver

    options = webdriver.ChromeOptions()
    options.binary_location = browser
    for option in ("headless=new", "no-sandbox", "disable-gpu", "disable-dev-shm-usage"):
        options.add_argument(f"--{option}")
    options.set_capability("goog:loggingPrefs", {"browser": "ALL"})
    with webdriver.Chrome(options=options, service=webdriver.ChromeService(driver)) as started:
        yield started


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("width", [400, 1280])
@pytest.mark.parametrize("what", ["odd", "tested", "many"])
def test_a_page_fits_its_window_and_raises_no_complaint(request, chromium, tmp_path, what, width, scheme):
    if what == "many":
        page = tmp_path / "many.html"
        page.write_text(many_classes(100)[1])
    else:
        page = request.getfixturevalue(what) / "report.html"
    features = [{"name": "prefers-color-scheme", "value": scheme}]
    chromium.execute_cdp_cmd("Emulation.setEmulatedMedia", {"features": features})
    size = {"width": width, "height": 900, "deviceScaleFactor": 1, "mobile": False}
    chromium.execute_cdp_cmd("Emulation.setDeviceMetricsOverride", size)
    chromium.get(page.as_uri())
    assert chromium.execute_script("const page = document.documentElement; return page.scrollWidth <= page.clientWidth")
    colours = chromium.execute_script(
        "return ['body', 'svg text'].map(s => getComputedStyle(document.querySelector(s))).map(s => s.fill + s.color)"
    )
    ink = "rgb(236, 238, 242)" if scheme == "dark" else "rgb(29, 31, 36)"
    assert colours[0].endswith(ink)
    assert ink in colours[1]
    assert chromium.get_log("browser") == []


def test_photographs_are_small_pictures(zoo, tmp_path, real_data):
    options = ("--data", "folder", "--data.root", real_data / "hymenoptera", "--data.image_size", 160)
    limits = ("--trainer.max_epochs", 1, "--trainer.limit_train_batches", 1, "--trainer.limit_val_batches", 2)
    status, out, err = zoo("fit", *options, *limits)
    assert status == 0, err
    page = tmp_path / out.splitlines()[-1] / "report.html"
    assert page.read_text().count("data:image/jpeg") > 20
    assert page.stat().st_size < 2e6
    assert yaml.safe_load((page.parent / "config.yaml").read_text())["data"]["image_size"] == 160
