"""Figures for the dashboard: whose, of when, and of which turn."""

from __future__ import annotations

from assistant.store.records import Conversation, NewMessage, PersonaVersion
from assistant.store.store import Store
from tests.assistant.store.saying import judge

DAY = 86_400_000


def talk(store: Store, conversation: int, *, at: int, turns: int) -> list[int]:
    """Turns at a moment; the replies' ids."""
    rows = []
    for turn in range(turns):
        after = 2 * turn - 1 if turn else None
        rows.append(NewMessage("user", f"question {turn}", after=after, created_at=at))
        rows.append(NewMessage("assistant", "answer", after=2 * turn, created_at=at, ttft_ms=100, duration_ms=900))
    return store.add_messages(conversation, rows)[1::2]


def test_messages_are_counted_by_day_and_conversation(store: Store, pirate: PersonaVersion) -> None:
    first, second = (store.create_conversation(pirate.id).id for _ in range(2))
    talk(store, first, at=10 * DAY + 5, turns=2)
    talk(store, second, at=11 * DAY - 1, turns=1)
    talk(store, second, at=12 * DAY, turns=1)
    found = [(count.day // DAY, count.messages, count.conversations) for count in store.daily(0)]
    assert found == [(10, 3, 2), (12, 1, 1)]
    assert [count.day // DAY for count in store.daily(11 * DAY)] == [12]


def test_a_verdict_belongs_to_the_turn_of_its_reply_on_every_branch(store: Store, conversation: Conversation) -> None:
    replies = talk(store, conversation.id, at=DAY, turns=3)
    # Another answer to the second question is of the second turn, and what follows it of the third.
    second = store.message(replies[1]).parent_id
    again, _, after = store.add_messages(
        conversation.id,
        [
            NewMessage("assistant", "another", parent_id=second),
            NewMessage("user", "and then?", after=0),
            NewMessage("assistant", "so", after=1),
        ],
    )
    for number, reply in enumerate([*replies, again, after]):
        judge(store, reply, score=number / 10)
    assert [(verdict.turn, verdict.score) for verdict in store.judged_replies()] == [
        (1, 0.0),
        (2, 0.1),
        (3, 0.2),
        (2, 0.3),
        (3, 0.4),
    ]


def test_times_are_of_replies_that_have_some(store: Store, conversation: Conversation) -> None:
    talk(store, conversation.id, at=DAY, turns=2)
    store.add_messages(conversation.id, [NewMessage("assistant", "imported")])
    assert [(reply.ttft_ms, reply.duration_ms) for reply in store.timed_replies()] == [(100, 900)] * 2


def test_everybody_sees_figures_of_their_own_and_none_of_the_trash(store: Store, pirate: PersonaVersion) -> None:
    ada, bob = (store.add_user(name, "correct horse battery").id for name in ("ada", "bob"))
    owners = [(ada, 1), (bob, 2), (ada, 4)]
    ids = []
    for user, turns in owners:
        ids.append(store.create_conversation(pirate.id, user_id=user).id)
        for reply in talk(store, ids[-1], at=DAY, turns=turns):
            judge(store, reply, score=0.5)
    store.trash(ids[2])

    def seen(user: int | None) -> tuple[int, int, int]:
        messages = sum(count.messages for count in store.daily(0, user_id=user))
        return messages, len(store.judged_replies(user_id=user)), len(store.timed_replies(user_id=user))

    assert seen(ada) == (1, 1, 1)
    assert seen(bob) == (2, 2, 2)
    assert seen(None) == (3, 3, 3)
    store.restore(ids[2])
    assert seen(ada) == (5, 5, 5)
