"""Who is logged in: a cookie that only this server can make, and that a new password makes worthless."""

from __future__ import annotations

import asyncio
import hashlib
import hmac
import time
from collections import OrderedDict
from typing import Final
from urllib.parse import parse_qs

from starlette.concurrency import run_in_threadpool
from starlette.requests import Request
from starlette.responses import HTMLResponse, RedirectResponse, Response

from assistant.store.errors import NotFoundError
from assistant.store.store import Store
from ui.render import render

COOKIE: Final = "steadfast_session"
SECONDS: Final = 30 * 24 * 3600
# So many wrong passwords for one name, and the next has to wait: a guess costs time, a slip of the finger none.
TRIES: Final = 5
WAIT_SECONDS: Final = 30.0
_NAMES: Final = 10_000
_LARGEST: Final = 10_000


class Login:
    """Checks passwords and sessions."""

    def __init__(self, store: Store) -> None:
        self._store = store
        # Wrong passwords since the last right one, and when the last was given.
        self._wrong: OrderedDict[str, tuple[int, float]] = OrderedDict()
        # A password takes memory and time to look at, which strangers could take from everybody else.
        self._looking = asyncio.Semaphore(2)

    def user_of(self, request: Request) -> str | None:
        """The name of whoever sends the request, None where nobody is logged in."""
        name, _, rest = request.cookies.get(COOKIE, "").partition("|")
        until, _, signature = rest.partition("|")
        if not until.isdecimal() or int(until) < time.time():
            return None
        try:
            expected = self._sign(name, until)
        except NotFoundError:
            return None
        return name if hmac.compare_digest(signature.encode(), expected.encode()) else None

    def id_of(self, request: Request) -> int:
        """The number of whoever sends the request. Raises NotFoundError where nobody is logged in."""
        return self._store.user(self.user_of(request) or "").id

    async def page(self, request: Request) -> Response:
        """The page that asks for name and password."""
        return _asking("")

    async def enter(self, request: Request) -> Response:
        """Name and password were given."""
        given = parse_qs((await _body(request)).decode(errors="replace"))
        name = given.get("name", [""])[0].strip().lower()
        if self._must_wait(name):
            return _asking("Too many wrong passwords: wait half a minute, then try again.", 429)
        # Counted before it is looked at: of many tries at once the first few count, too.
        self._note_wrong(name)
        async with self._looking:
            knows = await run_in_threadpool(self._store.knows, name, given.get("password", [""])[0])
        if not knows:
            return _asking("That name and password do not belong together.", 401)
        self._wrong.pop(name, None)
        until = str(int(time.time()) + SECONDS)
        response = RedirectResponse("./", 303)
        response.set_cookie(
            COOKIE,
            f"{name}|{until}|{self._sign(name, until)}",
            max_age=SECONDS,
            httponly=True,
            samesite="lax",
            secure=request.url.scheme == "https",
        )
        return response

    async def leave(self, request: Request) -> Response:
        """Log out in this browser."""
        response = RedirectResponse("login", 303)
        response.delete_cookie(COOKIE)
        return response

    def _sign(self, name: str, until: str) -> str:
        key = self._store.password_digest(name)
        return hmac.new(key, f"{name}|{until}".encode(), hashlib.sha256).hexdigest()

    def _must_wait(self, name: str) -> bool:
        count, last = self._wrong.get(name, (0, 0.0))
        return count >= TRIES and time.monotonic() - last < WAIT_SECONDS

    def _note_wrong(self, name: str) -> None:
        count, _ = self._wrong.pop(name, (0, 0.0))
        self._wrong[name] = (count + 1, time.monotonic())
        if len(self._wrong) > _NAMES:
            self._wrong.popitem(last=False)


async def _body(request: Request) -> bytes:
    """What was sent, nothing if it is too long to be a name and a password."""
    body = b""
    async for part in request.stream():
        body += part
        if len(body) > _LARGEST:
            return b""
    return body


def _asking(problem: str, status: int = 200) -> Response:
    return HTMLResponse(render("login", problem=problem), status)
