"""Keys, scopes, and what a server without keys still refuses."""

from __future__ import annotations

import socket
import time
from collections.abc import Iterator
from pathlib import Path

import httpx
import openai
import pytest

from assistant.errors import AssistantError
from assistant.http.binding import is_local, listen
from assistant.store.store import Store
from tests.assistant.http.running import PATIENCE, Running, serving
from tests.scripted_engine import ScriptedEngine

ASK = {"model": "professor", "messages": [{"role": "user", "content": "hi"}]}


@pytest.fixture
def keys(db: str) -> dict[str, str]:
    """A key of each scope, and one of all."""
    with Store.open(db) as store:
        made = {scope: store.create_key(scope, [scope])[1] for scope in ("chat", "conversations", "metrics")}
        return made | {"all": store.create_key("all")[1]}


@pytest.fixture
def locked(db: str, keys: dict[str, str]) -> Iterator[Running]:
    with serving(db, ScriptedEngine(["Hello."] * 9)) as running:
        yield running


def bearer(key: str) -> dict[str, str]:
    return {"authorization": f"Bearer {key}"}


def test_with_keys_every_request_needs_one(locked: Running, keys: dict[str, str]) -> None:
    for method, path in (("POST", "/v1/chat/completions"), ("GET", "/api/conversations"), ("GET", "/metrics")):
        for headers in ({}, bearer("sk-steadfast-guess"), {"authorization": "Basic eDp5"}):
            refused = locked.client.request(method, path, headers=headers, json=ASK if method == "POST" else None)
            assert refused.status_code == 401
            assert refused.json()["error"]["type"] == "authentication_error"
            assert refused.headers["www-authenticate"] == "Bearer"
    with openai.OpenAI(base_url=f"{locked.url}/v1", api_key=keys["all"], max_retries=0) as client:
        assert client.models.retrieve("pirate").id == "pirate"
    wrong = openai.OpenAI(base_url=f"{locked.url}/v1", api_key="wrong", max_retries=0)
    with wrong, pytest.raises(openai.AuthenticationError, match="unknown or was revoked"):
        wrong.models.list()
    assert locked.client.get("/healthz").status_code == 200
    assert locked.client.get("/readyz").status_code == 200


def test_a_key_opens_what_its_scopes_say(locked: Running, keys: dict[str, str]) -> None:
    paths = {"chat": "/v1/models", "conversations": "/api/conversations", "metrics": "/metrics"}
    for key in paths:
        for scope, path in paths.items():
            answer = locked.client.get(path, headers=bearer(keys[key]))
            assert answer.status_code == (200 if key == scope else 403)
    assert locked.client.get("/metrics", headers=bearer(keys["chat"])).json()["error"]["code"] == "insufficient_scope"


def test_a_key_for_chat_alone_goes_on_with_no_stored_conversation(locked: Running, keys: dict[str, str]) -> None:
    def ask(key: str, conversation: int | str | None) -> httpx.Response:
        body = {**ASK, "conversation": conversation}
        return locked.post("/v1/chat/completions", body, headers=bearer(keys[key]))

    assert ask("chat", None).status_code == 200
    begun = ask("chat", "new")
    assert begun.status_code == 200
    number = begun.json()["conversation"]
    # Nor does it learn which there are.
    for conversation in (number, 99):
        refused = ask("chat", conversation)
        assert refused.status_code == 403
        assert refused.json()["error"]["code"] == "insufficient_scope"
        assert "--scope chat --scope conversations" in refused.json()["error"]["message"]
    assert len(locked.store.all_messages(number)) == 2
    assert ask("conversations", number).status_code == 403
    assert ask("all", number).status_code == 200


def test_a_revoked_key_opens_nothing_soon(locked: Running, keys: dict[str, str]) -> None:
    assert locked.client.get("/v1/models", headers=bearer(keys["chat"])).status_code == 200
    locked.store.revoke_key(1)
    deadline = time.monotonic() + PATIENCE
    while locked.client.get("/v1/models", headers=bearer(keys["chat"])).status_code != 401:
        assert time.monotonic() < deadline
        time.sleep(0.1)
    for key in locked.store.api_keys():
        if key.revoked_at is None:
            locked.store.revoke_key(key.id)
    time.sleep(2.1)
    assert locked.client.get("/v1/models").status_code == 401, "revoking the last key must not open the server"


def test_the_first_key_locks_a_running_server(running: Running) -> None:
    assert running.client.get("/v1/models").status_code == 200
    running.store.create_key("first")
    deadline = time.monotonic() + PATIENCE
    while running.client.get("/v1/models").status_code != 401:
        assert time.monotonic() < deadline
        time.sleep(0.1)


def test_no_key_is_kept_in_clear(db: str, keys: dict[str, str]) -> None:
    with Store.open(db) as store:
        found = store.api_keys()
    stored = b"".join(path.read_bytes() for path in Path(db).parent.glob("chats.db*"))
    for key in keys.values():
        assert key.encode() not in stored
        assert key[20:].encode() not in stored
        assert any(key.startswith(kept.hint) and len(kept.hint) < 20 for kept in found)


def test_web_pages_of_other_sites_get_nothing_from_an_open_server(running: Running) -> None:
    for headers in ({"origin": "https://evil.example"}, {"host": "evil.example"}):
        assert running.client.get("/api/conversations", headers=headers).status_code == 403
    asked = httpx.post(
        f"{running.url}/v1/chat/completions", content='{"model": "professor"}', headers={"content-type": "text/plain"}
    )
    assert asked.status_code == 400
    preflight = running.client.options(
        "/v1/models", headers={"origin": "https://a.example", "access-control-request-method": "GET"}
    )
    assert "access-control-allow-origin" not in preflight.headers


def test_web_pages_that_are_allowed_may_ask(db: str) -> None:
    page = "https://chat.example"
    with serving(db, ScriptedEngine(), origins=(page,)) as running:
        answer = running.client.get("/v1/models", headers={"origin": page})
        assert (answer.status_code, answer.headers["access-control-allow-origin"]) == (200, page)
        other = running.client.get("/v1/models", headers={"origin": "https://evil.example"})
        assert other.status_code == 403
        assert "access-control-allow-origin" not in other.headers


def test_a_public_address_needs_a_key(db: str) -> None:
    with Store.open(db) as store:
        with pytest.raises(AssistantError, match="assistant keys create"):
            listen("0.0.0.0", 0, store)
        made, _ = store.create_key("one")
        listen("0.0.0.0", 0, store).close()
        store.revoke_key(made.id)
        with pytest.raises(AssistantError, match="no API key"):
            listen("0.0.0.0", 0, store)


@pytest.mark.parametrize(
    ("host", "local"),
    [
        *((host, True) for host in ("127.0.0.1", "localhost", "::1", "127.9.9.9")),
        *((host, False) for host in ("0.0.0.0", "::", "192.168.1.5", "example.org")),
    ],
)
def test_which_addresses_are_this_machines_alone(host: str, local: bool) -> None:
    assert is_local(host) == local


def test_a_taken_port_is_told_before_anything_is_loaded(db: str) -> None:
    with Store.open(db) as store, socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        with pytest.raises(AssistantError, match="is taken"):
            listen("127.0.0.1", taken.getsockname()[1], store)
