"""Errors as clients of OpenAI's API expect them: {"error": {"message", "type", "param", "code"}} with a status."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from fastapi import FastAPI, Request
from fastapi.exceptions import RequestValidationError
from fastapi.responses import JSONResponse, Response
from pydantic import BaseModel
from starlette.exceptions import HTTPException

from assistant.engines.errors import EngineError
from assistant.personas.library import UnknownPersonaError
from assistant.store.errors import (
    AlreadySentError,
    DiskFullError,
    LockedError,
    NotFoundError,
    UnreachableError,
    UnwritableError,
)
from assistant.window import ContextError
from guardrails.errors import UserError

# What passes by itself: worth another try.
_PASSING = (LockedError, DiskFullError, UnreachableError, UnwritableError, EngineError)


class ErrorDetail(BaseModel):
    """What went wrong. `param` is the field of the request that it is about."""

    message: str
    type: str
    param: str | None = None
    code: str | None = None


class ErrorBody(BaseModel):
    error: ErrorDetail


class ApiError(Exception):
    """An answer that is an error."""

    def __init__(
        self,
        status: int,
        message: str,
        *,
        kind: str = "invalid_request_error",
        code: str | None = None,
        param: str | None = None,
        headers: Mapping[str, str] | None = None,
    ) -> None:
        """`kind` is OpenAI's `type`."""
        super().__init__(message)
        self.status = status
        self.detail = ErrorDetail(message=message, type=kind, param=param, code=code)
        self.headers = dict(headers or {})

    def body(self) -> dict[str, Any]:
        """The JSON to send."""
        return {"error": self.detail.model_dump()}

    def response(self) -> Response:
        """The whole answer."""
        return JSONResponse(self.body(), self.status, self.headers)


def as_api_error(error: UserError) -> ApiError:
    """What a client is told of an error of ours; the message already says the fix."""
    text = str(error)
    if isinstance(error, UnknownPersonaError):
        return ApiError(404, text, code="model_not_found", param="model")
    if isinstance(error, NotFoundError):
        return ApiError(404, text, code="not_found")
    if isinstance(error, ContextError):
        return ApiError(400, text, code="context_length_exceeded", param="messages")
    if isinstance(error, AlreadySentError):
        return ApiError(409, text, code="already_sent")
    if isinstance(error, _PASSING):
        return unavailable(text)
    return ApiError(400, text)


def unavailable(message: str, *, code: str = "unavailable") -> ApiError:
    """Not the request's fault, and worth another try."""
    return ApiError(503, message, kind="server_error", code=code, headers={"retry-after": "1"})


def install(app: FastAPI) -> None:
    """Make every error of the app one of these."""

    @app.exception_handler(ApiError)
    async def told(_: Request, error: ApiError) -> Response:
        return error.response()

    @app.exception_handler(UserError)
    async def ours(_: Request, error: UserError) -> Response:
        return as_api_error(error).response()

    @app.exception_handler(RequestValidationError)
    async def invalid(_: Request, error: RequestValidationError) -> Response:
        first = error.errors()[0]
        place = ".".join(str(part) for part in first["loc"] if part not in ("body", "query", "path"))
        message = f"{place}: {first['msg']}" if place else str(first["msg"])
        return ApiError(400, message, param=place or None).response()

    @app.exception_handler(HTTPException)
    async def plain(request: Request, error: HTTPException) -> Response:
        message = f"{request.method} {request.url.path}: {error.detail}"
        return ApiError(error.status_code, message, headers=error.headers).response()

    @app.exception_handler(Exception)
    async def bug(_: Request, error: Exception) -> Response:
        return ApiError(
            500, f"{type(error).__name__}: a bug; the server's log shows where", kind="server_error"
        ).response()
