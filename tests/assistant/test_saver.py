"""Growing replies are saved together, each as if it were alone."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Iterator, Mapping
from pathlib import Path

import pytest

from assistant.events import Finished
from assistant.personas.persona import Persona
from assistant.saver import SAVE_SECONDS, Saver
from assistant.service import Assistant
from assistant.store.errors import LockedError, NotFoundError, StorageError
from assistant.store.records import GrowingReply
from assistant.store.store import Store
from tests.scripted_engine import Reply, ScriptedEngine

NOBODY = Persona(name="nobody", title="Nobody", instruction="You answer.")


class Counting:
    """A store that notes what is saved together, and may be slow or locked."""

    def __init__(self, store: Store) -> None:
        self._store = store
        self.saved: list[dict[int, str]] = []
        self.error: Exception | None = None
        self.seconds = 0.0

    def __getattr__(self, name: str) -> object:
        return getattr(self._store, name)

    def grow_replies(self, replies: Mapping[int, GrowingReply]) -> dict[int, bool | StorageError]:
        self.saved.append({id: reply.text for id, reply in replies.items()})
        time.sleep(self.seconds)
        if self.error is not None:
            raise self.error
        return self._store.grow_replies(replies)


@pytest.fixture
def store(tmp_path: Path) -> Iterator[Counting]:
    with Store.open(str(tmp_path / "chat.db")) as store:
        yield Counting(store)


def replies(store: Counting, number: int) -> list[int]:
    """So many replies that have begun."""
    found = []
    for _ in range(number):
        conversation = store._store.create_conversation(store._store.save_persona(NOBODY).id)
        version = conversation.persona_version_id
        turn = store._store.begin_turn(
            conversation.id, None, "hi", model="m", engine="e", params={}, persona_version_id=version
        )
        found.append(turn[1].id)
    return found


def saver(store: Counting) -> Saver:
    return Saver(store)  # type: ignore[arg-type]


async def test_what_is_saved_at_one_moment_is_one_write(store: Counting) -> None:
    ids, ours = replies(store, 20), saver(store)
    assert await asyncio.gather(*(ours.save(id, GrowingReply(f"text {id}")) for id in ids)) == [False] * 20
    assert [len(texts) for texts in store.saved] == [20]
    assert [store._store.message(id).content for id in ids] == [f"text {id}" for id in ids]


async def test_replies_begun_at_any_time_are_saved_at_the_same_moments(store: Counting) -> None:
    ids, ours = replies(store, 3), saver(store)

    async def grow(id: int, late: float) -> None:
        await asyncio.sleep(late)
        await ours.next_save()
        await ours.save(id, GrowingReply("so far"))

    await asyncio.gather(*(grow(id, late) for id, late in zip(ids, (0, 0.01, 0.02), strict=True)))
    # By chance a moment may come between the beginnings.
    assert len(store.saved) <= 2
    assert {id for texts in store.saved for id in texts} == set(ids)


async def test_one_that_asks_to_stop_or_is_gone_is_told_alone(store: Counting) -> None:
    (first, second), ours = replies(store, 2), saver(store)
    store._store.ask_to_stop(second)
    found = await asyncio.gather(
        *(ours.save(id, GrowingReply("x")) for id in (first, second, 99)), return_exceptions=True
    )
    assert found[:2] == [False, True]
    assert isinstance(found[2], NotFoundError)


async def test_what_comes_during_a_write_is_in_the_next(store: Counting) -> None:
    (first, second), ours = replies(store, 2), saver(store)
    store.seconds = 0.1
    writing = asyncio.create_task(ours.save(first, GrowingReply("a")))
    await asyncio.sleep(0.03)
    store.seconds = 0.0
    await ours.save(second, GrowingReply("b"))
    await writing
    assert store.saved == [{first: "a"}, {second: "b"}]


async def test_a_lock_is_told_to_all_and_the_next_save_is_another(store: Counting) -> None:
    ids, ours = replies(store, 2), saver(store)
    store.error = LockedError("locked")
    found = await asyncio.gather(*(ours.save(id, GrowingReply("x")) for id in ids), return_exceptions=True)
    assert [type(error) for error in found] == [LockedError, LockedError]
    store.error = None
    assert await ours.save(ids[0], GrowingReply("x")) is False


async def test_one_who_leaves_takes_no_others_with_it(store: Counting) -> None:
    (first, second), ours = replies(store, 2), saver(store)
    store.seconds = 0.05
    leaving, staying = (asyncio.create_task(ours.save(id, GrowingReply("x"))) for id in (first, second))
    await asyncio.sleep(0.01)
    leaving.cancel()
    assert await staying is False
    assert store._store.message(first).content == "x"


def test_an_event_loop_that_ends_in_mid_save_holds_up_no_later_one(store: Counting) -> None:
    (id,), ours = replies(store, 1), saver(store)

    async def leave() -> None:
        saving = asyncio.create_task(ours.save(id, GrowingReply("x")))
        await asyncio.sleep(0)  # the write is due, and never begins
        assert not saving.done()

    asyncio.run(leave())
    assert asyncio.run(ours.save(id, GrowingReply("y"))) is False
    assert store._store.message(id).content == "y"


async def test_many_turns_are_written_a_few_times_and_lose_nothing(store: Counting) -> None:
    said = [Reply("one two three four five six", delay=SAVE_SECONDS / 3) for _ in range(12)]
    assistant = Assistant(store, ScriptedEngine(said))  # type: ignore[arg-type]
    person = store._store.save_persona(NOBODY).id
    turns = [await assistant.send(store._store.create_conversation(person).id, "hi") for _ in said]
    await asyncio.sleep(SAVE_SECONDS * 1.7)
    grown = [store._store.message(turn.reply_id).content for turn in turns]
    assert all(text and "one two three four five six".startswith(text) for text in grown)
    assert all([isinstance(await turn.wait(), Finished) for turn in turns])
    assert {store._store.message(turn.reply_id).content for turn in turns} == {"one two three four five six"}
    # Twelve turns of two seconds: alone they would be saved some forty times.
    assert len(store.saved) <= 8
