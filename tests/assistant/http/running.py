"""A real server on a free port, for tests: the application on a scripted engine, in a thread with its own loop."""

from __future__ import annotations

import json
import threading
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx

from assistant.engines.protocol import Engine
from assistant.http.app import create_app
from assistant.http.binding import address, listen
from assistant.http.limits import Limits
from assistant.http.server import Server
from assistant.personas.library import PersonaLibrary
from assistant.service import Assistant
from assistant.store.store import Store
from guardrails.guard import Guard

PATIENCE = 60.0


@dataclass(frozen=True, slots=True)
class Running:
    """A server, and a client for it."""

    url: str
    store: Store
    service: Assistant
    client: httpx.Client
    server: Server
    thread: threading.Thread

    def post(self, path: str, body: dict[str, Any], **more: Any) -> httpx.Response:
        return self.client.post(path, json=body, **more)

    def stop(self) -> None:
        """As SIGTERM does."""
        self.server.should_exit = True
        self.thread.join(PATIENCE)
        assert not self.thread.is_alive(), "the server did not end"


@contextmanager
def serving(
    db: str,
    engine: Engine,
    *,
    guard: Guard | None = None,
    limits: Limits | None = None,
    origins: tuple[str, ...] = (),
    grace: float = 5.0,
    personas: Path | None = None,
    key: str | None = None,
    adapters: Sequence[Engine] = (),
) -> Iterator[Running]:
    """`assistant serve` without its command line. `key` is sent with every request of the client."""
    with Store.open(db) as store, listen("127.0.0.1", 0, store) as listening:
        assistants = [Assistant(store, one, guard) for one in (engine, *adapters)]
        library = PersonaLibrary(personas)
        app = create_app(assistants, library, persona="professor", limits=limits or Limits(rate=0), origins=origins)
        server = Server(app, grace=grace)
        thread = threading.Thread(target=server.run, kwargs={"sockets": [listening]}, daemon=True)
        thread.start()
        headers = {"authorization": f"Bearer {key}"} if key else {}
        url = address(listening)
        with httpx.Client(base_url=url, headers=headers, timeout=PATIENCE) as client:
            running = Running(url, store, assistants[0], client, server, thread)
            try:
                yield running
            finally:
                if thread.is_alive():
                    running.stop()


@dataclass(frozen=True, slots=True)
class Sent:
    """A server-sent event."""

    id: int | None
    event: str
    data: dict[str, Any]


def events_of(response: httpx.Response) -> Iterator[Sent]:
    """The events of a stream as they come."""
    held: dict[str, str] = {}
    for line in response.iter_lines():
        if line:
            name, _, value = line.partition(": ")
            held[name] = value
        elif "data" in held:
            number = held.get("id")
            yield Sent(int(number) if number else None, held.get("event", "message"), json.loads(held["data"]))
            held = {}


def said(events: Iterable[Sent]) -> str:
    """What a client shows that follows these events."""
    text = ""
    for sent in events:
        if sent.event == "text":
            text += sent.data["text"]
        elif sent.event in ("snapshot", "blocked"):
            text = sent.data["text"]
        elif sent.event == "retracted":
            text = ""
    return text
