from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, AsyncIterator, Iterator, Sequence
from pathlib import Path

import pytest

from assistant.errors import AssistantError
from assistant.events import Blocked, Event, Failed, Finished, Judged, Notice, Started, Text
from assistant.guarding import REFUSAL
from assistant.personas.persona import Persona
from assistant.sampling import Sampling
from assistant.service import Assistant
from assistant.store.store import Store
from assistant.turn import Turn
from guardrails.gate import Gate, Released, Withheld
from guardrails.guard import Guard
from guardrails.judge import Verdict
from guardrails.messages import Message
from guardrails.policy import Policy
from guardrails.rendering import RenderingError
from tests.scripted_engine import Reply, ScriptedEngine

PIRATE = Persona(
    name="pirate", title="Captain Redbeard", instruction="You are Captain Redbeard. Say Arr.", reminder="Say Arr.",
    sampling=Sampling(max_tokens=64),
)  # fmt: skip


@pytest.fixture
def store(tmp_path: Path) -> Iterator[Store]:
    with Store.open(str(tmp_path / "chat.db")) as store:
        yield store


def start(store: Store, persona: Persona = PIRATE) -> int:
    return store.create_conversation(store.save_persona(persona).id).id


def guarded(gate: Gate) -> Guard:
    return Guard(Policy(version=1, name="test"), gate)


async def events(turn: Turn, after: int = 0) -> list[Event]:
    return [event async for event in turn.events(after)]


def text_of(found: list[Event]) -> str:
    return "".join(event.text for event in found if isinstance(event, Text))


async def test_a_turn_is_started_text_finished_and_stored(store: Store) -> None:
    assistant = Assistant(store, ScriptedEngine(["Arr, hello there!"]))
    conversation = start(store)
    turn = await assistant.send(conversation, "hi")
    found = await events(turn)
    assert isinstance(found[0], Started)
    assert isinstance(found[-1], Finished)
    assert text_of(found) == "Arr, hello there!"
    asked, reply = store.branch(turn.reply_id)
    assert (asked.content, reply.content) == ("hi", "Arr, hello there!")
    assert (reply.status, reply.finish_reason) == ("complete", "stop")
    assert reply.completion_tokens == found[-1].completion_tokens > 0
    assert reply.prompt_tokens == found[0].prompt_tokens
    assert store.conversation(conversation).active_leaf_id == reply.id


async def test_the_users_message_is_committed_before_the_engine_is_asked(store: Store) -> None:
    seen: list[str] = []

    class Looking(ScriptedEngine):
        async def generate(
            self, prompt_ids: Sequence[int], sampling: Sampling, *, n: int = 1, session: str | None = None
        ) -> AsyncGenerator:  # type: ignore[type-arg]
            with Store.open(str(store.path)) as other:
                seen.extend(m.content for m in other.all_messages(conversation) if m.role == "user")
            async for delta in super().generate(prompt_ids, sampling, n=n, session=session):
                yield delta

    conversation = start(store)
    await (await Assistant(store, Looking(["ok"])).send(conversation, "remember me")).wait()
    assert seen == ["remember me"]


async def test_the_instruction_is_in_every_request_byte_for_byte(store: Store) -> None:
    engine = ScriptedEngine([f"Arr, answer {n}." for n in range(60)], window=256)
    assistant = Assistant(store, engine)
    conversation = start(store)
    notices = []
    for n in range(60):
        found = await events(await assistant.send(conversation, f"question {n}"))
        notices += [event for event in found if isinstance(event, Notice)]
    expected = list(engine.template.render([Message("system", PIRATE.instruction), Message("user", "x")]).ids)
    head = expected[: expected.index(engine.template.encode("x")[0]) - 1]
    for n, prompt in enumerate(engine.prompts):
        assert prompt[: len(head)] == head
        assert len(prompt) + 64 <= 256
        assert f"question {n}" in engine.template.decode(prompt)
    assert notices
    assert "no longer sent" in notices[0].text


async def test_stop_keeps_what_came(store: Store) -> None:
    engine = ScriptedEngine([Reply("one two three four five six seven eight", delay=0.02)])
    turn = await Assistant(store, engine).send(start(store), "count")
    async for event in turn.events():
        if isinstance(event, Text) and "two" in event.text:
            turn.stop()
    stored = store.message(turn.reply_id)
    assert stored.status == "stopped"
    assert stored.content.startswith("one two")
    assert "eight" not in stored.content
    assert engine.running == 0, "the engine was not stopped"
    turn.stop()
    assert store.message(turn.reply_id).status == "stopped"


async def test_a_client_that_leaves_and_comes_back_finds_the_reply_running(store: Store) -> None:
    assistant = Assistant(store, ScriptedEngine([Reply("a b c d e f g h", delay=0.02)]))
    turn = await assistant.send(start(store), "go")
    seen = 0
    async for event in turn.events():
        seen += 1
        if isinstance(event, Text):
            break
    again = assistant.running(turn.reply_id)
    assert again is turn
    rest = await events(turn, after=seen)
    assert text_of(await events(turn)) == "a b c d e f g h"
    assert isinstance(rest[-1], Finished)
    await asyncio.sleep(0)
    assert assistant.running(turn.reply_id) is None


async def test_a_failing_engine_ends_the_turn_as_failed_with_what_came(store: Store) -> None:
    assistant = Assistant(store, ScriptedEngine([Reply("one two three four", fail_after=2), "fine"]))
    conversation = start(store)
    turn = await assistant.send(conversation, "hi")
    end = await turn.wait()
    assert isinstance(end, Failed)
    stored = store.message(turn.reply_id)
    assert stored.status == "failed"
    assert stored.error == end.error
    assert stored.content.startswith("one")
    assert (await (await assistant.send(conversation, "again")).wait()) != end


async def test_a_bug_in_the_engine_does_not_leave_a_turn_that_never_ends(store: Store) -> None:
    class Broken(ScriptedEngine):
        def generate(self, *args: object, **options: object) -> AsyncGenerator:  # type: ignore[type-arg]
            raise ZeroDivisionError("oops")

    turn = await Assistant(store, Broken()).send(start(store), "hi")
    end = await turn.wait()
    assert isinstance(end, Failed)
    assert "ZeroDivisionError" in end.error


async def test_retry_and_edit_make_siblings_and_destroy_nothing(store: Store) -> None:
    assistant = Assistant(store, ScriptedEngine(["first", "second", "third"]))
    conversation = start(store)
    one = await assistant.send(conversation, "hi")
    await one.wait()
    two = await assistant.retry(conversation)
    await two.wait()
    three = await assistant.edit(one.user_message_id, "hello")
    await three.wait()
    assert [m.content for m in store.siblings(one.reply_id)] == ["first", "second"]
    assert [m.content for m in store.siblings(one.user_message_id)] == ["hi", "hello"]
    assert len(store.all_messages(conversation)) == 5
    assert [m.content for m in store.branch(three.reply_id)] == ["hello", "third"]


async def test_two_clients_on_one_parent_make_siblings(store: Store) -> None:
    first = Assistant(store, ScriptedEngine(["zero", Reply("from one", delay=0.01)]))
    conversation = start(store)
    await (await first.send(conversation, "begin")).wait()
    parent = store.conversation(conversation).active_leaf_id
    with Store.open(str(store.path)) as other_store:
        second = Assistant(other_store, ScriptedEngine([Reply("from two", delay=0.01)]))
        turns = await asyncio.gather(
            first.send(conversation, "one", parent_id=parent), second.send(conversation, "two", parent_id=parent)
        )
        for turn in turns:
            await turn.wait()
    assert parent is not None
    assert {m.content for m in store.children(conversation, parent)} == {"one", "two"}
    replies = {m.content for m in store.all_messages(conversation) if m.role == "assistant" and m.status == "complete"}
    assert replies == {"zero", "from one", "from two"}


async def test_an_old_conversation_keeps_its_version_of_an_edited_persona(store: Store) -> None:
    engine = ScriptedEngine(["a", "b"])
    assistant = Assistant(store, engine)
    old = start(store)
    new = start(store, PIRATE.model_copy(update={"instruction": "You are Captain Blackbeard."}))
    for conversation in (old, new):
        await (await assistant.send(conversation, "who are you?")).wait()
    texts = [engine.template.decode(prompt) for prompt in engine.prompts]
    assert "Redbeard" in texts[0]
    assert "Blackbeard" in texts[1]


async def test_remind_joins_the_reminder_to_the_newest_message_only(store: Store) -> None:
    engine = ScriptedEngine(["a", "b"])
    assistant = Assistant(store, engine)
    conversation = start(store, PIRATE.model_copy(update={"persistence": "remind"}))
    for text in ("one", "two"):
        await (await assistant.send(conversation, text)).wait()
    sent = engine.template.decode(engine.prompts[1])
    assert sent.count("(Say Arr.)") == 1
    assert sent.index("two") < sent.index("(Say Arr.)")
    assert [m.content for m in store.all_messages(conversation) if m.role == "user"] == ["one", "two"]


@pytest.mark.parametrize("text", ["", "   ", "\n\t"])
async def test_an_empty_message_is_refused_before_anything_is_stored(store: Store, text: str) -> None:
    conversation = start(store)
    with pytest.raises(AssistantError, match="empty"):
        await Assistant(store, ScriptedEngine()).send(conversation, text)
    assert store.all_messages(conversation) == []


ODD = ["lone \ud800 surrogate", "nul \x00 and \x1b[31m escape", "\u202egnirts\u202c", "é" * 300]


@pytest.mark.parametrize("text", ODD)
async def test_odd_text_is_kept_and_answered(store: Store, text: str) -> None:
    turn = await Assistant(store, ScriptedEngine(["ok"])).send(start(store), text)
    assert isinstance(await turn.wait(), Finished)
    assert store.message(turn.user_message_id).content


async def test_a_message_larger_than_the_window_fails_clearly_is_kept_and_blocks_nothing(store: Store) -> None:
    engine = ScriptedEngine(["short answer"])
    assistant = Assistant(store, engine)
    conversation = start(store)
    turn = await assistant.send(conversation, "x" * 1_000_000)
    end = await turn.wait()
    assert isinstance(end, Failed)
    assert "shorten the message" in end.error
    assert engine.prompts == []
    assert len(store.message(turn.user_message_id).content) == 1_000_000
    assert isinstance(await (await assistant.send(conversation, "short")).wait(), Finished)


async def test_preview_is_exactly_what_is_sent(store: Store) -> None:
    engine = ScriptedEngine(["one", "two"])
    assistant = Assistant(store, engine)
    conversation = start(store)
    await (await assistant.send(conversation, "first")).wait()
    preview = await assistant.preview(conversation, "second")
    await (await assistant.send(conversation, "second")).wait()
    assert preview.text == engine.template.decode(engine.prompts[1])
    assert preview.total == len(engine.prompts[1])
    assert [m.role for m in preview.messages] == ["system", "user", "assistant", "user"]


class Censor:
    """A gate that judges each piece and stops at a word."""

    async def release(
        self, prompt: Sequence[Message], text: AsyncIterator[str], *, conversation: str = ""
    ) -> AsyncGenerator[Released, None]:
        seen = ""
        async for piece in text:
            if "treasure" in seen + piece:
                yield Withheld(Verdict("censor", "1", False, reason="secret"), seen + piece, len(seen))
                return
            seen += piece
            yield Verdict("censor", "1", True)
            yield piece


class FailingGate:
    """A gate that reads ahead and then breaks."""

    async def release(
        self, prompt: Sequence[Message], text: AsyncIterator[str], *, conversation: str = ""
    ) -> AsyncGenerator[Released, None]:
        self.kept = text
        yield await anext(text)
        raise RuntimeError("the judge is gone")


async def test_a_gate_that_fails_ends_the_turn_and_stops_the_engine(store: Store) -> None:
    engine = ScriptedEngine([Reply("a b c d e f", delay=0.02)])
    turn = await Assistant(store, engine, guarded(FailingGate())).send(start(store), "hi")
    end = await turn.wait()
    assert isinstance(end, Failed)
    assert "judge is gone" in end.error
    assert engine.running == 0


async def test_verdicts_are_stored_with_the_reply(store: Store) -> None:
    turn = await Assistant(store, ScriptedEngine(["a b c"]), guarded(Censor())).send(start(store), "hi")
    await turn.wait()
    stored = store.verdicts(turn.reply_id)
    assert stored
    assert {(v.judge, v.decision) for v in stored} == {("censor", "pass")}


async def test_a_conversation_is_called_by_its_first_message(store: Store) -> None:
    conversation = start(store)
    assistant = Assistant(store, ScriptedEngine(["a", "b"]))
    for text in ("What is\n the sea? " + "x" * 100, "and then?"):
        await (await assistant.send(conversation, text)).wait()
    title = store.conversation(conversation).title
    assert title.startswith("What is the sea? xx")
    assert len(title) <= 60


async def test_a_retry_with_a_seed_asks_for_another_reply(store: Store) -> None:
    engine = ScriptedEngine(["a", "b", "c"])
    assistant = Assistant(store, engine)
    conversation = start(store)
    sampling = Sampling(seed=7)
    await (await assistant.send(conversation, "hi", sampling=sampling)).wait()
    for _ in range(2):
        await (await assistant.retry(conversation, sampling=sampling)).wait()
    assert [s.seed for s in engine.samplings] == [7, 8, 9]


async def test_a_blocked_reply_shows_and_stores_the_refusal_and_is_never_sent(store: Store) -> None:
    engine = ScriptedEngine([Reply("the treasure is under the tree", delay=0.01), "fine"])
    assistant = Assistant(store, engine, guarded(Censor()))
    conversation = start(store)
    turn = await assistant.send(conversation, "where?")
    found = await events(turn)
    assert any(isinstance(e, Judged) for e in found)
    assert any(isinstance(e, Blocked) for e in found)
    stored = store.message(turn.reply_id)
    assert (stored.status, stored.content, stored.finish_reason) == ("blocked", REFUSAL, "content_filter")
    assert "treasure" in store.withheld(turn.reply_id)[0]
    assert engine.running == 0
    await (await assistant.send(conversation, "why?")).wait()
    sent = engine.template.decode(engine.prompts[1])
    assert not any(words in sent for words in ("treasure", "where?", REFUSAL))


async def test_a_refusal_is_in_the_persona_s_own_words(store: Store) -> None:
    pirate = Persona(name="pirate", title="Pirate", instruction="Be a pirate.", refusal="Arr, I cannot tell.")
    conversation = store.create_conversation(store.save_persona(pirate).id).id
    turn = await Assistant(store, ScriptedEngine(["the treasure"]), guarded(Censor())).send(conversation, "where?")
    await turn.wait()
    assert store.message(turn.reply_id).content == "Arr, I cannot tell."


async def test_a_client_that_is_cancelled_while_it_sends_leaves_a_turn_that_goes_on(store: Store) -> None:
    assistant = Assistant(store, ScriptedEngine(["still here"]))
    conversation = start(store)
    sending = asyncio.create_task(assistant.send(conversation, "hi"))
    await asyncio.sleep(0)
    sending.cancel()
    with pytest.raises(asyncio.CancelledError):
        await sending
    for _ in range(200):
        replies = [m for m in store.all_messages(conversation) if m.role == "assistant"]
        if replies and replies[0].status == "complete":
            break
        await asyncio.sleep(0.02)
    assert [m.content for m in store.all_messages(conversation)] == ["hi", "still here"]


async def test_a_template_that_refuses_the_conversation_fails_the_turn_alone(
    store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(*args: object, **options: object) -> None:
        raise RenderingError("the chat template refuses this conversation: no")

    assistant = Assistant(store, ScriptedEngine(["fine"]))
    conversation = start(store)
    with monkeypatch.context() as patched:
        patched.setattr("guardrails.rendering.ChatTemplate.render", refuse)
        turn = await assistant.send(conversation, "hi")
        end = await turn.wait()
    assert isinstance(end, Failed)
    assert "template refuses" in end.error
    assert store.message(turn.reply_id).status == "failed"
    assert isinstance(await (await assistant.send(conversation, "again")).wait(), Finished)


def test_a_loop_that_goes_down_stores_the_turn_as_interrupted(store: Store) -> None:
    conversation = start(store)

    async def leave_in_mid_reply() -> int:
        turn = await Assistant(store, ScriptedEngine([Reply("a b c d e f", delay=0.05)])).send(conversation, "hi")
        async for event in turn.events():
            if isinstance(event, Text):
                break
        return turn.reply_id

    reply = store.message(asyncio.run(leave_in_mid_reply()))
    assert reply.status == "interrupted"
    assert reply.content.startswith("a")


async def test_closing_keeps_what_came_and_closes_the_engine(store: Store) -> None:
    engine = ScriptedEngine([Reply("a b c d e f", delay=0.05)])
    assistant = Assistant(store, engine)
    turn = await assistant.send(start(store), "hi")
    await asyncio.sleep(0.12)
    await assistant.close()
    assert store.message(turn.reply_id).status == "interrupted"
    assert engine.closed
