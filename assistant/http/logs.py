"""The log: a JSON object a line, on stderr. It says what was asked for and how it went, never what anybody said."""

from __future__ import annotations

import json
import logging
import sys
import time
import traceback
import uuid
from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any

from starlette.types import ASGIApp, Message, Receive, Scope, Send

log = logging.getLogger("assistant.http")

# Told of each request: route template, method, status, seconds.
Observe = Callable[[str, str, int, float], None]


class JsonLines(logging.Formatter):
    """A record as one line of JSON; `extra={"fields": {...}}` adds to it."""

    def format(self, record: logging.LogRecord) -> str:
        line: dict[str, Any] = {
            "time": datetime.fromtimestamp(record.created, UTC).isoformat(timespec="milliseconds"),
            "level": record.levelname.lower(),
            "event": record.getMessage(),
            **getattr(record, "fields", {}),
        }
        if record.exc_info and record.exc_info[0] is not None:
            # Where it happened; not the error's message, which may quote what was said.
            line["error"] = record.exc_info[0].__name__
            line["where"] = [piece.rstrip() for piece in traceback.format_tb(record.exc_info[2])]
        return json.dumps(line, ensure_ascii=True)


def to_stderr() -> None:
    """Send the server's log, uvicorn's too, to stderr."""
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(JsonLines())
    for name in ("assistant.http", "uvicorn"):
        logger = logging.getLogger(name)
        logger.handlers = [handler]
        logger.setLevel(logging.INFO)
        logger.propagate = False
    # Requests are logged below, with the route's template in place of the path.
    logging.getLogger("uvicorn.access").disabled = True


class AccessLog:
    """Logs and counts every request once it is answered, and gives each an id that the client sees too."""

    def __init__(self, app: ASGIApp, observe: Observe) -> None:
        self._app = app
        self._observe = observe

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        started, status = time.perf_counter(), 500
        name = uuid.uuid4().hex
        scope.setdefault("state", {})["request_id"] = name

        async def noted(message: Message) -> None:
            nonlocal status
            if message["type"] == "http.response.start":
                status = message["status"]
                message["headers"] = [*message.get("headers", ()), (b"x-request-id", name.encode())]
            await send(message)

        try:
            await self._app(scope, receive, noted)
        finally:
            seconds = time.perf_counter() - started
            route = getattr(scope.get("route"), "path", "none")
            self._observe(route, scope["method"], status, seconds)
            fields = {
                "request": name,
                "route": route,
                "method": scope["method"],
                "status": status,
                "ms": round(seconds * 1000, 1),
                "client": scope["state"].get("who", ""),
            }
            log.info("request", extra={"fields": fields})
