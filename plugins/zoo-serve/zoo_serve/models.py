"""The models of a server by their names; one whose file is replaced is loaded anew while the old one answers."""

from __future__ import annotations

import asyncio
import os
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import onnxruntime
from zoo_runtime import MAX_PIXELS, Classifier, ModelError

from zoo_serve.engine import Engine, Pool
from zoo_serve.metrics import Metrics
from zoo_serve.options import Options

#: Modification time in nanoseconds, size and number of a file; None where there is none.
Stamp = tuple[int, int, int] | None


@dataclass
class Model:
    """One model.

    Args:
        name: in addresses.
        file: that it is of.
        classifier: what the file holds.
        stamp: of the file when it was loaded, or refused.
    """

    name: str
    file: str
    classifier: Classifier
    stamp: Stamp
    engine: Engine | None = None
    seen: Stamp = None

    def describe(self, options: Options) -> dict[str, Any]:
        """Return what ``zoo_serve.schema.Model`` describes."""
        content, spec = self.classifier.metadata, self.classifier.input_spec
        return {
            "name": self.name,
            "file": Path(self.file).name,
            "architecture": architecture(self.classifier),
            **{key: content[key] for key in ("dataset", "classes", "versions")},
            "test_accuracy": content.get("test_accuracy"),
            "precision": (content.get("quantization") or {}).get("precision", "float32"),
            "input": {key: spec[key] for key in ("channels", "height", "width")},
            "max_bytes": options.max_bytes,
            "max_pixels": MAX_PIXELS,
        }


class Models:
    """All models of a server, the first of which answers where no name is given.

    Args:
        options: with the files.

    Raises:
        ValueError: a file is no model, two have one name, or the provider is not there.
        OSError: a file cannot be read.
    """

    def __init__(self, options: Options) -> None:
        self.options = options
        self._models = {
            name: Model(name, file, load(file, options), stamp_of(file)) for name, file in options.files.items()
        }
        self._closing: set[asyncio.Task[None]] = set()

    def __iter__(self) -> Iterator[Model]:
        return iter(self._models.values())

    @property
    def first(self) -> Model:
        """The one that answers where no name is given."""
        return next(iter(self))

    def get(self, name: str) -> Model | None:
        """Return a model by its name; None where there is none."""
        return self._models.get(name)

    def open(self, pool: Pool, metrics: Metrics) -> None:
        """Start to compute, in a running event loop."""
        self._pool, self._metrics = pool, metrics
        for model in self:
            model.engine = self._engine(model.classifier)

    async def close(self) -> None:
        """Drop what is unfinished."""
        for task in self._closing:
            task.cancel()
        await asyncio.gather(*self._closing, return_exceptions=True)
        for model in self:
            if model.engine is not None:
                await model.engine.close()

    async def watch(self) -> None:
        """Load files anew that were replaced, until cancelled; a broken one is refused, and the old model stays."""
        while True:
            await asyncio.sleep(self.options.reload_s)
            for model in self:
                stamp, before = stamp_of(model.file), model.seen
                model.seen = stamp
                # Twice the same: nobody is writing it.
                if stamp is not None and stamp not in (model.stamp, None) and stamp == before:
                    await self._reload(model, stamp)

    async def _reload(self, model: Model, stamp: Stamp) -> None:
        model.stamp = stamp
        try:
            classifier = await asyncio.get_running_loop().run_in_executor(None, load, model.file, self.options)
        except Exception as error:  # whatever is wrong with the file, the server goes on
            self._metrics.reloads.labels("refused").inc()
            text = " ".join(str(error).split())
            print(
                f"error: {model.file} was replaced, and is refused: {text}; the model before answers on",
                file=sys.stderr,
            )
            return
        old, model.classifier, model.engine = model.engine, classifier, self._engine(classifier)
        self._metrics.reloads.labels("loaded").inc()
        print(f"{model.file}: replaced, {describe(classifier)}", flush=True)
        if old is not None:
            task = asyncio.create_task(old.close(self.options.timeout_s))
            self._closing.add(task)
            task.add_done_callback(self._closing.discard)

    def _engine(self, classifier: Classifier) -> Engine:
        return Engine(classifier, self.options, self._pool, self._metrics.batch.observe)


def load(file: str, options: Options) -> Classifier:
    """Return a model's classifier; errors as ``Models``."""
    available = {name.removesuffix("ExecutionProvider").lower(): name for name in onnxruntime.get_available_providers()}
    wanted = available.get(options.provider.lower().removesuffix("executionprovider"))
    if wanted is None:
        raise ValueError(
            f"--provider is '{options.provider}'; available here are {', '.join(sorted(available))}: others come with "
            "another package of onnxruntime, such as onnxruntime-gpu"
        )
    providers = list(dict.fromkeys([wanted, "CPUExecutionProvider"]))
    classifier = Classifier(file, providers=providers, threads=options.threads)
    if classifier.session.get_providers()[0] != wanted:
        raise ModelError(
            f"{file}: --provider {options.provider} cannot start here; its libraries or its device are missing"
        )
    if (channels := classifier.input_spec["channels"]) not in (1, 3):
        raise ModelError(f"{file} takes images of {channels} channels; the server reads images of 1 or 3")
    return classifier


def stamp_of(file: str) -> Stamp:
    """Return the stamp of a file."""
    try:
        status = os.stat(file)
    except OSError:
        return None
    return status.st_mtime_ns, status.st_size, status.st_ino


def architecture(classifier: Classifier) -> str:
    """Return the name of a model's architecture, of which the file may also say the hyperparameters."""
    content = classifier.metadata["architecture"]
    return str(content["name"] if isinstance(content, dict) else content)


def describe(classifier: Classifier) -> str:
    """Return what a model is, in a few words."""
    return f"{architecture(classifier)} on {classifier.metadata['dataset']}, {len(classifier.classes)} classes"
