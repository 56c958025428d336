"""How much one client may ask for: requests a minute, bytes a request, replies at once."""

from __future__ import annotations

import asyncio
import math
import time
from collections import OrderedDict
from dataclasses import dataclass

from starlette.requests import ClientDisconnect
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from assistant.http.errors import ApiError, unavailable

CLIENTS = 10_000


@dataclass(frozen=True, slots=True)
class Limits:
    """Of one process. A `rate` of 0 is none; `running` replies are made at once while `waiting` others wait."""

    rate: int = 600
    body: int = 1 << 20
    running: int = 64
    waiting: int = 256


class Rates:
    """Requests a minute for each client: a bucket that holds a minute's worth and fills steadily."""

    def __init__(self, rate: int) -> None:
        self._rate = rate
        self._buckets: OrderedDict[str, tuple[float, float]] = OrderedDict()

    def spend(self, who: str) -> None:
        """Count one request. Raises ApiError where the client has none left."""
        if not self._rate:
            return
        moment = time.monotonic()
        left, then = self._buckets.get(who, (float(self._rate), moment))
        left = min(float(self._rate), left + (moment - then) * self._rate / 60)
        self._buckets[who] = (left - 1 if left >= 1 else left, moment)
        self._buckets.move_to_end(who)
        while len(self._buckets) > CLIENTS:
            self._buckets.popitem(last=False)
        if left < 1:
            wait = math.ceil((1 - left) * 60 / self._rate)
            raise ApiError(
                429,
                f"more than {self._rate} requests a minute: wait {wait} s, or raise --rate-limit",
                kind="rate_limit_error",
                code="rate_limit_exceeded",
                headers={"retry-after": str(wait)},
            )


class Slots:
    """Places for replies being made. Who finds none waits in line; who finds the line full is sent away."""

    def __init__(self, running: int, waiting: int) -> None:
        self._free = asyncio.Semaphore(running)
        self._most = waiting
        self.waiting = 0

    async def take(self) -> None:
        """Wait for a place. Raises ApiError where too many wait already."""
        if self._free.locked() and self.waiting >= self._most:
            raise unavailable(
                f"{self.waiting} requests wait already: try again later, or raise --max-waiting", code="overloaded"
            )
        self.waiting += 1
        try:
            await self._free.acquire()
        finally:
            self.waiting -= 1

    def give(self) -> None:
        """Free a place."""
        self._free.release()


class BodyLimit:
    """Refuses requests with bodies that are too large, told by their length or found by counting."""

    def __init__(self, app: ASGIApp, most: int) -> None:
        self._app = app
        self._most = most

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        length = dict(scope["headers"]).get(b"content-length", b"0")
        if length.isdigit() and int(length) > self._most:
            await self._refusal().response()(scope, receive, send)
            return
        come = 0

        async def counted() -> Message:
            nonlocal come
            message = await receive()
            come += len(message.get("body", b""))
            if come > self._most:
                # The application takes this for a client that left, and its answer to that goes nowhere.
                return {"type": "http.disconnect"}
            return message

        async def unless_too_large(message: Message) -> None:
            if come <= self._most:
                await send(message)

        try:
            await self._app(scope, counted, unless_too_large)
        except ClientDisconnect:
            if come <= self._most:
                raise
        if come > self._most:
            await self._refusal().response()(scope, receive, send)

    def _refusal(self) -> ApiError:
        return ApiError(413, f"the request is larger than {self._most:,} bytes: shorten it, or raise --max-body")
