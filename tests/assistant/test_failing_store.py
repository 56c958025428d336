"""Turns on a store that fails now and then: what was said stays, and nothing waits for an end that never comes."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from pathlib import Path

import pytest

from assistant.events import Failed, Finished, Notice, Text
from assistant.personas.persona import Persona
from assistant.service import Assistant
from assistant.store.errors import DiskFullError, LockedError
from assistant.store.store import Store
from guardrails.gate import CommitWindow
from guardrails.guard import Guard
from guardrails.policy import Policy
from tests.guardrails.judges import without
from tests.scripted_engine import Reply, ScriptedEngine

PIRATE = Persona(name="pirate", title="Captain Redbeard", instruction="You are Captain Redbeard. Say Arr.")


@pytest.fixture
def store(tmp_path: Path) -> Iterator[Store]:
    with Store.open(str(tmp_path / "chat.db")) as store:
        yield store


def start(store: Store) -> int:
    return store.create_conversation(store.save_persona(PIRATE).id).id


def guarded() -> Guard:
    return Guard(Policy(version=1, name="test"), CommitWindow([without("treasure")]))


class Unwilling:
    """A store whose writes of replies fail with `error`, `times` times."""

    def __init__(self, store: Store, error: Exception, times: int, names: tuple[str, ...]) -> None:
        self._store, self._error, self._left, self._names = store, error, times, names

    def __getattr__(self, name: str) -> object:
        if name not in self._names:
            return getattr(self._store, name)

        def write(*args: object, **options: object) -> object:
            if self._left > 0:
                self._left -= 1
                raise self._error
            return getattr(self._store, name)(*args, **options)

        return write


async def test_a_full_disk_in_mid_reply_is_told_and_the_text_still_comes(
    store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("assistant.reply_record.PATIENCE_SECONDS", 0.0)
    full = Unwilling(store, DiskFullError("the disk is full: free some space"), 1000, ("grow_replies", "finish_reply"))
    assistant = Assistant(full, ScriptedEngine([Reply("a b c d", delay=0.3)]))  # type: ignore[arg-type]
    turn = await assistant.send(start(store), "hi")
    found = [event async for event in turn.events()]
    assert "".join(event.text for event in found if isinstance(event, Text)) == "a b c d"
    assert sum(isinstance(e, Notice) and e.kind == "storage" for e in found) == 1
    assert isinstance(found[-1], Failed)
    assert "disk is full" in found[-1].error


async def test_a_lock_that_passes_costs_nothing(store: Store) -> None:
    locked = Unwilling(store, LockedError("locked"), 2, ("finish_reply",))
    turn = await Assistant(locked, ScriptedEngine(["all of it"])).send(start(store), "hi")  # type: ignore[arg-type]
    assert isinstance(await turn.wait(), Finished)
    assert store.message(turn.reply_id).content == "all of it"


@pytest.mark.parametrize("name", ["grow_replies", "finish_reply"])
async def test_no_error_of_the_store_leaves_a_turn_that_never_ends(store: Store, name: str) -> None:
    broken = Unwilling(store, RuntimeError("can't start new thread"), 1000, (name,))
    engine = ScriptedEngine([Reply("a b c d", delay=0.2)])
    turn = await Assistant(broken, engine, guarded()).send(start(store), "hi")  # type: ignore[arg-type]
    async with asyncio.timeout(10):
        end = await turn.wait()
    assert isinstance(end, Finished if name == "grow_replies" else Failed)


async def test_a_lock_at_the_end_of_a_reply_takes_no_verdict_with_it(store: Store) -> None:
    locked = Unwilling(store, LockedError("locked"), 1, ("finish_reply",))
    assistant = Assistant(locked, ScriptedEngine(["the treasure is here"]), guarded())  # type: ignore[arg-type]
    turn = await assistant.send(start(store), "where?")
    assert isinstance(await turn.wait(), Finished)
    assert [verdict.decision for verdict in store.verdicts(turn.reply_id)] == ["pass", "block"]
    assert store.withheld(turn.reply_id) == ["the treasure is here"]


async def test_a_turn_that_cannot_begin_leaves_a_failed_reply(store: Store) -> None:
    conversation = start(store)
    first = await Assistant(store, ScriptedEngine(["arr"])).send(conversation, "ahoy")
    await first.wait()
    locked = Unwilling(store, LockedError("locked"), 1, ("finish_reply",))
    broken = Unwilling(locked, RuntimeError("a bug"), 2, ("branch",))  # type: ignore[arg-type]
    assistant = Assistant(broken, ScriptedEngine(["arr"]))  # type: ignore[arg-type]
    with pytest.raises(RuntimeError, match="a bug"):
        await assistant.send(conversation, "hi")
    with pytest.raises(RuntimeError, match="a bug"):
        await assistant.retry(conversation)
    failed = store.all_messages(conversation)[3:]
    assert [(reply.status, reply.error) for reply in failed] == [("failed", "RuntimeError: a bug")] * 2
    assert isinstance(await (await assistant.retry(conversation)).wait(), Finished)


async def test_a_lock_before_the_prompt_is_built_is_no_fault_of_the_message(store: Store) -> None:
    conversation = start(store)
    first = await Assistant(store, ScriptedEngine(["arr"])).send(conversation, "ahoy")
    await first.wait()
    locked = Unwilling(store, LockedError("locked"), 1, ("branch",))
    turn = await Assistant(locked, ScriptedEngine(["arr"])).send(conversation, "hi")  # type: ignore[arg-type]
    ended = await turn.wait()
    assert isinstance(ended, Failed)
    assert (ended.error, ended.refused) == ("locked", False)
