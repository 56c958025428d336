"""The server of the web chat: its pages, the login, and the exports."""

from __future__ import annotations

import asyncio
import logging
import re
import socket
import warnings
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from typing import Any, Final, get_args

import gradio as gr
import uvicorn
from fastapi import FastAPI
from starlette.concurrency import run_in_threadpool
from starlette.requests import Request
from starlette.responses import PlainTextResponse, Response
from starlette.types import ASGIApp

from assistant.personas.library import PersonaLibrary
from assistant.service import Assistant
from assistant.store.errors import NotFoundError
from assistant.transfer.write import Form, serialise
from ui.desk import owned
from ui.gateway import Gateway
from ui.live import live
from ui.login import Login
from ui.page import ASSETS, build

LOOPBACK: Final = ("127.0.0.1", "localhost", "::1")
_LARGEST_UPLOAD: Final = "64mb"
_SESSIONS: Final = 500


def make_app(
    assistant: Assistant,
    library: PersonaLibrary,
    *,
    persona: str,
    users: bool = False,
    hosts: tuple[str, ...] | None = LOOPBACK,
) -> ASGIApp:
    """The web chat as an application. It owns the assistant: at its end, running replies are ended and stored.

    `users`: people log in, and each sees their own conversations. `hosts`: see `Gateway`.
    """

    @asynccontextmanager
    async def lifespan(app: FastAPI) -> AsyncIterator[None]:
        yield
        await assistant.close()

    app = FastAPI(lifespan=lifespan, docs_url=None, redoc_url=None, openapi_url=None)
    login = Login(assistant.store) if users else None
    options: dict[str, Any] = {}
    if login is not None:
        app.add_api_route("/login", login.page, methods=["GET"])
        app.add_api_route("/login", login.enter, methods=["POST"])
        app.add_api_route("/logout", login.leave, methods=["POST"])
        options["auth_dependency"] = lambda request: run_in_threadpool(login.user_of, request)

    def who(request: Request) -> int | None:
        return None if login is None else login.id_of(request)

    @app.get("/export/{name}")
    def export(name: str, request: Request) -> Response:
        return _export(assistant, name, who(request))

    @app.get("/live/{reply}")
    async def growing(reply: int, request: Request) -> Response:
        return await live(assistant, reply, await run_in_threadpool(who, request))

    page = build(assistant, library, persona=persona, users=users)
    # Of each Gradio keeps what its parts show, some hundred kilobytes; a page that it forgot is drawn anew.
    page.state_session_capacity = _SESSIONS
    with warnings.catch_warnings():
        # Said even where server-side rendering was not asked for.
        warnings.filterwarnings("ignore", message="SSR mode is not supported")
        gr.mount_gradio_app(
            app,
            page,
            path="/",
            theme=gr.themes.Base(
                font=["system-ui", "-apple-system", "Segoe UI", "Roboto", "sans-serif"],
                font_mono=["ui-monospace", "Menlo", "Consolas", "monospace"],
                primary_hue="emerald",
                neutral_hue="stone",
            ),
            head=_head(),
            footer_links=[],
            run_history=False,
            ssr_mode=False,
            mcp_server=False,
            pwa=False,
            enable_monitoring=False,
            show_error=False,
            max_file_size=_LARGEST_UPLOAD,
            **options,
        )
    return Gateway(app, login, hosts)


def _head() -> str:
    """Our styles and script, in the page itself. Styles given to Gradio would hold for its inner container alone."""
    styles, script = ((ASSETS / name).read_text("utf-8") for name in ("page.css", "page.js"))
    return f"<style>{styles}</style><script>{script}</script>"


def make_server(app: ASGIApp) -> uvicorn.Server:
    """The server to run the application on; setting `should_exit` ends it."""
    # Open pages keep a connection: without a limit the end would wait for people to close them.
    server = uvicorn.Server(uvicorn.Config(app, log_level="warning", access_log=False, timeout_graceful_shutdown=2))
    logging.getLogger("uvicorn.error").addFilter(_is_news)
    return server


def _is_news(record: logging.LogRecord) -> bool:
    """That open pages are cut off at the end is none: each would be told with a traceback."""
    error = record.exc_info[1] if record.exc_info else None
    return not (isinstance(error, asyncio.CancelledError) or "graceful shutdown exceeded" in record.getMessage())


async def serve(server: uvicorn.Server, listener: socket.socket, ready: Callable[[], None]) -> None:
    """Serve on `listener` until the process is told to end; `ready` is called once, when pages can be opened."""

    async def announce() -> None:
        # uvicorn tells it in no other way.
        while not server.started:  # noqa: ASYNC110
            await asyncio.sleep(0.02)
        ready()

    announcing = asyncio.create_task(announce())
    try:
        await server.serve(sockets=[listener])
    finally:
        announcing.cancel()


def _export(assistant: Assistant, name: str, user: int | None) -> Response:
    store = assistant.store
    found = re.fullmatch(r"(\d{1,18})\.(\w+)", name)
    form: Form | None = next((form for form in get_args(Form) if found and found[2] == form), None)
    missing = PlainTextResponse("There is no such conversation.", 404)
    if found is None or form is None:
        return missing
    try:
        text = serialise(store, owned(store, int(found[1]), user).id, form)
    except NotFoundError:
        return missing
    kind = "text/markdown" if form == "md" else "application/json"
    headers = {"Content-Disposition": f'attachment; filename="conversation-{name}"', "Cache-Control": "no-store"}
    return Response(text.encode(), media_type=f"{kind}; charset=utf-8", headers=headers)
