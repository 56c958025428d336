"""A small OpenAI-compatible server over real sockets that misbehaves as it is told to.

    with MisbehavingServer() as server:
        server.then(says("Hello", " there."), refuses(429, headers={"Retry-After": "0"}), breaks_off("Hel"))

Each POST takes the next action; `server.requests` keeps path, headers and body of every request, and of each POST the
port that it came from.
"""

from __future__ import annotations

import json
import threading
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any, Self


@dataclass(frozen=True, slots=True)
class Asked:
    path: str
    headers: dict[str, str]
    body: dict[str, Any]
    port: int = 0


Action = Callable[["Handler", dict[str, Any]], None]


class Handler(BaseHTTPRequestHandler):
    """One request. `stream` begins a streamed answer, `send` sends one event of it."""

    protocol_version = "HTTP/1.1"
    server: Any

    def log_message(self, *_: object) -> None:
        pass

    def do_GET(self) -> None:
        self.owner.requests.append(Asked(self.path, dict(self.headers), {}))
        if self.owner.key and self.headers.get("Authorization") != f"Bearer {self.owner.key}":
            self.answer(401, json.dumps({"error": {"message": "Incorrect API key provided"}}))
        elif self.path == "/v1/models":
            self.answer(200, json.dumps({"object": "list", "data": self.owner.models}))
        else:
            self.answer(404, "<html>not found</html>", kind="text/html")

    def do_POST(self) -> None:
        body = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
        self.owner.requests.append(Asked(self.path, dict(self.headers), body, self.client_address[1]))
        if self.path not in ("/v1/chat/completions", "/v1/completions"):
            self.answer(404, "{}")
            return
        self.owner.actions.popleft()(self, body)

    @property
    def owner(self) -> MisbehavingServer:
        owner: MisbehavingServer = self.server.owner
        return owner

    def answer(
        self, status: int, text: str, *, kind: str = "application/json", headers: dict[str, str] | None = None
    ) -> None:
        data = text.encode()
        self.send_response(status)
        for name, value in {"Content-Type": kind, "Content-Length": str(len(data)), **(headers or {})}.items():
            self.send_header(name, value)
        self.end_headers()
        self.wfile.write(data)

    def stream(self) -> None:
        self.send_response(200)
        self.send_header("Content-Type", "text/event-stream; charset=utf-8")
        self.send_header("Transfer-Encoding", "chunked")
        self.end_headers()

    def send(self, event: str | dict[str, Any]) -> None:
        data = f"data: {event if isinstance(event, str) else json.dumps(event)}\n\n".encode()
        self.wfile.write(f"{len(data):x}\r\n".encode() + data + b"\r\n")
        self.wfile.flush()

    def end(self) -> None:
        self.wfile.write(b"0\r\n\r\n")

    def hang_up(self) -> None:
        """Close the connection in the middle of whatever is being sent."""
        self.close_connection = True
        self.connection.close()


class Http(ThreadingHTTPServer):
    daemon_threads = True

    def handle_error(self, *_: object) -> None:
        """Connections that were cut on purpose are no errors to print."""


@dataclass
class MisbehavingServer:
    models: list[dict[str, Any]] = field(default_factory=lambda: [{"id": "small", "object": "model"}])
    key: str | None = None
    actions: deque[Action] = field(default_factory=deque)
    requests: list[Asked] = field(default_factory=list)

    def then(self, *actions: Action) -> None:
        self.actions.extend(actions)

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self._http.server_address[1]}/v1"

    @property
    def posts(self) -> list[Asked]:
        return [asked for asked in self.requests if asked.body]

    def __enter__(self) -> Self:
        self._http = Http(("127.0.0.1", 0), Handler)
        self._http.owner = self  # type: ignore[attr-defined]
        self._thread = threading.Thread(target=self._http.serve_forever, args=(0.05,), daemon=True)
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._http.shutdown()
        self._http.server_close()
        self._thread.join()


def chunk(text: str, finish: str | None = None) -> dict[str, Any]:
    return {
        "object": "chat.completion.chunk",
        "choices": [{"index": 0, "delta": {"content": text}, "finish_reason": finish}],
    }


def says(*pieces: str, finish: str = "stop", cached: int = 0) -> Action:
    """A whole reply, as real servers send it: a role first, and the usage after the end."""

    def act(handler: Handler, body: dict[str, Any]) -> None:
        handler.stream()
        handler.send({"choices": [{"index": 0, "delta": {"role": "assistant", "content": ""}, "finish_reason": None}]})
        for piece in pieces:
            handler.send(chunk(piece))
        handler.send({"choices": [{"index": 0, "delta": {}, "finish_reason": finish}]})
        handler.send({"choices": [], "usage": {"prompt_tokens_details": {"cached_tokens": cached}}})
        handler.send("[DONE]")
        handler.end()

    return act


def refuses(
    status: int,
    text: str = '{"error": {"message": "no"}}',
    *,
    headers: dict[str, str] | None = None,
    kind: str = "application/json",
) -> Action:
    return lambda handler, body: handler.answer(status, text, kind=kind, headers=headers)


def hangs_up() -> Action:
    """No answer at all."""
    return lambda handler, body: handler.hang_up()


def breaks_off(*pieces: str) -> Action:
    """The connection is lost after these pieces."""

    def act(handler: Handler, body: dict[str, Any]) -> None:
        handler.stream()
        for piece in pieces:
            handler.send(chunk(piece))
        handler.hang_up()

    return act


def sends(*events: str | dict[str, Any]) -> Action:
    """These events, and a proper end of the stream."""

    def act(handler: Handler, body: dict[str, Any]) -> None:
        handler.stream()
        for event in events:
            handler.send(event)
        handler.end()

    return act


def stalls(*pieces: str, until: threading.Event) -> Action:
    """Sends pieces, then nothing until the event is set."""

    def act(handler: Handler, body: dict[str, Any]) -> None:
        handler.stream()
        for piece in pieces:
            handler.send(chunk(piece))
        until.wait(30)
        handler.hang_up()

    return act
