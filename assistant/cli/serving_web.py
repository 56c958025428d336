"""Runs the web chat on what `preparing` found."""

from __future__ import annotations

import asyncio
import importlib.util
import socket
import sys
import webbrowser
from contextlib import suppress

from assistant.cli.demonstration import demo_line
from assistant.cli.opening import open_guard
from assistant.cli.preparing import Wanted, prepare
from assistant.engines import catalog
from assistant.errors import AssistantError
from assistant.http.binding import is_local, open_socket
from assistant.service import Assistant

# What the extra `ui` brings, as it is imported.
_PACKAGES = ("gradio", "latex2mathml", "markdown_it", "mdit_py_plugins", "pygments")
INSTALL = "pip install 'steadfast[ui]'"


def missing_packages() -> list[str]:
    """What the page needs and is not installed."""
    return [name for name in _PACKAGES if importlib.util.find_spec(name) is None]


def run_web(wanted: Wanted, host: str, port: int, browser: bool) -> None:
    """Serve the page until Ctrl-C.

    Raises:
        AssistantError: packages are missing, the address cannot be used or would be open to strangers, or what a chat
            needs is not there.
    """
    missing = missing_packages()
    if missing:
        raise AssistantError(f"the web page needs {', '.join(missing)}: {INSTALL}")
    with prepare(wanted) as prepared:
        users = bool(prepared.store.users())
        if not users and not is_local(host):
            raise AssistantError(
                f"whoever reaches {host} could read and write every conversation: add people first with "
                "`assistant users add NAME`, or leave --host out"
            )
        with open_socket(host, port) as listener:
            print("Loading the model", file=sys.stderr)
            opened = prepared.load_model()
            guard = open_guard(prepared.policy, prepared.settings)
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


def _address(host: str, listener: socket.socket) -> str:
    shown = "localhost" if host in ("0.0.0.0", "::") else f"[{host}]" if ":" in host else host
    return f"http://{shown}:{listener.getsockname()[1]}"
