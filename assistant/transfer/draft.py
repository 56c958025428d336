"""A conversation read from a file, before it is stored."""

from __future__ import annotations

import dataclasses
from dataclasses import dataclass, field
from typing import Any

from assistant.errors import AssistantError
from assistant.personas.persona import Persistence, Persona
from assistant.sampling import Sampling
from assistant.store.records import Feedback, NewConversation, NewMessage, Stricter, Verdict
from assistant.store.store import Store
from assistant.text import clean_text

MAX_MESSAGES = 100_000
MAX_CHARACTERS = 4_000_000
_MAX_INSTRUCTION = 20_000

NEUTRAL = Persona(
    name="imported",
    title="Imported",
    description="Conversations that came from elsewhere.",
    instruction="You are a helpful assistant.",
)


class ItemError(AssistantError):
    """One conversation of a file cannot be imported; the others can."""


@dataclass(slots=True)
class Draft:
    """`personas` are the versions it was held under, the present one first; a row's `persona_version_id` is a place
    in it. `active` is the place of the active leaf in `rows`, `losses` what of the original could not be kept. The
    `message_id` of a review is a place in `rows`.
    """

    personas: list[Persona]
    rows: list[NewMessage]
    active: int | None
    title: str = ""
    model: str = ""
    engine: str = ""
    persistence: Persistence | None = None
    sampling: Sampling | None = None
    guard: Stricter | None = None
    tags: list[str] = field(default_factory=list)
    pinned: bool = False
    archived: bool = False
    losses: list[str] = field(default_factory=list)
    verdicts: list[Verdict] = field(default_factory=list)
    feedback: list[Feedback] = field(default_factory=list)
    created_at: int | None = None
    updated_at: int | None = None


def store_draft(store: Store, draft: Draft, user_id: int | None = None) -> int:
    """Stores the conversation, whole or not at all, as that person's, and gives its id.

    Raises StorageError, ItemError.
    """
    if len(draft.rows) > MAX_MESSAGES:
        raise ItemError(f"has {len(draft.rows)} messages, more than {MAX_MESSAGES}; split it")
    if any(len(row.content) > MAX_CHARACTERS for row in draft.rows):
        raise ItemError(f"has a message of more than {MAX_CHARACTERS} characters; shorten it")
    versions = [store.save_persona(persona).id for persona in draft.personas]
    rows = [
        row
        if row.persona_version_id is None
        else dataclasses.replace(row, persona_version_id=versions[row.persona_version_id])
        for row in draft.rows
    ]
    return store.import_conversation(
        NewConversation(
            versions[0],
            rows,
            active=draft.active,
            title=draft.title,
            model=draft.model,
            engine=draft.engine,
            persistence=draft.persistence,
            sampling=draft.sampling,
            guard=draft.guard,
            pinned=draft.pinned,
            archived=draft.archived,
            tags=draft.tags,
            verdicts=draft.verdicts,
            feedback=draft.feedback,
            created_at=draft.created_at,
            updated_at=draft.updated_at,
            user_id=user_id,
        )
    )


def instructed(base: Persona, instruction: str, losses: list[str]) -> Persona:
    """`base`, or where the file brings an instruction of its own, a persona with that."""
    text = clean_text(instruction)
    if not text.strip() or text == base.instruction:
        return base
    if len(text) > _MAX_INSTRUCTION:
        losses.append(f"its instruction was cut to {_MAX_INSTRUCTION} characters")
    return NEUTRAL.model_copy(update={"instruction": text[:_MAX_INSTRUCTION]})


def text_of(value: Any) -> str:
    """The value where it is text, else nothing."""
    return clean_text(value) if isinstance(value, str) else ""


def milliseconds(value: Any) -> int | None:
    """A time of an export, which may count seconds, milli-, micro- or nanoseconds; None where it is no time."""
    if isinstance(value, bool) or not isinstance(value, int | float) or not 0 < value < 1e20:
        return None
    for unit in (1_000.0, 1.0, 1e-3, 1e-6):
        # The year 2286 in the unit at hand; what lies beyond was in a finer one.
        if value * unit < 1e13:
            return round(value * unit)
    return None
