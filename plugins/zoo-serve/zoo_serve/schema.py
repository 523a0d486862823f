"""The shapes of what is sent and answered, for the description at ``/docs``."""

from __future__ import annotations

from typing import Any

from pydantic import BaseModel, Field

from zoo_serve.upload import FIELD, MAX_FILES


class Prediction(BaseModel):
    """One class and how likely it is."""

    name: str = Field(alias="class", examples=["bee"])
    probability: float = Field(ge=0, le=1, examples=[0.98])


class Answer(BaseModel):
    """The likeliest classes of an image, the likeliest first."""

    predictions: list[Prediction]
    milliseconds: float = Field(description="from the request's arrival to its answer", examples=[3.2])
    reduced: int | None = Field(
        None, description="2, 4 or 8 where a large JPEG file was decoded at that part of its size", examples=[2]
    )


class OneOfSeveral(BaseModel):
    """The likeliest classes of one image of several, or why there are none."""

    predictions: list[Prediction] | None = None
    reduced: int | None = None
    error: str | None = None
    status: int | None = Field(None, description="what the image alone would be refused with")


class Answers(BaseModel):
    """An answer for each image, in the order of the request."""

    answers: list[OneOfSeveral]
    milliseconds: float


class Error(BaseModel):
    """Why a request was refused, in one line."""

    error: str


class Health(BaseModel):
    """Whether the server works."""

    status: str = Field(examples=["ok"])


class Model(BaseModel):
    """What the model file says of itself, and the server's limits."""

    name: str
    file: str
    architecture: str
    dataset: str
    classes: list[str]
    test_accuracy: float | None = Field(description="0 to 1; null where it was not measured")
    precision: str = Field(examples=["float32", "int8"])
    input: dict[str, Any] = Field(description="channels, height and width of what the network sees")
    versions: dict[str, str] = Field(description="of the software that wrote the file")
    max_bytes: int
    max_pixels: int


_BINARY = {"type": "string", "format": "binary"}

#: The request's body, in OpenAPI's words: FastAPI cannot derive what is read by hand.
UPLOAD: dict[str, Any] = {
    "requestBody": {
        "required": True,
        "content": {
            "multipart/form-data": {
                "schema": {"type": "object", "required": [FIELD], "properties": {FIELD: _BINARY}},
            },
            "image/*": {"schema": _BINARY},
            "application/octet-stream": {"schema": _BINARY},
        },
    }
}

#: Likewise of several images.
UPLOADS: dict[str, Any] = {
    "requestBody": {
        "required": True,
        "content": {
            "multipart/form-data": {
                "schema": {
                    "type": "object",
                    "required": [FIELD],
                    "properties": {FIELD: {"type": "array", "items": _BINARY, "maxItems": MAX_FILES}},
                },
            },
        },
    }
}

#: Why a prediction may be refused, by status.
REFUSALS: dict[int | str, dict[str, Any]] = {
    400: {"model": Error, "description": "There is no image in the request"},
    408: {"model": Error, "description": "The body did not arrive in time"},
    413: {"model": Error, "description": "The body is too large"},
    415: {"model": Error, "description": "The body is no image"},
    422: {"model": Error, "description": "The image cannot be read, has too many pixels, or top_k is less than 1"},
    503: {"model": Error, "description": "Too many requests at once; Retry-After says when to come again"},
    504: {"model": Error, "description": "The answer was not ready in time"},
}
