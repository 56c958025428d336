"""Probes, metrics and the log."""

from __future__ import annotations

import json
import logging
import time

import pytest

from assistant.http.logs import JsonLines
from tests.assistant.http.judges import word_guard
from tests.assistant.http.running import PATIENCE, Running, serving
from tests.scripted_engine import Reply, ScriptedEngine

SECRET = "xylophone"


def ask(running: Running, text: str = "hi") -> None:
    running.post("/v1/chat/completions", {"model": "pirate", "messages": [{"role": "user", "content": text}]})


def metric(running: Running, line: str) -> float:
    """A metric's value once it is there."""
    deadline = time.monotonic() + PATIENCE
    while True:
        for found in running.client.get("/metrics").text.splitlines():
            if found.startswith(f"{line} "):
                return float(found.rpartition(" ")[2])
        assert time.monotonic() < deadline, line
        time.sleep(0.02)


def test_metrics_count_replies_tokens_verdicts_and_requests(db: str) -> None:
    # A reply that takes no millisecond has no tokens a second.
    engine = ScriptedEngine([Reply("one two three", delay=0.01), "a bomb", Reply("x", fail_after=0)])
    with serving(db, engine, guard=word_guard()) as running:
        for _ in range(3):
            ask(running)
        assert metric(running, 'assistant_replies_total{status="complete"}') == 1
        assert metric(running, 'assistant_replies_total{status="blocked"}') == 1
        assert metric(running, 'assistant_replies_total{status="failed"}') == 1
        assert metric(running, 'assistant_tokens_total{kind="prompt"}') > 0
        assert metric(running, 'assistant_tokens_total{kind="completion"}') > 0
        assert metric(running, 'assistant_verdicts_total{decision="block",judge="words",stage="final"}') == 1
        assert metric(running, "assistant_time_to_first_token_seconds_count") == 2
        assert metric(running, "assistant_window_use_ratio_count") == 2
        assert metric(running, "assistant_tokens_per_second_count") >= 1
        assert metric(running, "assistant_replies_running") == 0
        labels = '{method="POST",route="/v1/chat/completions",status="200"}'
        assert metric(running, f"assistant_request_seconds_count{labels}") == 2


def test_the_log_says_what_happened_and_nothing_that_was_said(db: str, caplog: pytest.LogCaptureFixture) -> None:
    engine = ScriptedEngine([f"The {SECRET} is loud.", Reply(f"{SECRET} again", fail_after=2)])
    with caplog.at_level(logging.INFO, "assistant.http"), serving(db, engine) as running:
        ask(running, f"What is a {SECRET}?")
        ask(running, f"What is a {SECRET}?")
        running.client.get(f"/api/search?q={SECRET}")
        running.client.get(f"/v1/models/{SECRET}")
        running.client.get(f"/nowhere/{SECRET}")
    lines = [JsonLines().format(record) for record in caplog.records if record.name == "assistant.http"]
    events = [json.loads(line) for line in lines]
    assert SECRET not in "".join(lines)
    requests = [event for event in events if event["event"] == "request"]
    assert {(one["route"], one["status"]) for one in requests} >= {
        ("/v1/chat/completions", 200),
        ("/v1/chat/completions", 503),
        ("/v1/models/{model:path}", 404),
        ("none", 404),
    }
    replies = {event["status"]: event for event in events if event["event"] == "reply"}
    assert replies["complete"]["completion_tokens"] > 0
    assert {replies["complete"]["request"]} <= {one["request"] for one in requests}
    assert replies["failed"]["level"] == "warning"


def test_an_error_is_logged_with_its_place_and_without_its_words() -> None:
    try:
        raise ValueError(SECRET)
    except ValueError:
        record = logging.getLogger("x").makeRecord(
            "x", logging.ERROR, "f", 1, "failed", (), __import__("sys").exc_info()
        )
    line = JsonLines().format(record)
    assert SECRET not in line
    assert json.loads(line)["error"] == "ValueError"
    assert "test_watching.py" in line


def test_readiness_needs_the_database(running: Running, monkeypatch: pytest.MonkeyPatch) -> None:
    assert running.client.get("/readyz").json() == {"status": "ok"}
    from assistant.store.errors import UnreachableError

    def down() -> bool:
        raise UnreachableError("the server does not answer")

    monkeypatch.setattr(running.service.store, "has_keys", down)
    assert running.client.get("/readyz").status_code == 503
    assert running.client.get("/healthz").status_code == 200


def test_every_answer_has_a_request_id(running: Running) -> None:
    ids = {running.client.get(path).headers["x-request-id"] for path in ("/healthz", "/v1/models", "/nowhere")}
    assert len(ids) == 3


@pytest.mark.parametrize(("method", "path", "status"), [("GET", "/nowhere", 404), ("GET", "/v1/chat/completions", 405)])
def test_what_is_not_there_is_an_error_of_the_same_form(running: Running, method: str, path: str, status: int) -> None:
    answer = running.client.request(method, path)
    assert answer.status_code == status
    assert answer.json()["error"]["type"] == "invalid_request_error"
