"""What requests for predictions go through: limits, the body, the model, and the answer."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager, suppress
from typing import Any

import numpy as np
from fastapi import FastAPI, HTTPException, Request
from zoo_runtime import ImageError

from zoo_serve.engine import BusyError, Client, Pool
from zoo_serve.fairness import Places, address_of
from zoo_serve.metrics import Metrics
from zoo_serve.models import Model, Models
from zoo_serve.upload import Bodies, image_of, images_of


class Service:
    """The state behind the addresses.

    Args:
        models: what answers.
    """

    def __init__(self, models: Models) -> None:
        self.models, self.options = models, models.options
        self.places = Places(self.options.max_queue)
        self.bodies = Bodies(int(self.options.max_bodies_mb * 1_000_000))
        self.metrics = Metrics(lambda: self.places.taken, lambda: 0 if self._pool is None else self._pool.taken)
        self._pool: Pool | None = None

    @asynccontextmanager
    async def lifespan(self, app: FastAPI) -> AsyncIterator[None]:
        """Work from the server's start to its end."""
        self._pool = Pool.open(self.options)
        self.models.open(self._pool, self.metrics)
        watch = asyncio.create_task(self.models.watch()) if self.options.reload_s else None
        yield
        if watch is not None:
            watch.cancel()
            with suppress(asyncio.CancelledError):
                await watch
        await self.models.close()
        self._pool.close()

    @property
    def works(self) -> bool:
        """Whether every model computes."""
        return all(model.engine is not None and model.engine.works for model in self.models)

    @property
    def ready(self) -> bool:
        """Whether another request would be taken."""
        return self.works and self.places.taken < self.options.max_queue

    def model(self, name: str | None) -> Model:
        """Return a model by its name, None for the first; HTTPException 404 where there is none."""
        if name is None:
            return self.models.first
        if (model := self.models.get(name)) is None:
            names = ", ".join(one.name for one in self.models)
            raise HTTPException(404, f"there is no model '{name[:80]}'; there are {names}")
        return model

    async def predict(self, request: Request, name: str | None, top_k: int) -> dict[str, Any]:
        """Return the answer to a request that uploads an image; HTTPException where there is none."""
        begin, model = time.monotonic(), self.model(name)
        deadline = begin + self.options.timeout_s
        address = address_of(request.client)
        self.places.require(address, 1)
        with self.bodies.account() as account:
            async with self._body_time():
                content = await image_of(request, self.options.max_bytes, account)
            with _watched(request) as client, self.places.take(address, 1, client):
                answer = await self._answer(model, content, deadline, client, top_k)
        return {**answer, "milliseconds": round(1000 * (time.monotonic() - begin), 3)}

    async def predict_batch(self, request: Request, name: str | None, top_k: int) -> dict[str, Any]:
        """Return the answers to a request that uploads several images, in order; each has its own error."""
        begin, model = time.monotonic(), self.model(name)
        deadline = begin + self.options.timeout_s
        address = address_of(request.client)
        self.places.require(address, 1)
        with self.bodies.account() as account:
            async with self._body_time():
                contents = await images_of(request, self.options.max_bytes, account)
            with _watched(request) as client, self.places.take(address, len(contents), client):
                jobs = [self._answer_or_error(model, content, deadline, client, top_k) for content in contents]
                answers = await asyncio.gather(*jobs)
        return {"answers": answers, "milliseconds": round(1000 * (time.monotonic() - begin), 3)}

    async def _answer(
        self, model: Model, content: bytes, deadline: float, client: Client, top_k: int
    ) -> dict[str, Any]:
        classifier, engine = model.classifier, model.engine
        if engine is None:
            raise HTTPException(503, "the server is starting")
        if not content:
            raise HTTPException(400, "the image is empty (0 bytes)")
        try:
            result = await engine.answer(content, deadline, client)
        except ImageError as error:
            raise HTTPException(422, str(error)) from error
        except BusyError as error:
            raise HTTPException(503, f"{error}; try again", {"retry-after": "1"}) from error
        except TimeoutError as error:
            raise HTTPException(504, f"{error} ({self.options.timeout_s:g} s, the server's --timeout_s)") from error
        reduced = {"reduced": result.reduced} if result.reduced > 1 else {}
        return {"predictions": likeliest(result.row, classifier.classes, top_k, classifier.thresholds), **reduced}

    async def _answer_or_error(self, *arguments: Any) -> dict[str, Any]:
        try:
            return await self._answer(*arguments)
        except HTTPException as error:
            return {"error": " ".join(error.detail.split()), "status": error.status_code}

    @asynccontextmanager
    async def _body_time(self) -> AsyncIterator[None]:
        """Give up a body that does not arrive."""
        try:
            async with asyncio.timeout(self.options.body_s):
                yield
        except TimeoutError as error:
            raise HTTPException(408, f"the body did not arrive in {self.options.body_s:g} s") from error


@contextmanager
def _watched(request: Request) -> Iterator[Client]:
    """Give the client of a request whose body is complete; it is watched until the block ends."""
    client = Client()

    async def watch() -> None:
        while (await request.receive())["type"] != "http.disconnect":
            pass
        client.leave()

    task = asyncio.create_task(watch())
    try:
        yield client
    finally:
        task.cancel()


def likeliest(
    row: np.ndarray, classes: tuple[str, ...], top_k: int, thresholds: np.ndarray | None = None
) -> list[dict[str, Any]]:
    """Return the likeliest classes, in the order of ``Classifier.predict``.

    Args:
        row: float32 ``(classes,)``.
        classes: their names.
        top_k: how many, at most all.
        thresholds: float32 ``(classes,)``; classes below theirs are left out.
    """
    order = np.argsort(-row, kind="stable")[:top_k]
    if thresholds is not None:
        order = order[row[order] >= thresholds[order]]
    return [{"class": classes[label], "probability": float(row[label])} for label in order]
