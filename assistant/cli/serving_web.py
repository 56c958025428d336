"""Runs the web chat on what `preparing` found."""

from __future__ import annotations

import asyncio
import importlib.util
import ipaddress
import socket
import sys
import webbrowser
from contextlib import suppress

from assistant.cli.demonstration import demo_line
from assistant.cli.preparing import Wanted, prepare
from assistant.engines import catalog
from assistant.errors import AssistantError
from assistant.service import Assistant
from assistant.terminal.home import typed_path
from guardrails.guard import build


def run_web(wanted: Wanted, host: str, port: int, browser: bool) -> None:
    """Serve the page until Ctrl-C.

    Raises:
        AssistantError: Gradio is missing, the address cannot be used or would be open to strangers, or what a chat
            needs is not there.
    """
    if importlib.util.find_spec("gradio") is None:
        raise AssistantError("the web page needs Gradio: pip install 'steadfast[ui]'")
    with prepare(wanted) as prepared:
        users = bool(prepared.store.users())
        if not users and not is_loopback(host):
            raise AssistantError(
                f"whoever reaches {host} could read and write every conversation: add people first with "
                "`assistant users add NAME`, or leave --host out"
            )
        with listen(host, port) as listener:
            print("Loading the model", file=sys.stderr)
            opened = prepared.load_model()
            settings = prepared.settings
            guard = build(prepared.policy, audit=typed_path(str(settings.audit)), texts=settings.audit_texts)
            from ui.server import LOOPBACK, make_app, make_server, serve

            assistant = Assistant(prepared.store, opened.engine, guard)
            # Whoever logs in is known; without that, only the name tells our own page from a stranger.
            hosts = None if users else LOOPBACK
            app = make_app(assistant, prepared.library, persona=prepared.persona.name, users=users, hosts=hosts)
            address = _address(host, listener)

            def ready() -> None:
                if opened.is_demo:
                    print(demo_line(catalog.BUNDLED_FOLDER), file=sys.stderr)
                print(f"Chat at {address} (Ctrl-C ends it)", flush=True)
                if browser:
                    webbrowser.open(address)

            with suppress(KeyboardInterrupt):
                asyncio.run(serve(make_server(app), listener, ready))


def is_loopback(host: str) -> bool:
    """Whether only this machine reaches the address."""
    if host == "localhost":
        return True
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False


def listen(host: str, port: int) -> socket.socket:
    """A listening socket; raises AssistantError where there can be none."""
    try:
        family = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE)[0][0]
        return socket.create_server((host, port), family=family, reuse_port=False)
    except OSError as error:
        why = error.strerror or str(error)
        raise AssistantError(f"cannot listen on {host}:{port} ({why}): choose another --port or --host") from None


def _address(host: str, listener: socket.socket) -> str:
    shown = "localhost" if host in ("0.0.0.0", "::") else f"[{host}]" if ":" in host else host
    return f"http://{shown}:{listener.getsockname()[1]}"
