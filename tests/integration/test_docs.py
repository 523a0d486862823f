"""Every command and code block of README and docs works, and README is short with links that lead somewhere.

A block is run unless a comment before it says why not: ``<!-- not tested: REASON -->``. A block whose first line is a
comment with a file name becomes that file for its page; files of ``my_package`` become an installed package.
"""

from __future__ import annotations

import re
import shlex
import shutil
import sys
import textwrap
import tomllib
from typing import Any, NamedTuple

import numpy as np
import pytest
import yaml
from PIL import Image
from support import REPOSITORY

from zoo import create_dataset, runtime
from zoo.core import registry

PAGES = [REPOSITORY / "README.md", *sorted((REPOSITORY / "docs").rglob("*.md"))]
BLOCK = re.compile(
    r"(?:^<!-- not tested: (?P<reason>[^\n]+) -->\n)?"
    r"^(?P<indent> *)```(?P<language>\w*)\n(?P<text>.*?)^(?P=indent)```$",
    re.MULTILINE | re.DOTALL,
)
INDENTED = re.compile(r"(?:\A|\n\n)((?: {4}.*\n)+)")
FILE_NAME = re.compile(r"# ([\w/]+\.\w+)$")
#: Languages of blocks that show output or layouts, which nobody runs.
SHOWN = ("text", "")
#: Languages of blocks that tests/integration/test_examples.py runs as files.
INCLUDED = re.compile(r'^--8<-- "([^"]+)"$', re.MULTILINE)


class Block(NamedTuple):
    """A block of code of a page; ``reason`` says why it is not tested, if it is not."""

    page: str
    language: str
    text: str
    reason: str | None

    @property
    def file(self) -> str | None:
        """The file that the block becomes."""
        name = FILE_NAME.match(self.text.partition("\n")[0])
        return None if name is None else name[1]


def blocks_of(page):
    """Return the blocks of a page in their order."""
    name, text = str(page.relative_to(REPOSITORY)), page.read_text(encoding="utf-8")
    found = [
        Block(name, match["language"], textwrap.dedent(match["text"]), match["reason"])
        for match in BLOCK.finditer(text)
    ]
    return found + [Block(name, "sh", textwrap.dedent(part), None) for part in INDENTED.findall(BLOCK.sub("", text))]


BLOCKS = [block for page in PAGES for block in blocks_of(page)]
TESTED = [block for block in BLOCKS if block.reason is None and block.language not in SHOWN]


def lines_of(language):
    """Return the tested command lines of one kind of block, each once, with its page."""
    lines = {}
    for block in TESTED:
        if block.language == language:
            for line in block.text.replace("\\\n", "").splitlines():
                if line and not line.startswith("#"):
                    lines.setdefault(" ".join(shlex.split(line, comments=True)), (block.page, line))
    return list(lines.values())


#: Commands that measure speed take long.
COMMANDS = [
    pytest.param(page, line, marks=[pytest.mark.slow] if line.startswith("zoo bench") else [])
    for page, line in lines_of("sh")
]


def pages_with(language):
    """Return the pages that have tested blocks of a language, README first."""
    return list(dict.fromkeys(block.page for block in TESTED if block.language == language))


@pytest.fixture(scope="module")
def workshop(tmp_path_factory, digits_model):
    """A folder with what the pages' commands name: runs, an exported model, photographs, recipes."""
    folder = tmp_path_factory.mktemp("docs")
    for version in ("digits-lenet5/version_0", "digits-lenet5/version_1"):
        shutil.copytree(digits_model.parent, folder / "runs" / version)
    shutil.copy(digits_model, folder / "model.onnx")
    (folder / "field" / "7").mkdir(parents=True)
    (folder / "configs").symlink_to(REPOSITORY / "configs")
    digits = create_dataset("digits", folder, "test")
    seven = digits[list(digits.labels).index(7)][0].reshape(8, 8)
    for name in ("seven.png", "photo.jpg", "field/7/seven.png"):
        Image.fromarray(seven).save(folder / name)
    random, rows = np.random.default_rng(0), ["path,label"]
    for label, name in enumerate(("ants", "bees")):
        (folder / "photos" / name).mkdir(parents=True)
        for number in range(20):
            pixels = random.integers(0, 128, (80, 96, 3), np.uint8) + np.uint8(128 * label)
            Image.fromarray(pixels).save(folder / "photos" / name / f"{number}.png")
            rows.append(f"{name}/{number}.png,{name}")
        (folder / "cells" / name).mkdir(parents=True)
        for number in range(30):
            np.save(folder / "cells" / name / f"{number}.npy", random.integers(0, 4096, (32, 40, 4)).astype(np.uint16))
    (folder / "photos" / "labels.csv").write_text("\n".join(rows))
    return folder


@pytest.fixture
def in_workshop(workshop, tmp_path, monkeypatch):
    """A copy of that folder, to be changed, as the current one."""
    folder = tmp_path / "here"
    shutil.copytree(workshop, folder, symlinks=True)
    monkeypatch.chdir(folder)
    return folder


@pytest.fixture
def my_package(tmp_path, monkeypatch):
    """The package that the pages about extending write, installed."""
    site = tmp_path / "site"
    for block in BLOCKS:
        if block.file and block.file.startswith("my_package/"):
            path = site / block.file
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(block.text, encoding="utf-8")
    info = site / "my_package-1.0.dist-info"
    info.mkdir()
    (info / "METADATA").write_text("Metadata-Version: 2.1\nName: my-package\nVersion: 1.0\n")
    lines = []
    for block in BLOCKS:
        if block.language == "toml":
            for group, names in tomllib.loads(block.text)["project"]["entry-points"].items():
                lines += [f"[{group}]", *(f"{name} = {value}" for name, value in names.items())]
    (info / "entry_points.txt").write_text("\n".join(lines))
    monkeypatch.syspath_prepend(str(site))
    registry.refresh()
    yield
    for name in [name for name in sys.modules if name.partition(".")[0] == "my_package"]:
        del sys.modules[name]
    registry.refresh()


@pytest.fixture
def command(in_workshop, capsys):
    """Run a command of a page in the folder; a training shows its configuration only."""
    from zoo.cli import main

    def run(line):
        program, *argv = shlex.split(line, comments=True)
        assert program == "zoo", f"not a command of zoo, and no comment says why it is not tested: {line}"
        if argv[0] == "fit" and not {"--help", "--print_config", "--print_schema"} & set(argv):
            argv.append("--print_config")
        if argv[0] != "fit" and argv[1:2] and argv[1].startswith("runs/folder-"):
            argv[1] = "runs/digits-lenet5/version_0"  # the run of another command of the page
        capsys.readouterr()
        status = main(argv)
        assert status == 0, capsys.readouterr().err
        return capsys.readouterr()

    return run


@pytest.mark.parametrize(("page", "line"), COMMANDS)
def test_a_command_of_a_page_works(command, in_workshop, my_package, page, line):
    for block in BLOCKS:
        if block.page == page and block.file and not block.file.startswith("my_package/"):
            (in_workshop / block.file).write_text(block.text, encoding="utf-8")
    command(line)


def test_a_package_of_the_pages_trains_exports_and_keeps_the_contract(zoo, my_package, tmp_path):
    for block in BLOCKS:
        if block.file and block.page.endswith(("README.md", "network.md", "dataset.md", "command.md")):
            code = re.sub(r'""".*?"""', "", block.text, flags=re.DOTALL)
            lines = [line for line in code.splitlines()[1:] if line.strip()]
            assert len(lines) <= 10, f"{block.file}: promised are at most ten lines of code"
    assert " bars " in zoo("list")[1]
    options = ("--model.architecture.hidden", 8, "--data.dataset.count", 100, "--trainer.max_epochs", 5)
    status, out, err = zoo("fit", "--model", "linear", "--data", "bars", *options)
    assert status == 0, err
    assert "val accuracy 100.0%" in out
    run = out.splitlines()[-1]
    assert zoo("test", run)[0] == 0
    assert zoo("export", run)[0] == 0


# With a Trainer of one's own, Lightning's warnings are the user's to hear.
@pytest.mark.filterwarnings("ignore:.*LeafSpec:FutureWarning", "ignore:.*(does not have many workers|GPU)")
@pytest.mark.parametrize("page", pages_with("python"))
def test_the_python_of_a_page_runs(in_workshop, my_package, monkeypatch, page):
    monkeypatch.setitem(sys.modules, "zoo_runtime", runtime)
    namespace: dict[str, Any] = {"__name__": "page"}
    for block in TESTED:
        if block.page == page and block.language == "python" and not INCLUDED.search(block.text):
            exec(compile(block.text, page, "exec"), namespace)
    for name in [name for name in namespace if name.startswith("test_")]:
        arguments = (in_workshop,) if "tmp_path" in namespace[name].__code__.co_varnames else ()
        namespace[name](*arguments)


@pytest.mark.parametrize("page", pages_with("yaml"))
def test_the_configuration_of_a_page_is_accepted(command, in_workshop, page):
    for block in TESTED:
        if block.page == page and block.language == "yaml":
            (in_workshop / "page.yaml").write_text(block.text, encoding="utf-8")
            shown = yaml.safe_load(command("zoo fit --config page.yaml --print_config").out)
            assert set(yaml.safe_load(block.text)) <= set(shown)


def test_a_page_includes_only_programs_that_are_tested():
    tested = (REPOSITORY / "tests" / "integration" / "test_examples.py").read_text(encoding="utf-8")
    for block in TESTED:
        if block.language not in ("sh", "python", "toml", "yaml"):
            names = INCLUDED.findall(block.text)
            assert names, f"{block.page}: nobody runs this {block.language}, and no comment says why:\n{block.text}"
            assert all(name.rpartition("/")[2] in tested for name in names)
        for name in INCLUDED.findall(block.text):
            assert (REPOSITORY / name).is_file()


@pytest.mark.slow
@pytest.mark.filterwarnings("default")
def test_the_notebook_runs(tmp_path):
    import nbclient
    import nbformat

    notebook = nbformat.read(REPOSITORY / "examples" / "notebook.ipynb", as_version=4)
    nbclient.NotebookClient(notebook, timeout=300, resources={"metadata": {"path": tmp_path}}).execute()
    assert (tmp_path / "runs" / "digits-lenet5" / "version_0" / "model.onnx").is_file()
    cells = [cell for cell in notebook.cells if cell.cell_type == "code"]
    outputs = [output for cell in cells for output in cell.outputs]
    own = [output for cell in cells if "lightning.Trainer" not in cell.source for output in cell.outputs]
    assert not [output.text for output in own if output.get("name") == "stderr"]  # which Jupyter shows in red
    html = [output.data.get("text/html", "") for output in outputs if "data" in output]
    assert [sum(part in one for one in html) for part in ("<svg", "<figure", "<iframe", "dataframe")] == [2, 4, 1, 1]
    assert "" in html  # the bar, which is over


def test_readme_has_at_most_150_lines():
    assert len(PAGES[0].read_text(encoding="utf-8").splitlines()) <= 150


@pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(REPOSITORY)))
def test_links_and_pictures_of_a_page_are_there(page):
    text = BLOCK.sub("", page.read_text(encoding="utf-8"))
    for link in re.findall(r"\]\(([^)\s]+)\)", text):
        if not re.match(r"https?://|#", link):
            assert (page.parent / link.partition("#")[0]).exists(), link


def test_files_that_a_page_names_are_there():
    named = re.compile(r"`((?:zoo|tests|docs|configs|benchmarks|examples|plugins)/[\w./-]*)`")
    for page in PAGES:
        for name in named.findall(page.read_text(encoding="utf-8")):
            if not re.search(r"NAME|LANGUAGE|DATA", name):
                assert (REPOSITORY / name).exists(), f"{page}: {name}"


def test_pictures_are_small_and_load_nothing_from_elsewhere():
    for picture in (REPOSITORY / "docs" / "images").iterdir():
        assert picture.stat().st_size < 200_000, picture.name
        if picture.suffix == ".svg":
            assert not re.search(r"url\(|href=|src=", picture.read_text(encoding="utf-8").replace("url(#", "#"))
