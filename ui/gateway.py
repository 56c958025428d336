"""What every request passes: is it from our own page, is somebody logged in, and what the browser is told to allow."""

from __future__ import annotations

from typing import Final
from urllib.parse import urlsplit

from starlette.concurrency import run_in_threadpool
from starlette.datastructures import MutableHeaders
from starlette.requests import Request
from starlette.responses import PlainTextResponse, RedirectResponse, Response
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from ui.login import Login

# The page gets nothing from elsewhere and sends nothing elsewhere, whatever a message makes it show. Gradio needs
# scripts and styles in the page itself, and functions made of text.
POLICY: Final = (
    "default-src 'self'; script-src 'self' 'unsafe-inline' 'unsafe-eval' blob:; style-src 'self' 'unsafe-inline'; "
    "img-src 'self' data: blob:; font-src 'self' data:; media-src 'self' blob:; worker-src 'self' blob:; "
    "connect-src 'self'; object-src 'none'; base-uri 'self'; form-action 'self'; frame-ancestors 'none'"
)
_OPEN_PATHS: Final = ("/login", "/theme.css", "/assets/", "/static/", "/favicon.ico")


class Gateway:
    """Stands before the whole application. Streams pass through it unheld."""

    def __init__(self, app: ASGIApp, login: Login | None, hosts: tuple[str, ...] | None) -> None:
        """Without `login` nobody has to log in. `hosts` are the names the server answers to, None for any."""
        self._app = app
        self._login = login
        self._hosts = hosts

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """One request."""
        if scope["type"] != "http":
            if scope["type"] == "lifespan":
                await self._app(scope, receive, send)
            return
        request = Request(scope)
        refusal = await self._refusal(request)
        if refusal is not None:
            await refusal(scope, receive, send)
            return

        async def sending(message: Message) -> None:
            if message["type"] == "http.response.start":
                headers = MutableHeaders(scope=message)
                headers["Content-Security-Policy"] = POLICY
                headers["X-Content-Type-Options"] = "nosniff"
                # Not "no-referrer": forms would then not say which page they come from.
                headers["Referrer-Policy"] = "same-origin"
            await send(message)

        await self._app(scope, receive, sending)

    async def _refusal(self, request: Request) -> Response | None:
        # Another site may point a name of its own at this machine, and its page then reach what only we should.
        if self._hosts is not None and request.url.hostname not in self._hosts:
            return PlainTextResponse("This server does not answer to that name.", 421)
        origin = request.headers.get("origin")
        if origin is not None and urlsplit(origin).netloc != request.headers.get("host"):
            return PlainTextResponse("This request comes from another page.", 403)
        if self._login is None or request.url.path.startswith(_OPEN_PATHS):
            return None
        if await run_in_threadpool(self._login.user_of, request) is not None:
            return None
        if "text/html" in request.headers.get("accept", ""):
            return RedirectResponse("/login", 303)
        return PlainTextResponse("Log in first.", 401)
