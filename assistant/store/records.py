"""What the store returns: plain values that outlive the transaction they were read in. Times are UTC milliseconds."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any, Literal

from assistant.events import Status
from assistant.personas.persona import Persistence, Persona
from assistant.sampling import Sampling

Role = Literal["system", "user", "assistant"]
# A guard that a conversation may ask for: never a laxer one than whoever runs the program has set.
Stricter = Literal["strict"]


@dataclass(frozen=True, slots=True)
class PersonaVersion:
    """A persona as it was when it was saved; `version` counts from 1 within its name."""

    id: int
    name: str
    version: int
    persona: Persona
    created_at: int


@dataclass(frozen=True, slots=True)
class Conversation:
    """`persistence` is None where the persona's own setting holds; `deleted_at` is set while it is in the trash.
    `messages` counts all branches. `user_id` says whose it is, None where nobody had to log in. `sampling` is None
    where the persona's holds, `guard` where the program's own does."""

    id: int
    title: str
    persona_version_id: int
    active_leaf_id: int | None
    model: str
    engine: str
    persistence: Persistence | None
    pinned: bool
    archived: bool
    messages: int
    deleted_at: int | None
    created_at: int
    updated_at: int
    user_id: int | None
    sampling: Sampling | None = None
    guard: Stricter | None = None


@dataclass(frozen=True, slots=True)
class User:
    """Somebody who logs in; `conversations` are those of theirs outside the trash."""

    id: int
    name: str
    created_at: int
    conversations: int


@dataclass(frozen=True, slots=True)
class ConversationSummary:
    """One line of a list. `persona` is the persona's name; `updated_at` is when something was last said."""

    id: int
    title: str
    persona: str
    model: str
    pinned: bool
    archived: bool
    messages: int
    deleted_at: int | None
    created_at: int
    updated_at: int
    tags: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class StoredMessage:
    """`dropped_turns` is how many older turns were not sent with the request that made this reply."""

    id: int
    conversation_id: int
    parent_id: int | None
    role: Role
    content: str
    status: Status
    finish_reason: str | None
    error: str | None
    model: str
    params: dict[str, Any]
    prompt_tokens: int
    completion_tokens: int
    cached_tokens: int
    ttft_ms: int | None
    duration_ms: int | None
    persona_version_id: int | None
    dropped_turns: int
    created_at: int
    updated_at: int


@dataclass(frozen=True, slots=True)
class GrowingReply:
    """All of a reply so far, and what was sent for it."""

    text: str
    prompt_tokens: int = 0
    dropped_turns: int = 0


@dataclass(frozen=True, slots=True)
class NewMessage:
    """A message to import.

    The parent is either `after`, the position of an earlier message in the same list, or `parent_id`, a stored
    message; with neither it is a root. `created_at` None means now.
    """

    role: Role
    content: str
    after: int | None = None
    parent_id: int | None = None
    status: Status = "complete"
    created_at: int | None = None
    finish_reason: str | None = None
    error: str | None = None
    model: str = ""
    params: dict[str, Any] = field(default_factory=dict)
    prompt_tokens: int = 0
    completion_tokens: int = 0
    cached_tokens: int = 0
    ttft_ms: int | None = None
    duration_ms: int | None = None
    persona_version_id: int | None = None
    dropped_turns: int = 0


@dataclass(frozen=True, slots=True)
class SearchHit:
    """`snippet` is one line of plain text; `matches` are the (start, end) offsets in it of the words that were found,
    for a client to highlight."""

    message_id: int
    conversation_id: int
    title: str
    role: Role
    snippet: str
    created_at: int
    matches: tuple[tuple[int, int], ...] = ()


@dataclass(frozen=True, slots=True)
class Verdict:
    """A judge's score and decision on a message; `score` is None where the judge gave none."""

    id: int
    message_id: int
    stage: str
    judge: str
    judge_version: str
    score: float | None
    threshold: float | None
    decision: str
    reason: str
    policy_hash: str
    latency_ms: float
    created_at: int


@dataclass(frozen=True, slots=True)
class Feedback:
    """A person's rating of a message: -1 or 1."""

    id: int
    message_id: int
    rating: int
    comment: str
    created_at: int


@dataclass(frozen=True, slots=True)
class ApiKey:
    """What is kept of a key of the HTTP API. `hint` is how the key begins."""

    id: int
    name: str
    hint: str
    scopes: tuple[str, ...]
    created_at: int
    revoked_at: int | None


@dataclass(frozen=True, slots=True)
class NewConversation:
    """A conversation to import, whose messages name each other by their places in `messages`.

    `active` is the active leaf's place, and the `message_id` of a review is a place too; its `id` does not count.
    `created_at` None means now, `updated_at` None the newest message's time. `user_id` is whose it is from the first.
    """

    persona_version_id: int
    messages: Sequence[NewMessage]
    active: int | None = None
    title: str = ""
    model: str = ""
    engine: str = ""
    persistence: Persistence | None = None
    sampling: Sampling | None = None
    guard: Stricter | None = None
    pinned: bool = False
    archived: bool = False
    tags: Sequence[str] = ()
    verdicts: Sequence[Verdict] = ()
    feedback: Sequence[Feedback] = ()
    created_at: int | None = None
    updated_at: int | None = None
    user_id: int | None = None


@dataclass(frozen=True, slots=True)
class ConversationStats:
    """Sums over all branches of a conversation. `turns` are user messages; `ttft_ms` is a mean."""

    turns: int
    messages: int
    replies: int
    prompt_tokens: int
    completion_tokens: int
    cached_tokens: int
    duration_ms: int
    ttft_ms: float | None


@dataclass(frozen=True, slots=True)
class Counts:
    """How much a store holds. `conversations` leaves out the `trashed`."""

    conversations: int
    archived: int
    trashed: int
    messages: int
    personas: int


@dataclass(frozen=True, slots=True)
class DayCount:
    """What people wrote on the day that begins at `day` (UTC ms)."""

    day: int
    messages: int
    conversations: int


@dataclass(frozen=True, slots=True)
class JudgedReply:
    """A verdict, and which turn its reply belongs to."""

    turn: int
    judge: str
    stage: str
    decision: str
    score: float | None
    latency_ms: float


@dataclass(frozen=True, slots=True)
class TimedReply:
    """How long a reply took."""

    model: str
    status: Status
    ttft_ms: int | None
    duration_ms: int
    completion_tokens: int
