"""How much one client may ask for."""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator

import httpx
import pytest

from assistant.http.errors import ApiError
from assistant.http.limits import Limits, Rates
from tests.assistant.http.running import PATIENCE, serving
from tests.scripted_engine import Reply, ScriptedEngine

ASK = {"model": "professor", "messages": [{"role": "user", "content": "hi"}]}


def test_requests_beyond_the_rate_are_told_to_wait(db: str) -> None:
    with serving(db, ScriptedEngine(), limits=Limits(rate=3)) as running:
        answers = [running.client.get("/v1/models") for _ in range(5)]
        assert [answer.status_code for answer in answers] == [200, 200, 200, 429, 429]
        assert 0 < int(answers[-1].headers["retry-after"]) <= 20
        assert answers[-1].json()["error"]["code"] == "rate_limit_exceeded"
        assert running.client.get("/healthz").status_code == 200


def test_a_bucket_fills_again_and_is_each_clients_own(monkeypatch: pytest.MonkeyPatch) -> None:
    clock = [0.0]
    monkeypatch.setattr("assistant.http.limits.time.monotonic", lambda: clock[0])
    rates = Rates(60)
    for _ in range(60):
        rates.spend("a")
    with pytest.raises(ApiError):
        rates.spend("a")
    rates.spend("b")
    clock[0] = 2.0
    rates.spend("a")
    rates.spend("a")
    with pytest.raises(ApiError):
        rates.spend("a")


def test_large_bodies_are_refused_by_their_length_or_by_counting(db: str) -> None:
    with serving(db, ScriptedEngine(["ok"]), limits=Limits(rate=0, body=2000)) as running:
        body = {**ASK, "user": "x" * 3000}
        assert running.post("/v1/chat/completions", body).status_code == 413

        def pieces() -> Iterator[bytes]:
            for _ in range(300):
                yield b"x" * 100

        answer = running.client.post(
            "/v1/chat/completions",
            content=pieces(),
            headers={"content-type": "application/json"},
        )
        assert answer.status_code == 413
        assert answer.json()["error"]["message"].startswith("the request is larger than 2,000 bytes")
        assert running.post("/v1/chat/completions", ASK).status_code == 200


def test_requests_wait_for_a_place_and_a_full_line_is_told(db: str) -> None:
    engine = ScriptedEngine([Reply("one two three four", delay=0.1), "second"])
    with serving(db, engine, limits=Limits(rate=0, running=1, waiting=1)) as running:
        answers: list[httpx.Response] = []

        def ask() -> None:
            answers.append(running.post("/v1/chat/completions", ASK))

        def until_metric(line: str) -> None:
            deadline = time.monotonic() + PATIENCE
            while line not in running.client.get("/metrics").text:
                assert time.monotonic() < deadline, line
                time.sleep(0.01)

        threads = [threading.Thread(target=ask) for _ in range(2)]
        threads[0].start()
        until_metric("assistant_replies_running 1.0")
        threads[1].start()
        until_metric("assistant_requests_waiting 1.0")
        refused = running.post("/v1/chat/completions", ASK)
        assert refused.status_code == 503
        assert refused.json()["error"]["code"] == "overloaded"
        for thread in threads:
            thread.join(PATIENCE)
        assert sorted(answer.json()["choices"][0]["message"]["content"] for answer in answers) == [
            "one two three four",
            "second",
        ]
