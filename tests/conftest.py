"""Fixtures shared by all tests."""

from __future__ import annotations

import errno
import hashlib
import os
import random
import shutil
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest
from browser import NODE_MODULES, ORT_FILES, ORT_WEB
from filelock import FileLock
from support import write_photos, write_wide

from zoo.cli import main
from zoo.core import registry
from zoo.core.spec import InputSpec

#: Class names are folders' names, and these would end the data in a web page if they stood in it as they are.
CLASS_NAMES = ("<!--<script>", "bee, or a bee's & friend's quite long name that takes more than one line " * 2)


@pytest.fixture(autouse=True)
def _same_random_numbers() -> None:
    """Draw the same numbers in every run of the suite, in whatever order its processes take the tests."""
    random.seed(0)
    for name, seed in (("numpy.random", "seed"), ("torch", "manual_seed")):
        if name in sys.modules:  # the environment without torch has none
            getattr(sys.modules[name], seed)(0)


@pytest.fixture(scope="session", autouse=True)
def _own_settings(tmp_path_factory) -> Iterator[None]:
    """Let the key by which runs are signed lie in a folder of the tests."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("XDG_CONFIG_HOME", str(tmp_path_factory.mktemp("settings")))
        yield


@pytest.fixture
def grey_spec() -> InputSpec:
    return InputSpec(tuple("0123456789"), 1, 8, 8, (0.3,), (0.4,))


@pytest.fixture
def colour_spec() -> InputSpec:
    return InputSpec(("ant", "bee", "cat"), 3, 32, 32, (0.5, 0.4, 0.3), (0.2, 0.3, 0.4))


@pytest.fixture
def server(tmp_path):
    """A web server on loopback: its folder, and its address."""
    folder = tmp_path / "served"
    folder.mkdir()

    class Quiet(SimpleHTTPRequestHandler):
        def log_message(self, *_):
            pass

    with ThreadingHTTPServer(("127.0.0.1", 0), partial(Quiet, directory=str(folder))) as web:
        threading.Thread(target=web.serve_forever, daemon=True).start()
        yield folder, f"http://127.0.0.1:{web.server_port}/"
        web.shutdown()


@pytest.fixture
def install(tmp_path, monkeypatch):
    """Put a distribution on the path: its metadata, and a module with the given source."""
    site = tmp_path / "site"
    site.mkdir()
    monkeypatch.syspath_prepend(str(site))
    monkeypatch.setenv("PYTHONPATH", str(site), prepend=os.pathsep)  # for processes that are started

    def add(distribution: str, entry_points: str, source: str = "", module: str = "") -> None:
        info = site / f"{distribution.replace('-', '_')}-1.0.dist-info"
        info.mkdir()
        (info / "METADATA").write_text(f"Metadata-Version: 2.1\nName: {distribution}\nVersion: 1.0\n")
        (info / "entry_points.txt").write_text(entry_points)
        if module:
            Path(site, f"{module}.py").write_text(source)
        registry.refresh()

    yield add
    registry.refresh()


@pytest.fixture
def zoo(tmp_path, monkeypatch, capsys) -> Callable[..., tuple[int, str, str]]:
    """Run a command in this process, in an empty folder; return (exit status, stdout, stderr)."""
    monkeypatch.chdir(tmp_path)

    def run(*words: object) -> tuple[int, str, str]:
        capsys.readouterr()
        status = main([str(word) for word in words])
        return status, *capsys.readouterr()

    return run


@pytest.fixture
def zoo_process(tmp_path) -> Callable[..., subprocess.Popen[str]]:
    """Start a command in a process of its own, in an empty folder."""

    def start(*words: object, **options: object) -> subprocess.Popen[str]:
        command = [sys.executable, "-m", "zoo", *(str(word) for word in words)]
        settings = {"cwd": tmp_path, "stdout": subprocess.PIPE, "stderr": subprocess.PIPE, "text": True} | options
        return subprocess.Popen(command, **settings)

    return start


@pytest.fixture
def unreadable(monkeypatch) -> Callable[[Path], None]:
    """Return a function after which a folder cannot be listed, not even by root."""
    listed, refused = os.scandir, set[str]()

    def scandir(path="."):
        if os.path.abspath(path) in refused:
            raise PermissionError(errno.EACCES, os.strerror(errno.EACCES), path)
        return listed(path)

    monkeypatch.setattr(os, "scandir", scandir)
    return lambda folder: refused.add(os.path.abspath(folder))


@pytest.fixture(scope="session")
def make_once(tmp_path_factory) -> Callable[[str, Callable[[Path], None]], Path]:
    """Make a folder once for all test processes, which run at the same time; return it. Nobody may change it."""
    base = tmp_path_factory.getbasetemp()
    shared = base.parent if "PYTEST_XDIST_WORKER" in os.environ else base

    def make(name: str, fill: Callable[[Path], None]) -> Path:
        folder, done = shared / f"shared-{name}", shared / f"shared-{name}.done"
        with FileLock(shared / f"shared-{name}.lock"):
            if not done.exists():
                folder.mkdir()
                fill(folder)
                done.touch()
        return folder

    return make


@pytest.fixture(scope="session")
def train_once(tmp_path_factory, make_once) -> Callable[..., Path]:
    """Train with options of zoo fit, once for all test processes; return a copy of the run for this process."""

    def train(*options: object) -> Path:
        words = [str(option) for option in options]
        name = hashlib.sha256(repr(words).encode()).hexdigest()[:12]

        def fit(folder: Path) -> None:
            assert main(["fit", *words, "--trainer.default_root_dir", str(folder)]) == 0

        copy = shutil.copytree(make_once(name, fit), tmp_path_factory.mktemp(name) / "runs")
        return next(copy.glob("*/version_0"))

    return train


@pytest.fixture(scope="session")
def digits_run(train_once) -> Path:
    """A run of LeNet-5 on digits, trained for 3 epochs."""
    return train_once("--trainer.max_epochs", 3)


@pytest.fixture
def untested_run(train_once) -> Path:
    """A copy of that run as its training left it: other tests test and export digits_run."""
    return train_once("--trainer.max_epochs", 3)


@pytest.fixture(scope="session")
def digits_model(digits_run, make_once) -> Path:
    """The exported file of that run, which was tested before."""

    def export(folder: Path) -> None:
        run = shutil.copytree(digits_run, folder / digits_run.parent.name / digits_run.name)
        assert main(["test", str(run)]) == 0
        assert main(["export", str(run)]) == 0

    exported = make_once("digits-model", export) / digits_run.parent.name / digits_run.name
    for name in ("results.json", "report.html", "model.onnx"):
        shutil.copy(exported / name, digits_run / name)
    return digits_run / "model.onnx"


@pytest.fixture(scope="session")
def colour_model(make_once) -> Path:
    """A model of colour images of 32x32 and of two classes."""

    def export(folder: Path) -> None:
        write_photos(folder / "photos", CLASS_NAMES, 128, 128)
        words = ["fit", "--model", "lenet5", "--data", "folder", "--data.root", str(folder / "photos")]
        words += ["--data.num_workers", "0", "--trainer.max_epochs", "1", "--trainer.default_root_dir", str(folder)]
        assert main([*words, "--data.image_size", "32", "--data.batch_size", "16"]) == 0
        assert main(["export", str(folder / "folder-lenet5" / "version_0")]) == 0

    return make_once("colour-model", export) / "folder-lenet5" / "version_0" / "model.onnx"


@pytest.fixture(scope="session")
def letterbox_model(make_once) -> Path:
    """A tested model of grey pictures four times as wide as high, which it sees whole in 24x24."""

    def export(folder: Path) -> None:
        write_wide(folder / "wide")
        words = ["fit", "--model", "lenet5", "--data", "folder", "--data.root", str(folder / "wide"), "--quiet"]
        words += ["--data.image_size", "24", "--data.resize", "letterbox", "--data.channels", "1"]
        words += ["--data.num_workers", "0", "--data.augmentation", "none", "--data.batch_size", "8"]
        assert main([*words, "--trainer.max_epochs", "8", "--trainer.default_root_dir", str(folder)]) == 0
        run = str(folder / "folder-lenet5" / "version_0")
        assert main(["test", run]) == 0
        assert main(["export", run]) == 0

    return make_once("letterbox-model", export) / "folder-lenet5" / "version_0" / "model.onnx"


@pytest.fixture(scope="session")
def chromium():
    """A headless Chromium with a camera that films a pie chart."""
    selenium = pytest.importorskip("selenium", reason="pages are tested with selenium, which is not installed")
    browser = shutil.which("chromium") or shutil.which("google-chrome")
    driver = shutil.which("chromedriver")
    if browser is None or driver is None:
        pytest.skip("pages are tested in Chromium: chromium and chromedriver are not both on the path")
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
    started.command_executor.close()  # quit leaves it open: an unclosed socket is a warning, and that an error


@pytest.fixture(scope="session")
def real_data() -> Path:
    """The data root with MNIST, Fashion-MNIST, CIFAR-10 and ants and bees, as ZOO_DATA_ROOT names it."""
    root = os.environ.get("ZOO_DATA_ROOT")
    if not root or not (Path(root) / "cifar-10-batches-py").is_dir():
        pytest.skip("ZOO_DATA_ROOT does not name a folder with cifar-10-batches-py: real data is not there")
    return Path(root)
