"""OpenAI's own client, unchanged, against a running server."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import openai
import pytest

from assistant.personas.library import PersonaLibrary
from guardrails.audit import rows
from tests.assistant.http.judges import word_guard
from tests.assistant.http.running import Running, serving
from tests.scripted_engine import Reply, ScriptedEngine

HELLO: Any = [{"role": "user", "content": "Hello!"}]


@pytest.fixture
def client(running: Running) -> Iterator[openai.OpenAI]:
    with client_of(running) as client:
        yield client


def client_of(running: Running) -> openai.OpenAI:
    return openai.OpenAI(base_url=f"{running.url}/v1", api_key="not needed", max_retries=0, timeout=60)


def said(stream: Any) -> str:
    return "".join(choice.delta.content or "" for chunk in stream for choice in chunk.choices)


def test_a_completion(client: openai.OpenAI, engine: ScriptedEngine) -> None:
    engine.queue("Good day, dear student.")
    completion = client.chat.completions.create(model="professor", messages=HELLO)
    choice = completion.choices[0]
    assert choice.message.content == "Good day, dear student."
    assert (choice.message.role, choice.finish_reason, choice.index) == ("assistant", "stop", 0)
    assert (completion.object, completion.model) == ("chat.completion", "professor")
    assert completion.usage is not None
    assert completion.usage.prompt_tokens == len(engine.prompts[0])
    assert completion.usage.completion_tokens > 0
    assert completion.usage.total_tokens == completion.usage.prompt_tokens + completion.usage.completion_tokens


def test_a_streamed_completion_comes_in_pieces_and_ends_with_its_usage(
    client: openai.OpenAI, engine: ScriptedEngine
) -> None:
    engine.queue("One two three four.")
    stream = client.chat.completions.create(
        model="professor", messages=HELLO, stream=True, stream_options={"include_usage": True}
    )
    chunks = list(stream)
    assert said(chunks) == "One two three four."
    assert len(chunks) > 4
    assert chunks[0].choices[0].delta.role == "assistant"
    assert [chunk.choices[0].finish_reason for chunk in chunks if chunk.choices][-1] == "stop"
    assert chunks[-1].choices == []
    assert chunks[-1].usage is not None
    assert chunks[-1].usage.prompt_tokens == len(engine.prompts[0])
    assert len({chunk.id for chunk in chunks}) == 1


def test_several_candidates(client: openai.OpenAI, engine: ScriptedEngine) -> None:
    engine.queue("First.", "Second.", "Third.")
    completion = client.chat.completions.create(model="professor", messages=HELLO, n=3, seed=7)
    assert sorted(choice.message.content or "" for choice in completion.choices) == ["First.", "Second.", "Third."]
    assert [choice.index for choice in completion.choices] == [0, 1, 2]
    assert sorted(sampling.seed or 0 for sampling in engine.samplings) == [7, 8, 9]
    engine.queue("Red.", "Blue.")
    streamed: dict[int, str] = {}
    for chunk in client.chat.completions.create(model="professor", messages=HELLO, n=2, stream=True):
        for choice in chunk.choices:
            streamed[choice.index] = streamed.get(choice.index, "") + (choice.delta.content or "")
    assert sorted(streamed) == [0, 1]
    assert sorted(streamed.values()) == ["Blue.", "Red."]


def test_sampling_settings_reach_the_engine(client: openai.OpenAI, engine: ScriptedEngine) -> None:
    engine.queue("One. Two.", "one two three four five six")
    completion = client.chat.completions.create(
        model="professor", messages=HELLO, temperature=0, top_p=0.5, stop=".", seed=3, max_tokens=100
    )
    assert completion.choices[0].message.content == "One"
    sampling = engine.samplings[0]
    assert (sampling.temperature, sampling.top_p, sampling.seed, sampling.max_tokens) == (0, 0.5, 3, 100)
    cut = client.chat.completions.create(model="professor", messages=HELLO, max_completion_tokens=2)
    assert cut.choices[0].finish_reason == "length"
    assert cut.usage is not None
    assert cut.usage.completion_tokens == 2


def test_the_personas_instruction_stays_on_top_of_the_clients(client: openai.OpenAI, engine: ScriptedEngine) -> None:
    engine.queue("Yes.", "No.")
    messages: Any = [
        {"role": "system", "content": "Answer in one word."},
        {"role": "user", "content": "Is the sky blue?"},
        {"role": "assistant", "content": "Yes."},
        {"role": "user", "content": [{"type": "text", "text": "Is it "}, {"type": "text", "text": "green?"}]},
    ]
    client.chat.completions.create(model="pirate", messages=messages)
    prompt = engine.template.decode(engine.prompts[0])
    instruction = PersonaLibrary().get("pirate").instruction
    places = [prompt.index(part) for part in (instruction, "Answer in one word.", "blue?", "Yes.", "Is it green?")]
    assert places == sorted(places)
    client.chat.completions.create(model="scripted-model", messages=messages)
    bare = engine.template.decode(engine.prompts[1])
    assert "Answer in one word." in bare
    assert instruction not in bare


def test_nothing_of_a_clients_own_conversation_is_stored(
    client: openai.OpenAI, engine: ScriptedEngine, running: Running
) -> None:
    engine.queue("Hello.")
    client.chat.completions.create(model="professor", messages=HELLO)
    assert running.store.counts().messages == 0
    assert running.store.counts().conversations == 0


def test_requests_of_one_conversation_share_the_engines_cache_and_no_other(
    client: openai.OpenAI, engine: ScriptedEngine
) -> None:
    engine.queue("Hi.", "Fine.", "Other.")
    client.chat.completions.create(model="professor", messages=HELLO)
    more = [*HELLO, {"role": "assistant", "content": "Hi."}, {"role": "user", "content": "How are you?"}]
    client.chat.completions.create(model="professor", messages=more)
    client.chat.completions.create(model="professor", messages=[{"role": "user", "content": "Bye!"}])
    first, second, third = engine.sessions
    assert first == second != third


def test_models_are_personas_and_the_model_itself(client: openai.OpenAI) -> None:
    names = [model.id for model in client.models.list()]
    assert {"professor", "pirate", "scripted-model"} <= set(names)
    for name in ("professor", "professor@scripted-model", "professor@scripted:scripted-model", "scripted-model"):
        assert client.models.retrieve(name).id == name
    with pytest.raises(openai.NotFoundError, match="did you mean 'professor'"):
        client.models.retrieve("profesor")
    with pytest.raises(openai.NotFoundError, match="this server has scripted-model"):
        client.models.retrieve("professor@gpt-5")


def test_errors_are_told_as_openai_tells_them(client: openai.OpenAI, engine: ScriptedEngine) -> None:
    with pytest.raises(openai.NotFoundError) as unknown:
        client.chat.completions.create(model="nobody", messages=HELLO)
    assert unknown.value.code == "model_not_found"
    for messages in ([{"role": "assistant", "content": "x"}], [{"role": "user", "content": " "}]):
        with pytest.raises(openai.BadRequestError) as wrong:
            client.chat.completions.create(model="professor", messages=messages)  # type: ignore[arg-type]
        assert wrong.value.param == "messages"
    with pytest.raises(openai.BadRequestError, match="'tools' cannot be served"):
        client.chat.completions.create(
            model="professor", messages=HELLO, tools=[{"type": "function", "function": {"name": "f"}}]
        )
    long: Any = [{"role": "user", "content": "word " * 5000}]
    for stream in (False, True):
        with pytest.raises(openai.BadRequestError) as large:
            client.chat.completions.create(model="professor", messages=long, stream=stream)
        assert large.value.code == "context_length_exceeded"
    with pytest.raises(openai.NotFoundError, match="not embeddings"):
        client.embeddings.create(model="professor", input="x")
    engine.queue(Reply("Half a reply", fail_after=2), Reply("Half a reply", fail_after=2))
    with pytest.raises(openai.InternalServerError, match="failed as told"):
        client.chat.completions.create(model="professor", messages=HELLO)
    with pytest.raises(openai.APIError, match="failed as told"):
        said(client.chat.completions.create(model="professor", messages=HELLO, stream=True))


def test_a_stored_conversation_goes_on_by_its_number(
    client: openai.OpenAI, engine: ScriptedEngine, running: Running
) -> None:
    engine.queue("I am Ada.", "You said hello.", "Another.")
    first: Any = client.chat.completions.create(model="professor", messages=HELLO, store=True)
    assert first.conversation == 1
    question: Any = [{"role": "user", "content": "What did I say?"}]
    second: Any = client.chat.completions.create(
        model="professor", messages=question, extra_body={"conversation": first.conversation}, n=2
    )
    assert "Hello!" in engine.template.decode(engine.prompts[1])
    messages = running.store.all_messages(1)
    assert [m.content for m in messages] == ["Hello!", "I am Ada.", "What did I say?", "You said hello.", "Another."]
    assert second.message_ids == [4, 5]
    assert messages[3].parent_id == messages[4].parent_id == 3
    with pytest.raises(openai.BadRequestError, match="send the new user message alone"):
        client.chat.completions.create(
            model="professor",
            messages=[*HELLO, *HELLO, {"role": "system", "content": "x"}],
            extra_body={"conversation": 1},
        )
    with pytest.raises(openai.BadRequestError, match="is with 'professor'"):
        client.chat.completions.create(model="pirate", messages=HELLO, extra_body={"conversation": 1})
    with pytest.raises(openai.NotFoundError):
        client.chat.completions.create(model="professor", messages=HELLO, extra_body={"conversation": 99})


def test_a_stored_conversation_may_begin_with_the_clients_history(
    client: openai.OpenAI, engine: ScriptedEngine, running: Running
) -> None:
    engine.queue("Green.")
    messages: Any = [
        {"role": "system", "content": "One word."},
        {"role": "user", "content": "Colour of the sky?"},
        {"role": "assistant", "content": "Blue."},
        {"role": "user", "content": "And of grass?"},
    ]
    made: Any = client.chat.completions.create(
        model="scripted-model", messages=messages, extra_body={"conversation": "new"}
    )
    kept = running.store.branch(made.message_ids[0])
    assert [m.content for m in kept] == ["Colour of the sky?", "Blue.", "And of grass?", "Green."]
    conversation = running.store.conversation(made.conversation)
    assert running.store.persona_version(conversation.persona_version_id).persona.instruction == "One word."


def test_what_failed_is_not_said_twice_by_a_client_that_tries_again(engine: ScriptedEngine, running: Running) -> None:
    engine.queue(Reply("x", fail_after=0), Reply("x", fail_after=0), "Never asked for.")
    eager = openai.OpenAI(base_url=f"{running.url}/v1", api_key="x", max_retries=2, timeout=60)
    with eager, pytest.raises(openai.InternalServerError):
        eager.chat.completions.create(model="professor", messages=HELLO, store=True)
    assert [m.role for m in running.store.all_messages(1)] == ["user", "assistant"]
    assert len(engine.prompts) == 1


@pytest.mark.parametrize("stream", [False, True])
def test_a_blocked_reply_is_a_refusal_with_its_reason_to_end(db: str, tmp_path: Path, stream: bool) -> None:
    harm = Reply("One two three four five six seven eight: take a bomb and run.", delay=0.01)
    engine = ScriptedEngine([harm, harm])
    audit = tmp_path / "audit.jsonl"
    with serving(db, engine, guard=word_guard(audit=audit)) as running, client_of(running) as client:
        for asked in ("Tell me.", "forbidden"):
            answer: Any = client.chat.completions.create(
                model="pirate", messages=[{"role": "user", "content": asked}], stream=stream
            )
            if stream:
                chunks = list(answer)
                text, reason = said(chunks), chunks[-1].choices[0].finish_reason
            else:
                text, reason = answer.choices[0].message.content, answer.choices[0].finish_reason
            assert reason == "content_filter"
            assert "bomb" not in text
            assert text.strip()
            # What a stream has shown it cannot take back; the refusal follows it.
            assert text.startswith("One two") == (stream and asked == "Tell me.")
            assert text.endswith(PersonaLibrary().get("pirate").refusal)
    assert {row["decision"] for row in rows(audit)} == {"pass", "block"}


def test_moderations_are_the_guards(db: str) -> None:
    with serving(db, ScriptedEngine(), guard=word_guard()) as running, client_of(running) as client:
        found = client.moderations.create(input=["a nice day", "something forbidden"])
        assert [result.flagged for result in found.results] == [False, True]
    with (
        serving(db, ScriptedEngine()) as running,
        client_of(running) as client,
        pytest.raises(openai.NotFoundError, match="the guard is off"),
    ):
        client.moderations.create(input="x")


def test_a_persona_answers_on_the_adapter_that_is_named(db: str) -> None:
    base, pirate = ScriptedEngine(["Base."]), ScriptedEngine(["Tuned.", "Tuned again."], model="pirate-lora")
    with serving(db, base, adapters=[pirate]) as running, client_of(running) as client:
        names = [model.id for model in client.models.list()]
        assert {"pirate", "pirate@scripted:pirate-lora", "scripted-model", "pirate-lora"} <= set(names)
        for name, text in (("pirate", "Base."), ("pirate@scripted:pirate-lora", "Tuned.")):
            made: Any = client.chat.completions.create(model=name, messages=HELLO, store=True)
            assert made.choices[0].message.content == text
        assert running.store.conversation(made.conversation).model == "pirate-lora"
        said = {"text": "And now?", "stream": False}
        again = running.post(f"/api/conversations/{made.conversation}/messages", said)
        assert again.json()["content"] == "Tuned again.", "a conversation goes on with its model"
