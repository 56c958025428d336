"""`assistant serve` and `assistant keys` as a person runs them, on the bundled model."""

from __future__ import annotations

import json
import os
import re
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import openai
import pytest

from assistant.store.store import Store
from tests.assistant.cli.conftest import Run

PATIENCE = 120.0


@contextmanager
def process(db: Path, *arguments: str) -> Iterator[tuple[subprocess.Popen[str], str]]:
    """A server in a process of its own, and its URL; it is told to end at the end."""
    environment = {**os.environ, "ASSISTANT_DB": str(db), "ASSISTANT_PORT": "0"}
    command = [str(Path(sys.executable).parent / "assistant"), "serve", *arguments]
    started = subprocess.Popen(command, env=environment, stderr=subprocess.PIPE, text=True)
    assert started.stderr is not None
    try:
        line = started.stderr.readline()
        found = re.match(r"http://127\.0\.0\.1:\d+", line)
        assert found, line
        yield started, found[0]
    finally:
        started.kill()
        started.wait()
        started.stderr.close()


def test_a_server_answers_and_ends_when_it_is_told_to(db: Path) -> None:
    with process(db, "--guard", "strict") as (server, url):
        with openai.OpenAI(base_url=f"{url}/v1", api_key="none", timeout=PATIENCE) as client:
            stream = client.chat.completions.create(
                model="professor",
                messages=[{"role": "user", "content": "Hello, who are you?"}],
                temperature=0,
                stream=True,
                store=True,
            )
            text = "".join(chunk.choices[0].delta.content or "" for chunk in stream)
        assert len(text.split()) > 2
        server.send_signal(signal.SIGTERM)
        assert server.wait(PATIENCE) == 0
        assert server.stderr is not None
        lines = [json.loads(line) for line in server.stderr]
    assert {line["event"] for line in lines} >= {"request", "reply"}
    assert text not in json.dumps(lines)
    with Store.open(str(db)) as store:
        assert [(m.content, m.status) for m in store.all_messages(1)][1] == (text, "complete")
        assert store.verdicts(2)


def test_a_killed_server_loses_no_message(db: Path) -> None:
    with (
        process(db) as (server, url),
        openai.OpenAI(base_url=f"{url}/v1", api_key="none", timeout=PATIENCE, max_retries=0) as client,
    ):
        stream = client.chat.completions.create(
            model="professor", messages=[{"role": "user", "content": "Tell me a story."}], stream=True, store=True
        )
        next(iter(stream))
        server.kill()
        server.wait()
        stream.close()
    with Store.open(str(db)) as store:
        asked, reply = store.all_messages(1)
    assert asked.content == "Tell me a story."
    assert reply.status in ("interrupted", "complete")


def test_keys_are_made_listed_and_revoked(run: Run, store: Store) -> None:
    made = run("keys", "create", "laptop", "--scope", "chat", "--scope", "metrics")
    key = made.stdout.strip()
    assert key.startswith("sk-steadfast-")
    assert "not shown again" in made.stderr
    found = store.find_key(key)
    assert found is not None
    assert (found.name, found.scopes) == ("laptop", ("chat", "metrics"))
    listed = run("keys", "list").stdout
    assert "laptop" in listed
    assert "in use" in listed
    assert key not in listed
    assert run("keys", "revoke", "1").exit_code == 0
    assert store.find_key(key) is None
    assert "revoked" in run("keys", "list").stdout
    assert json.loads(run("keys", "list", "--json").stdout)[0]["name"] == "laptop"
    assert "no key 1 in use" in run("keys", "revoke", "1").stderr
    assert "some of chat, conversations, metrics" in run("keys", "create", "x", "--scope", "all").stderr


@pytest.mark.parametrize(
    ("arguments", "told"),
    [
        (("--host", "0.0.0.0"), "assistant keys create"),
        (("--host", "no.such.host.invalid"), "assistant keys create"),
        (("--persona", "profesor"), "did you mean 'professor'"),
        (("--guard", "lax"), "there is no policy 'lax'"),
        (("--model", "nothing"), "there is no model 'nothing'"),
    ],
)
def test_what_cannot_be_served_is_told_in_a_line(run: Run, arguments: tuple[str, ...], told: str) -> None:
    result = run("serve", "--port", "0", *arguments)
    assert result.exit_code == 1
    assert told in result.stderr
    assert result.stderr.count("\n") == 1
