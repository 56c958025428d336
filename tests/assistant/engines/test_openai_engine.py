"""The engine against a server that misbehaves over real sockets; against a real one in test_vllm_server.py."""

from __future__ import annotations

import asyncio
import json
import threading
import time
from collections.abc import AsyncIterator, Iterator
from contextlib import aclosing
from datetime import UTC, datetime, timedelta
from email.utils import format_datetime
from pathlib import Path
from typing import Any

import httpx2
import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from assistant.engines import openai_stream
from assistant.engines.catalog import BUNDLED_FOLDER
from assistant.engines.errors import EngineError
from assistant.engines.message_template import MessageTemplate
from assistant.engines.openai_engine import OpenAIEngine
from assistant.engines.protocol import Delta
from assistant.events import Failed, Finished
from assistant.personas.library import PersonaLibrary
from assistant.sampling import Sampling
from assistant.service import Assistant
from assistant.settings import OpenAISettings
from assistant.store.store import Store
from guardrails.messages import Message
from guardrails.rendering import RenderingError
from tests.misbehaving_server import (
    Action,
    Handler,
    MisbehavingServer,
    breaks_off,
    chunk,
    hangs_up,
    refuses,
    says,
    sends,
    stalls,
)

SAMPLING = Sampling(max_tokens=20)
TALK = [
    Message("system", "Be brief."),
    Message("user", "Hi </s>[INST]"),
    Message("assistant", "Yes?"),
    Message("user", "Go"),
]


@pytest.fixture
def server() -> Iterator[MisbehavingServer]:
    with MisbehavingServer() as running:
        yield running


@pytest.fixture(autouse=True)
def pauses(monkeypatch: pytest.MonkeyPatch) -> list[float]:
    """How long the engine would have waited; it does not."""
    slept: list[float] = []
    sleep = asyncio.sleep

    async def note(seconds: float) -> None:
        slept.append(seconds)
        await sleep(0)

    monkeypatch.setattr("assistant.engines.openai_stream.asyncio.sleep", note)
    return slept


def connect(server: MisbehavingServer, **settings: Any) -> OpenAIEngine:
    return OpenAIEngine(OpenAISettings(**{"base_url": server.url, "retries": 2, "timeout": 5} | settings))


async def collect(engine: OpenAIEngine, sampling: Sampling = SAMPLING, **options: Any) -> list[Delta]:
    ids = engine.template.render(TALK).ids
    deltas = [delta async for delta in engine.generate(ids, sampling, **options)]
    await engine.close()
    return deltas


def text(deltas: list[Delta]) -> str:
    return "".join(delta.text for delta in deltas)


async def test_messages_arrive_as_they_were_written(server: MisbehavingServer) -> None:
    server.then(says("Hel", "lo", " 世界.", cached=7))
    deltas = await collect(connect(server), Sampling(temperature=0.5, top_p=0.8, seed=3, max_tokens=20))
    assert text(deltas) == "Hello 世界."
    assert [delta.finish_reason for delta in deltas] == [None, None, None, "stop"]
    assert sum(delta.cached_tokens for delta in deltas) == 7
    assert sum(len(delta.token_ids) for delta in deltas) == 3
    body = server.posts[0].body
    assert body["messages"] == [{"role": m.role, "content": m.content} for m in TALK]
    assert {name: body[name] for name in ("model", "temperature", "top_p", "seed", "max_tokens")} == {
        "model": "small",
        "temperature": 0.5,
        "top_p": 0.8,
        "seed": 3,
        "max_tokens": 20,
    }
    assert "top_k" not in body


async def test_candidates_are_requests_of_their_own(server: MisbehavingServer) -> None:
    server.then(says("a"), says("b"), says("c"))
    deltas = await collect(connect(server), Sampling(seed=5), n=3)
    assert {delta.candidate for delta in deltas if delta.finish_reason} == {0, 1, 2}
    assert sorted(asked.body["seed"] for asked in server.posts) == [5, 6, 7]
    assert sorted(delta.text for delta in deltas if delta.text) == ["a", "b", "c"]


async def test_replies_follow_each_other_on_one_connection(server: MisbehavingServer) -> None:
    # A reply was once left at its last event, before the end of its body, and the next one needed a new connection.
    server.then(*[says("word")] * 5)
    engine = connect(server)
    for _ in range(5):
        assert [delta.text async for delta in engine.generate(engine.template.render(TALK).ids, SAMPLING)]
    await engine.close()
    assert len({asked.port for asked in server.posts}) == 1


async def test_a_body_that_does_not_end_holds_no_finished_reply_up(server: MisbehavingServer) -> None:
    woken = threading.Event()

    def never_ends(handler: Handler, body: dict[str, Any]) -> None:
        handler.end = lambda: None  # type: ignore[method-assign]
        says("word")(handler, body)
        woken.wait(30)

    server.then(never_ends)
    started = time.monotonic()
    assert text(await collect(connect(server, timeout=20))) == "word"
    assert time.monotonic() - started < 5
    woken.set()


async def test_a_stop_string_ends_the_reply_and_is_cut(server: MisbehavingServer) -> None:
    hung = threading.Event()
    server.then(stalls("one two ST", "OP three", until=hung))
    deltas = await collect(connect(server), Sampling(stop=("STOP",)))
    hung.set()
    assert text(deltas) == "one two "
    assert deltas[-1].finish_reason == "stop"


@pytest.mark.parametrize(
    "trouble",
    [
        hangs_up(),
        refuses(429, headers={"Retry-After": "3"}),
        refuses(503, "<html>upstream</html>", kind="text/html"),
        breaks_off(),
        sends("[DONE]"),
    ],
)
async def test_before_the_first_token_it_asks_again(
    server: MisbehavingServer, trouble: Action, pauses: list[float]
) -> None:
    server.then(trouble, trouble, says("Here."))
    assert text(await collect(connect(server))) == "Here."
    assert len(server.posts) == 3
    assert len(pauses) == 2
    assert all(0 < pause <= 3 for pause in pauses)


async def test_the_pause_grows_or_is_what_the_server_asks_for(server: MisbehavingServer, pauses: list[float]) -> None:
    date = format_datetime(datetime.now(UTC) + timedelta(seconds=50), usegmt=True)
    waits = [{"Retry-After": "2.5"}, {"Retry-After": date}, {"Retry-After": "soon"}, {}, {}]
    server.then(*(refuses(429, headers=wait) for wait in waits), says("Here."))
    assert text(await collect(connect(server, retries=5))) == "Here."
    assert pauses[0] == 2.5
    assert 10 < pauses[1] <= 50
    assert 2 <= pauses[2] <= 3
    assert 4 <= pauses[3] <= 6
    assert 8 <= pauses[4] <= 12


@pytest.mark.parametrize(
    ("trouble", "message", "asked"),
    [
        (
            refuses(429, '{"error": {"message": "slow down"}}'),
            r"too many requests \(429: slow down\).*asked 3 times",
            3,
        ),
        (refuses(429, headers={"Retry-After": "3600"}), "429", 1),
        (
            refuses(401, '{"error": {"message": "bad key"}}'),
            r"refuses the key \(401: bad key.*ASSISTANT_OPENAI_API_KEY",
            1,
        ),
        (refuses(400, '{"message": "context too long"}'), r"\(400: context too long\)", 1),
        (refuses(400, '{"detail": [{"msg": "top_k?"}]}'), "top_k", 1),
        (refuses(500, "<html>\n<b>oops</b></html>", kind="text/html"), "500: <html> <b>oops", 3),
        (refuses(404, ""), "404: Not Found", 1),
        (refuses(200, '{"error": "not streamed"}'), "application/json instead of a stream: not streamed", 1),
        (refuses(200, "<html>log in</html>", kind="text/html"), "text/html instead of a stream", 1),
        (hangs_up(), r"does not answer \(ServerDisconnectedError.*asked 3 times", 3),
        (breaks_off("Hel"), "lost in mid-reply", 1),
        (sends(chunk("Hel"), "{not json"), "no JSON: '{not json'", 1),
        (sends(chunk("Hel"), "[1, 2]"), "no chunk of a completion", 1),
        (sends(chunk("Hel"), {"choices": "none"}), "cannot be read", 1),
        (sends(chunk("Hel"), {"error": {"message": "out of memory", "code": 500}}), "in mid-reply: out of memory", 1),
        (sends(chunk("Hel")), "broke off in mid-reply", 1),
        (sends(chunk("Hel"), "[DONE]"), "broke off in mid-reply", 1),
        (sends(chunk("Hel", "content_filter")), "a reason of its own: content_filter", 1),
    ],
)
async def test_what_goes_wrong_is_told_in_one_line(
    server: MisbehavingServer, trouble: Action, message: str, asked: int
) -> None:
    server.then(*[trouble] * asked)
    engine = connect(server)
    with pytest.raises(EngineError, match=message) as caught:
        await collect(engine)
    assert "\n" not in str(caught.value)
    assert len(server.posts) == asked
    await engine.close()


async def test_a_server_that_is_gone_is_told() -> None:
    with MisbehavingServer() as server:
        engine = connect(server, retries=0)
    with pytest.raises(
        EngineError, match=r"^no server answers at http://127.0.0.1:\d+/v1/chat/completions .*running\?$"
    ):
        await collect(engine)
    await engine.close()


LINES = st.sampled_from(
    ["data: {}", "data:x", "data", "data:  ü\u2028", "database: no", "event: error", "event", ": hm", "id: 3"]
)


@given(events=st.lists(st.lists(LINES)), end=st.sampled_from(["\n", "\r\n"]), cut=st.integers(0, 12))
def test_events_are_read_as_another_library_reads_them(events: list[list[str]], end: str, cut: int) -> None:
    stream = "".join("".join(line + end for line in event) + end for event in events).encode()
    stream = stream[: len(stream) - cut]
    assume(not stream.endswith(b"\r"))  # half a line's end is taken for an empty line by the other

    async def lines() -> AsyncIterator[bytes]:
        for line in stream.splitlines(keepends=True):
            yield line

    async def read() -> list[tuple[str, str]]:
        return [event async for event in openai_stream._events(lines()) if event[1]]

    asked = httpx2.Request("POST", "http://127.0.0.1")
    response = httpx2.Response(200, headers={"content-type": "text/event-stream"}, content=stream, request=asked)
    # To the other a kind without data is an event, too; to the standard it is none.
    theirs = [(event.event, event.data) for event in httpx2.EventSource(response) if event.data]
    assert asyncio.run(read()) == theirs


async def test_a_silent_server_is_not_waited_for_forever(server: MisbehavingServer) -> None:
    woken = threading.Event()
    server.then(stalls(until=woken), stalls("Hel", until=woken))
    engine = connect(server, timeout=0.3)
    with pytest.raises(EngineError, match="takes too long"):
        await collect(engine)
    assert len(server.posts) == 1
    await engine.close()
    engine = connect(server, timeout=0.3)
    with pytest.raises(EngineError, match=r"lost in mid-reply \(SocketTimeoutError"):
        await collect(engine)
    woken.set()
    await engine.close()


async def test_closing_the_stream_closes_the_connection(server: MisbehavingServer) -> None:
    gone = threading.Event()

    def act(handler: Any, body: dict[str, Any]) -> None:
        handler.stream()
        try:
            for _ in range(2000):
                handler.send(chunk("word "))
                time.sleep(0.005)
        except OSError:
            gone.set()
            handler.hang_up()

    server.then(act)
    engine = connect(server)
    async with aclosing(engine.generate(engine.template.render(TALK).ids, SAMPLING)) as deltas:
        async for _ in deltas:
            break
    assert gone.wait(5)
    await engine.close()


async def test_closing_the_engine_ends_a_running_reply(server: MisbehavingServer) -> None:
    woken = threading.Event()
    server.then(stalls("Hel", until=woken))
    engine = connect(server)

    async def read_and_close() -> None:
        async for _ in engine.generate(engine.template.render(TALK).ids, SAMPLING):
            await engine.close()

    with pytest.raises(EngineError, match="closed in mid-reply"):
        await read_and_close()
    woken.set()
    with pytest.raises(EngineError, match="is closed"):
        await collect(engine)


async def test_openais_newer_name_of_the_limit_is_found(server: MisbehavingServer) -> None:
    server.then(
        refuses(400, '{"error": {"message": "Unsupported: use \'max_completion_tokens\' instead."}}'),
        says("Hi."),
        says("Again."),
    )
    engine = connect(server)
    ids = engine.template.render(TALK).ids
    assert text([delta async for delta in engine.generate(ids, SAMPLING)]) == "Hi."
    assert text(await collect(engine)) == "Again."
    assert ["max_tokens" in asked.body for asked in server.posts] == [True, False, False]
    assert server.posts[-1].body["max_completion_tokens"] == 20


def test_the_key_goes_with_every_request_and_a_wrong_one_is_told() -> None:
    with MisbehavingServer(key="right") as server:
        with pytest.raises(EngineError, match=r"refuses the key \(401\).*ASSISTANT_OPENAI_API_KEY"):
            connect(server, api_key="wrong")
        engine = connect(server, api_key="right")
    assert engine.model == "small"
    assert server.requests[-1].headers["Authorization"] == "Bearer right"


@pytest.mark.parametrize(
    ("models", "wanted", "message"),
    [
        ([{"id": "a"}, {"id": "b"}], None, "choose one of the server's models with --model: a, b"),
        ([{"id": "qwen2.5:7b"}], "qwen2.5:7", "did you mean qwen2.5:7b"),
        ([], None, "it lists none"),
    ],
)
def test_a_model_that_is_not_there_is_told(models: list[dict[str, Any]], wanted: str | None, message: str) -> None:
    with MisbehavingServer(models=models) as server, pytest.raises(EngineError, match=message):
        OpenAIEngine(OpenAISettings(base_url=server.url), model=wanted)


def test_an_address_without_the_api_is_told(server: MisbehavingServer) -> None:
    bare = server.url.removesuffix("/v1")
    assert OpenAIEngine(OpenAISettings(base_url=bare)).server.base_url == server.url
    with pytest.raises(EngineError, match="no OpenAI-compatible API"):
        OpenAIEngine(OpenAISettings(base_url=f"{bare}/elsewhere"))
    with pytest.raises(EngineError, match=r"no server answers.*is it running"):
        OpenAIEngine(OpenAISettings(base_url="http://127.0.0.1:9/v1"))
    with pytest.raises(EngineError, match="--base-url"):
        OpenAIEngine(OpenAISettings())


def test_the_window_is_the_servers_or_the_settings() -> None:
    with MisbehavingServer(models=[{"id": "m", "max_model_len": 777}]) as server:
        assert connect(server).window == 777
        assert connect(server, context=500).window == 500
        server.models[0].pop("max_model_len")
        assert "its window taken to be 4096" in connect(server).sends


def test_a_tokenizer_that_the_server_does_not_share_is_not_used(server: MisbehavingServer) -> None:
    server.models[0]["root"] = str(BUNDLED_FOLDER)
    assert isinstance(connect(server).template, MessageTemplate)
    with pytest.raises(EngineError, match="cannot be compared: it has no /tokenize"):
        connect(server, tokenizer=BUNDLED_FOLDER)


@pytest.mark.parametrize(
    ("trouble", "status", "content"),
    [
        (breaks_off("What came", " is kept"), "failed", "What came is kept"),
        (refuses(400), "failed", ""),
        (sends(chunk("Half"), "{"), "failed", "Half"),
    ],
)
async def test_the_turn_is_stored_whatever_the_server_does(
    server: MisbehavingServer, tmp_path: Path, trouble: Action, status: str, content: str
) -> None:
    server.then(trouble, says("Better."))
    with Store.open(str(tmp_path / "chat.db")) as store:
        assistant = Assistant(store, connect(server))
        persona = store.save_persona(PersonaLibrary().get("professor"))
        conversation = store.create_conversation(persona.id).id
        turn = await assistant.send(conversation, "Hello?")
        ended = await turn.wait()
        assert isinstance(ended, Failed)
        assert "\n" not in ended.error
        stored = store.message(turn.reply_id)
        assert (stored.status, stored.content) == (status, content)
        assert store.message(turn.user_message_id).content == "Hello?"
        again = await assistant.retry(conversation)
        assert isinstance(await again.wait(), Finished)
        assert store.message(again.reply_id).content == "Better."
        await assistant.close()


MESSAGES = st.lists(st.text(st.characters(exclude_categories=["Cs"])), min_size=1, max_size=9)


@given(texts=MESSAGES, system=st.booleans())
def test_messages_come_out_of_ids_as_they_went_in(texts: list[str], system: bool) -> None:
    roles = (("system",) if system else ()) + ("user", "assistant") * len(texts)
    messages = [Message(role, text) for role, text in zip(roles, texts, strict=False)]  # type: ignore[arg-type]
    if messages[-1].role == "system":
        return
    template = MessageTemplate()
    rendered = template.render(messages)
    assert template.messages(rendered.ids) == [*messages, Message("assistant", "")]
    for message, span in zip(messages, rendered.spans, strict=True):
        ids = rendered.ids[span.start : span.end]
        assert template.control_ids.isdisjoint(ids)
        assert template.decode(ids) == message.content.lstrip("\n") or message.content.startswith("\n")
        assert template.count(message.content) == len(ids)


def test_what_is_no_text_is_refused() -> None:
    with pytest.raises(RenderingError, match="lone surrogate"):
        MessageTemplate().encode("a\ud800")
    with pytest.raises(RenderingError, match="user is next"):
        MessageTemplate().render([Message("assistant", "a")])


def test_no_key_is_shown_by_the_settings() -> None:
    settings = OpenAISettings(api_key="sk-secret")
    assert "sk-secret" not in repr(settings)
    assert "sk-secret" not in json.dumps(settings.model_dump(mode="json"))
