"""A web chat in a process of its own, whose engine says what it is told to.

    python -m tests.ui.scripted_site DATABASE PORT REPLY...

Each reply comes a token every 50 ms; one whose text ends in three dots does not end. Prints the page's address once it
can be opened.
"""

from __future__ import annotations

import asyncio
import socket
import sys
from pathlib import Path

from assistant.personas.library import PersonaLibrary
from assistant.service import Assistant
from assistant.store.store import Store
from tests.scripted_engine import Reply, ScriptedEngine
from ui.server import make_app, make_server, serve


def main(database: str, port: str, *replies: str) -> None:
    """Serve until the process is told to end."""
    engine = ScriptedEngine([Reply(text, delay=0.05, endless=text.endswith("...")) for text in replies])
    with Store.open(database) as store, socket.create_server(("127.0.0.1", int(port))) as listener:
        library = PersonaLibrary(Path(database).with_name("personas"))
        server = make_server(make_app(Assistant(store, engine), library, persona="professor"))
        address = f"Chat at http://127.0.0.1:{listener.getsockname()[1]}"
        asyncio.run(serve(server, listener, lambda: print(address, flush=True)))


if __name__ == "__main__":
    main(*sys.argv[1:])
