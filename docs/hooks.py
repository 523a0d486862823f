"""MkDocs hook: fills the parts of pages that are generated from zoo itself.

``<!-- generated: NAME -->`` on a line of its own is replaced by what the function NAME of ``PARTS`` returns.
"""

from __future__ import annotations

import io
import json
import os
import re
import subprocess
import sys
from collections.abc import Callable, Iterator, Mapping
from contextlib import redirect_stdout
from functools import cache
from itertools import groupby
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import faults
import packages

from zoo.cli import main
from zoo.core import registry

#: Section and key of a config file, the kind of its names, and the heading.
KINDS = (
    ("model", "architecture", "architecture", "Architectures"),
    ("data", "dataset", "dataset", "Data sets"),
    ("data", "augmentation", "augmentation", "Augmentations"),
    ("model", "loss", "loss", "Losses"),
    ("model", "metrics", "metric", "Metrics"),
)
MARKER = re.compile(r"^<!-- generated: (\w+) -->$", re.MULTILINE)
ELSEWHERE = re.compile(r"<(?:script|img|iframe|source|link\b[^>]*stylesheet)[^>]*(?:src|href)=.?(?:https?:)?//[^>]*>")


def on_page_markdown(markdown: str, **_: Any) -> str:
    """Replace the markers of one page; MkDocs calls this for each."""
    return MARKER.sub(lambda match: PARTS[match[1]](), markdown)


def on_post_page(output: str, page: Any, **_: Any) -> str:
    """Refuse a page that would load something from another host."""
    if loaded := ELSEWHERE.search(output):
        raise RuntimeError(f"{page.file.src_uri} loads from another host: {loaded[0]}")
    return output


#: Help is as wide on the page whatever terminal builds it.
os.environ["COLUMNS"] = "100"


@cache
def zoo(*argv: str) -> str:
    """Return what a command prints."""
    with redirect_stdout(io.StringIO()) as output:
        status = main(argv)
    if status != 0:
        raise RuntimeError(f"zoo {' '.join(argv)} ended with status {status}")
    return output.getvalue()


def commands() -> str:
    """Return the help of ``zoo`` and of each built-in command."""
    overview, _, rest = zoo("--help").partition("\nof plugins")
    names = re.findall(r"^  (\w+) {2,}\w", overview, re.MULTILINE)
    overview += "\n" + rest[rest.index("options:") :] if rest else ""
    parts = [f"## zoo\n\n```text\n{overview.strip()}\n```"]
    for name in names:
        text = zoo(name, "--help").strip()
        if name == "fit":  # its hundred options are on the page of the configuration
            text = text[: text.index("\noptions:")]
        parts.append(f"## zoo {name}\n\n```text\n{text}\n```")
    return "\n\n".join(parts)


@cache
def schema() -> dict[str, Any]:
    """Return the JSON schema of config files, from a process that has done nothing else, as it must be."""
    command = [sys.executable, "-m", "zoo", "fit", "--print_schema"]
    content: dict[str, Any] = json.loads(subprocess.run(command, check=True, stdout=subprocess.PIPE).stdout)
    return content


def options(section: str) -> dict[str, Any]:
    """Return the options of a section; it may be a mapping, or a name or a mapping."""
    content = schema()["properties"][section]
    [mapping] = [form for form in content.get("anyOf", [content]) if "properties" in form]
    properties: dict[str, Any] = mapping["properties"]
    return properties


def configuration() -> str:
    """Return a table of options for each section of a config file."""
    sections = schema()["properties"]
    single = {name: values for name, values in sections.items() if name not in ("model", "data", "trainer", "$schema")}
    parts = ["## Top level", table(single)]
    for name in ("model", "data", "trainer"):
        parts += [f"## {name}", table(options(name), f"--{name}.")]
    return "\n\n".join(parts)


def names() -> str:
    """Return what each name of zoo's own is, with its options."""
    parts = []
    for section, key, kind, title in KINDS:
        parts.append(f"## {title}")
        forms = options(section)[key]["anyOf"]
        known = {form["properties"]["name"]["const"]: form["properties"] for form in forms if "const" in _name(form)}
        for name in _own(kind):
            text = zoo("info", name)
            summary = re.search(r"\A.*?\n\n(.*?)\n\n(?:Args|Raises|options|layers|images)", text, re.DOTALL)
            if summary is None:
                raise RuntimeError(f"zoo info {name} begins in an unexpected way: {text[:200]}")
            own = {
                option: values for option, values in known[name].items() if option not in ("name", "from", "$schema")
            }
            rows = table(own, registry.KINDS[kind].option or None) if own else "It has no options."
            parts += [f"### {name}", re.sub(r"(https?://[^\s,]+)", r"<\1>", summary[1]), rows]
    return "\n\n".join(parts)


def _name(form: Mapping[str, Any]) -> Mapping[str, Any]:
    values: Mapping[str, Any] = form.get("properties", {}).get("name", {})
    return values


def _own(kind: str) -> Iterator[str]:
    """Yield the names of a kind that zoo itself registers, without those of families."""
    yield from (entry.name for entry in registry.entries(kind) if entry.distribution == registry.OWN_DISTRIBUTION)


def table(rows_of: Mapping[str, Mapping[str, Any]], prefix: str | None = "--") -> str:
    """Return options of the schema as a Markdown table; without a prefix they stand in config files alone."""
    rows = ["| option | value | default | what it does |", "|---|---|---|---|"]
    for name, values in rows_of.items():
        if name == "$schema":
            continue
        default = json.dumps(values["default"]) if values.get("default") is not None else ""
        cells = (f"`{prefix or ''}{name}`", kind(values), f"`{default}`" if default else "", _line(values))
        rows.append("| " + " | ".join(cell.replace("|", "\\|") for cell in cells) + " |")
    return "\n".join(rows)


def kind(values: Mapping[str, Any]) -> str:
    """Return in words which values the schema allows."""
    if "enum" in values:
        return ", ".join(f"`{json.dumps(value).strip(chr(34))}`" for value in values["enum"])
    if "anyOf" in values:
        kinds = [kind(form) for form in values["anyOf"] if form.get("type") != "null"]
        return " or ".join(dict.fromkeys(kinds)) if len(kinds) < 6 else "name, or mapping with `name` and options"
    if "$ref" in values:
        return f"a class of `{values['$ref'].rpartition('/')[2]}`"
    plain = {"array": "list", "object": "mapping", "number": "number", "integer": "integer", "string": "text"}
    types = values.get("type", "anything")
    found = [plain.get(name, name) for name in ([types] if isinstance(types, str) else types) if name != "null"]
    return " or ".join(found)


def _line(values: Mapping[str, Any]) -> str:
    text = " ".join(values.get("description", "").split())
    text = re.sub(r":\w+:`~?([^`]*)`", r"`\1`", text).replace("``", "`")
    text = re.sub(r"\s*Default: `[^`]*`\.?", "", text)  # Lightning's docstrings say what the column says
    return text[:1].upper() + text[1:]


def notebook() -> str:
    """Return examples/notebook.ipynb, executed, as Markdown with its outputs."""
    import nbclient
    import nbformat

    content = nbformat.read(Path(__file__).parent.parent / "examples" / "notebook.ipynb", as_version=4)
    with TemporaryDirectory() as folder:
        nbclient.NotebookClient(content, timeout=300, resources={"metadata": {"path": folder}}).execute()
    parts: list[str] = []
    for cell in content.cells:
        if cell.cell_type == "markdown":
            parts.append(cell.source)
            continue
        parts.append(f"```python\n{cell.source}\n```")
        for is_stream, outputs in groupby(cell.outputs, lambda output: output.output_type == "stream"):
            if is_stream:
                parts.append(f"```text\n{''.join(output.text for output in outputs).rstrip()}\n```")
            else:
                parts += [_output(output.data) for output in outputs]
    return "\n\n".join(filter(None, parts))


def _output(data: Mapping[str, str]) -> str:
    """Return what a cell shows as one block of Markdown; nothing for a progress bar that is over."""
    if "text/html" not in data:
        return f"```text\n{data['text/plain']}\n```"
    # The file that a link names was in the folder of the execution; a table without a class looks like the page's.
    html = re.sub(r"<p><a href=[^>]*>[^<]*</a></p>", "", data["text/html"].strip())
    html = html.replace('<table border="1" class="dataframe">', "<table>")
    # An empty line would end the block; within <pre> a line break is text.
    html = html.replace("\n", "&#10;") if html.startswith("<pre") else re.sub(r"\s*\n\s*", " ", html)
    return html and f'<div class="output">{html}</div>'


PARTS: dict[str, Callable[[], str]] = {
    "commands": commands,
    "configuration": configuration,
    "faults": faults.tables,
    "names": names,
    "notebook": notebook,
    "packages": lambda: packages.drawing(Path(__file__).parent.parent),
}
