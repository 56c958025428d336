"""Conversations to compare, and random ones."""

from __future__ import annotations

from typing import Any

from hypothesis import strategies as st

from assistant.personas.persona import Persona
from assistant.sampling import Sampling
from assistant.store.records import Feedback, NewConversation, NewMessage, Verdict
from assistant.store.store import Store
from assistant.transfer.export import export_json
from tests.assistant.store.saying import judge

ADA = Persona(name="ada", title="Ada", instruction="Speak as Ada Lovelace.")
BOB = Persona(name="bob", title="Bob -->", instruction="Be Bob.\n<!-- -->", extensions={"card": {"x": None}})

# What every database holds: no lone surrogates and no NUL, which the store replaces.
texts = st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\0"), max_size=40)
tricky = st.sampled_from(
    [
        "```python\nprint('<!-- x -->')\n```\n",
        "\n\nleading and trailing\n\n\n",
        "### You, 2026-01-01 00:00 UTC\n\nnot a heading",
        "a\r\nb\rc\u2028d\x85e\x0cf",
        "<!-- steadfast.conversation 000000000000 {} -->\n",
        "",
    ]
)
counts = st.integers(0, 2**31 - 1)
jsons = st.dictionaries(texts, st.none() | st.booleans() | st.integers(-(2**53), 2**53) | texts, max_size=2)


moments = st.integers(0, 4_102_444_800_000)
reals = st.floats(allow_nan=False, allow_infinity=False)


@st.composite
def reviewed(draw: st.DrawFn, persona_version_id: int, rows: list[NewMessage]) -> NewConversation:
    """A conversation of `rows` with random marks, times, verdicts and feedback."""
    places = st.integers(0, len(rows) - 1) if rows else st.nothing()
    verdicts = st.builds(
        Verdict,
        id=st.just(0),
        message_id=places,
        stage=texts.map(lambda text: text[:32]),
        judge=texts,
        judge_version=texts,
        score=st.none() | reals,
        threshold=st.none() | reals,
        decision=st.sampled_from(["pass", "block"]),
        reason=texts | tricky,
        policy_hash=texts,
        latency_ms=reals,
        created_at=moments,
    )
    feedback = st.builds(
        Feedback,
        id=st.just(0),
        message_id=places,
        rating=st.sampled_from([-1, 1]),
        comment=texts | tricky,
        created_at=moments,
    )
    return NewConversation(
        persona_version_id,
        rows,
        active=draw(st.none() | places),
        title=draw(texts),
        model=draw(texts),
        engine=draw(texts),
        persistence=draw(st.sampled_from([None, "pin", "remind"])),
        sampling=draw(st.sampled_from([None, Sampling(temperature=0, seed=7, stop=("END",))])),
        guard=draw(st.sampled_from([None, "strict"])),
        pinned=draw(st.booleans()),
        archived=draw(st.booleans()),
        tags=draw(st.lists(texts, max_size=3)),
        verdicts=draw(st.lists(verdicts, max_size=3)) if rows else [],
        feedback=draw(st.lists(feedback, max_size=3)) if rows else [],
        created_at=draw(moments),
        updated_at=draw(moments),
    )


@st.composite
def trees(draw: st.DrawFn) -> list[NewMessage]:
    """Rows of a random tree; `persona_version_id` is 0, 1 or None, to be replaced by a stored version."""
    rows = []
    for place in range(draw(st.integers(0, 7))):
        rows.append(
            NewMessage(
                role=draw(st.sampled_from(["user", "assistant", "system"])),
                content=draw(texts | tricky),
                after=draw(st.none() | st.integers(0, place - 1)) if place else None,
                status=draw(st.sampled_from(["complete", "stopped", "interrupted", "blocked", "failed"])),
                created_at=draw(st.integers(0, 4_102_444_800_000)),
                finish_reason=draw(st.none() | texts),
                error=draw(st.none() | texts),
                model=draw(texts),
                params=draw(jsons),
                prompt_tokens=draw(counts),
                completion_tokens=draw(counts),
                cached_tokens=draw(counts),
                ttft_ms=draw(st.none() | counts),
                duration_ms=draw(st.none() | counts),
                persona_version_id=draw(st.none() | st.integers(0, 1)),
                dropped_turns=draw(counts),
            )
        )
    return rows


def plain(exported: dict[str, Any]) -> dict[str, Any]:
    """An export with ids that count from 0."""
    ids = {message["id"]: place for place, message in enumerate(exported["messages"])}
    personas = {kept["id"]: kept["persona"] for kept in exported["persona_versions"]}
    messages = [
        {
            **message,
            "id": ids[message["id"]],
            "parent": ids.get(message["parent"]),
            "persona_version": personas.get(message["persona_version"]),
        }
        for message in exported["messages"]
    ]
    rest = {key: value for key, value in exported.items() if key not in ("persona_versions", "messages")}
    return {
        **rest,
        "active_leaf": ids.get(exported["active_leaf"]),
        "persona_version": personas[exported["persona_version"]],
        "messages": messages,
    }


def said(store: Store, conversation_id: int) -> list[tuple[str, str]]:
    """Role and text of the active branch."""
    leaf = store.conversation(conversation_id).active_leaf_id
    return [(message.role, message.content) for message in store.branch(leaf)] if leaf else []


def sample(store: Store) -> int:
    """A conversation with a branch, a blocked reply, two persona versions and every mark."""
    old = store.save_persona(ADA).id
    new = store.save_persona(ADA.model_copy(update={"sampling": Sampling(temperature=0)})).id
    id = store.create_conversation(new, title="Engines & <b>", model="tiny", engine="scripted").id
    rows = [
        NewMessage("user", "What is an engine?", created_at=1_700_000_000_000),
        NewMessage("assistant", "A machine.", after=0, persona_version_id=old, model="tiny", ttft_ms=12),
        NewMessage("user", "Show code", after=1),
        NewMessage("assistant", "I cannot help with that.", after=2, status="blocked"),
        NewMessage("assistant", "```py\n    x = 1\n```", after=2, status="stopped", persona_version_id=new),
    ]
    ids = store.add_messages(id, rows)
    store.set_active_leaf(id, ids[3])
    store.add_tag(id, "maths")
    store.add_tag(id, "history")
    store.set_pinned(id, True)
    store.set_archived(id, True)
    store.set_persistence(id, "remind")
    judge(
        store,
        ids[3],
        judge="reward",
        judge_version="2",
        passed=False,
        score=0.25,
        threshold=0.5,
        reason="unsafe -->",
        policy_hash="abc",
        latency_ms=1.5,
    )
    store.add_feedback(ids[1], 1)
    store.add_feedback(ids[1], -1, "on reflection\nno")
    return id


def exported(store: Store, conversation_id: int) -> dict[str, Any]:
    return plain(export_json(store, conversation_id))
