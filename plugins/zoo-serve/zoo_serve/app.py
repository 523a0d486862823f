"""What each address answers."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager
from importlib import metadata, resources
from pathlib import Path
from typing import Annotated, Any

import numpy as np
from fastapi import FastAPI, HTTPException, Query, Request, Response
from fastapi.responses import HTMLResponse, JSONResponse
from fastapi_offline import FastAPIOffline
from prometheus_client import CONTENT_TYPE_LATEST
from starlette.types import ASGIApp
from zoo_runtime import MAX_PIXELS, Classifier, ImageError

from zoo_serve import errors, schema
from zoo_serve.engine import Engine
from zoo_serve.front import Front
from zoo_serve.metrics import Metrics
from zoo_serve.options import Options
from zoo_serve.upload import image_of

#: The page needs nothing from elsewhere, and must not be made to fetch it.
POLICY = (
    "default-src 'none'; connect-src 'self'; img-src blob: data:; style-src 'unsafe-inline'; "
    "script-src 'unsafe-inline'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
)


class Service:
    """The state behind the addresses.

    Args:
        classifier: the model.
        options: limits and batches.
    """

    engine: Engine

    def __init__(self, classifier: Classifier, options: Options) -> None:
        self.classifier, self.options = classifier, options
        self.requests = 0
        self.metrics = Metrics(lambda: self.requests)

    @asynccontextmanager
    async def lifespan(self, app: FastAPI) -> AsyncIterator[None]:
        """Work from the server's start to its end."""
        self.engine = Engine(self.classifier, self.options, self.metrics)
        yield
        await self.engine.close()

    @contextmanager
    def place(self) -> Iterator[None]:
        """Take one of the places for requests; HTTPException 503 where none is free."""
        if self.requests >= self.options.max_queue:
            text = f"{self.requests} requests are being answered, as many as the server takes at once; try again"
            raise HTTPException(503, text, {"retry-after": "1"})
        self.requests += 1
        try:
            yield
        finally:
            self.requests -= 1

    async def predict(self, request: Request, top_k: int) -> dict[str, Any]:
        """Return the answer to a request that uploads an image; HTTPException where there is none."""
        begin = time.monotonic()
        deadline = begin + self.options.timeout_s
        with self.place():
            try:
                async with asyncio.timeout(self.options.timeout_s):
                    content = await image_of(request, self.options.max_bytes)
            except TimeoutError as error:
                raise HTTPException(408, f"the body did not arrive in {self.options.timeout_s:g} s") from error
            try:
                row = await self.engine.probabilities(content, deadline)
            except ImageError as error:
                raise HTTPException(422, str(error)) from error
            except TimeoutError as error:
                text = f"{error} ({self.options.timeout_s:g} s, the server's --timeout_s)"
                raise HTTPException(504, text) from error
        return {
            "predictions": likeliest(row, self.classifier.classes, top_k, self.classifier.thresholds),
            "milliseconds": round(1000 * (time.monotonic() - begin), 3),
        }

    def model(self) -> dict[str, Any]:
        """Return what ``schema.Model`` describes."""
        found, spec = self.classifier.metadata, self.classifier.input_spec
        return {
            "file": Path(self.options.model).name,
            "architecture": architecture(self.classifier),
            **{key: found[key] for key in ("dataset", "classes", "versions")},
            "test_accuracy": found.get("test_accuracy"),
            "precision": (found.get("quantization") or {}).get("precision", "float32"),
            "input": {key: spec[key] for key in ("channels", "height", "width")},
            "max_bytes": self.options.max_bytes,
            "max_pixels": MAX_PIXELS,
        }


def architecture(classifier: Classifier) -> str:
    """Return the name of a model's architecture, of which the file may also say the hyperparameters."""
    found = classifier.metadata["architecture"]
    return str(found["name"] if isinstance(found, dict) else found)


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


def create_app(classifier: Classifier, options: Options) -> ASGIApp:
    """Return the ASGI application of a model."""
    service = Service(classifier, options)
    app = FastAPIOffline(
        redoc_url=None,
        title="zoo serve",
        summary=f"{architecture(classifier)} on {classifier.metadata['dataset']}",
        version=metadata.version("zoo-serve"),
        lifespan=service.lifespan,
    )
    errors.install(app)
    page = resources.files("zoo_serve").joinpath("page.html").read_text(encoding="utf-8")

    @app.post(
        "/predict", response_model=schema.Answer, responses=schema.REFUSALS, openapi_extra=schema.UPLOAD, tags=["model"]
    )
    async def predict(request: Request, top_k: Annotated[int, Query(ge=1)] = 5) -> Response:
        """Classify one image: a file in the multipart field `image`, or the body itself."""
        return JSONResponse(await service.predict(request, top_k))

    @app.get("/model", response_model=schema.Model, tags=["model"])
    async def model() -> Response:
        """Say what the model is, and what the server takes."""
        return JSONResponse(service.model())

    @app.get("/health", response_model=schema.Health, responses={503: {"model": schema.Health}}, tags=["server"])
    async def health() -> Response:
        """Say whether the server works: 200, or 503."""
        works = service.engine.works
        return JSONResponse({"status": "ok" if works else "broken"}, 200 if works else 503)

    @app.get("/metrics", response_class=Response, tags=["server"])
    async def figures() -> Response:
        """Return figures for Prometheus."""
        return Response(service.metrics.text(), media_type=CONTENT_TYPE_LATEST)

    @app.get("/", include_in_schema=False)
    async def people() -> Response:
        return HTMLResponse(page, headers={"content-security-policy": POLICY, "referrer-policy": "no-referrer"})

    return Front(app, service.metrics)
