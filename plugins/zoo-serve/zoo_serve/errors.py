"""Every refusal is ``{"error": "one line"}``."""

from __future__ import annotations

from fastapi import FastAPI, Request, Response
from fastapi.exceptions import RequestValidationError
from fastapi.responses import JSONResponse
from starlette.exceptions import HTTPException
from starlette.requests import ClientDisconnect

from zoo_serve.images import LeftError


def install(app: FastAPI) -> None:
    """Let an application answer errors in one line of JSON."""

    @app.exception_handler(HTTPException)
    async def refused(request: Request, error: HTTPException) -> Response:
        return _answer(error.status_code, error.detail, dict(error.headers or {}))

    @app.exception_handler(RequestValidationError)
    async def invalid(request: Request, error: RequestValidationError) -> Response:
        first = error.errors()[0]
        return _answer(422, f"{first['loc'][-1]}: {first['msg']}, received {str(first['input'])[:80]!r}")

    @app.exception_handler(ClientDisconnect)
    @app.exception_handler(LeftError)
    async def left(request: Request, error: Exception) -> Response:
        return Response(status_code=499)  # nobody hears it; it is counted

    @app.exception_handler(Exception)
    async def failed(request: Request, error: Exception) -> Response:
        return _answer(500, "the server failed at this request; its log says where")


def _answer(status: int, text: str, headers: dict[str, str] | None = None) -> Response:
    return JSONResponse({"error": " ".join(text.split())}, status, headers)
