"""What each address answers."""

from __future__ import annotations

from importlib import metadata, resources
from typing import Annotated

from fastapi import FastAPI, Query, Request, Response
from fastapi.middleware.cors import CORSMiddleware
from fastapi.responses import HTMLResponse, JSONResponse
from fastapi_offline import FastAPIOffline
from prometheus_client import CONTENT_TYPE_LATEST
from starlette.types import ASGIApp

from zoo_serve import errors, schema
from zoo_serve.front import Front, Log
from zoo_serve.models import Models, architecture
from zoo_serve.service import Service

#: The page needs nothing from elsewhere, and must not be made to fetch it.
POLICY = (
    "default-src 'none'; connect-src 'self'; img-src blob: data:; style-src 'unsafe-inline'; "
    "script-src 'unsafe-inline'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
)

#: How many classes an answer has.
TopK = Annotated[int, Query(ge=1)]


def create_app(models: Models, log: Log | None = None) -> ASGIApp:
    """Return the ASGI application of models.

    Args:
        models: what answers.
        log: gets a line for each request.
    """
    service, first = Service(models), models.first.classifier
    app = FastAPIOffline(
        redoc_url=None,
        title="zoo serve",
        summary=f"{architecture(first)} on {first.metadata['dataset']}",
        version=metadata.version("zoo-serve"),
        lifespan=service.lifespan,
    )
    errors.install(app)
    if service.options.cors:
        app.add_middleware(
            CORSMiddleware,
            allow_origins=service.options.cors,
            allow_methods=["GET", "HEAD", "POST"],
            allow_headers=["*"],
        )
    _add_predictions(app, service)
    _add_server(app, service)
    return Front(app, service.metrics, log)


def _add_predictions(app: FastAPI, service: Service) -> None:
    one = {"response_model": schema.Answer, "responses": schema.REFUSALS, "openapi_extra": schema.UPLOAD}
    several = {"response_model": schema.Answers, "responses": schema.REFUSALS, "openapi_extra": schema.UPLOADS}

    @app.post("/predict", tags=["model"], **one)  # type: ignore[arg-type]  # one mapping of several types
    async def predict(request: Request, top_k: TopK = 5) -> Response:
        """Classify one image: a file in the multipart field `image`, or the body itself."""
        return JSONResponse(await service.predict(request, None, top_k))

    @app.post("/predict/batch", tags=["model"], **several)  # type: ignore[arg-type]
    async def predict_batch(request: Request, top_k: TopK = 5) -> Response:
        """Classify several images: files in the multipart field `image`; answers in order, errors each their own."""
        return JSONResponse(await service.predict_batch(request, None, top_k))

    @app.post("/models/{name}/predict", tags=["models"], **one)  # type: ignore[arg-type]
    async def predict_by(request: Request, name: str, top_k: TopK = 5) -> Response:
        """Classify one image by the model of this name."""
        return JSONResponse(await service.predict(request, name, top_k))

    @app.post("/models/{name}/predict/batch", tags=["models"], **several)  # type: ignore[arg-type]
    async def predict_batch_by(request: Request, name: str, top_k: TopK = 5) -> Response:
        """Classify several images by the model of this name."""
        return JSONResponse(await service.predict_batch(request, name, top_k))


def _add_server(app: FastAPI, service: Service) -> None:
    page = resources.files("zoo_serve").joinpath("page.html").read_text(encoding="utf-8")
    busy = {503: {"model": schema.Health}}

    @app.get("/model", response_model=schema.Model, tags=["model"])
    async def model() -> Response:
        """Say what the model is, and what the server takes."""
        return JSONResponse(service.models.first.describe(service.options))

    @app.get("/models", response_model=list[schema.Model], tags=["models"])
    async def models() -> Response:
        """Say it of every model; the first answers at `/predict`."""
        return JSONResponse([one.describe(service.options) for one in service.models])

    @app.get("/models/{name}", response_model=schema.Model, tags=["models"])
    async def model_by(name: str) -> Response:
        """Say it of the model of this name."""
        return JSONResponse(service.model(name).describe(service.options))

    @app.get("/health", response_model=schema.Health, responses=busy, tags=["server"])  # type: ignore[arg-type]
    async def health() -> Response:
        """Say whether the server works: 200, or 503."""
        return JSONResponse({"status": "ok" if service.works else "broken"}, 200 if service.works else 503)

    @app.get("/ready", response_model=schema.Health, responses=busy, tags=["server"])  # type: ignore[arg-type]
    async def ready() -> Response:
        """Say whether another request would be taken: 200, or 503."""
        return JSONResponse({"status": "ready" if service.ready else "busy"}, 200 if service.ready else 503)

    @app.get("/metrics", response_class=Response, tags=["server"])
    async def figures() -> Response:
        """Return figures for Prometheus."""
        return Response(service.metrics.text(), media_type=CONTENT_TYPE_LATEST)

    @app.get("/", include_in_schema=False)
    async def people() -> Response:
        return HTMLResponse(page, headers={"content-security-policy": POLICY, "referrer-policy": "no-referrer"})
