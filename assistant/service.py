"""The turn pipeline: the one path of every message, for terminal, web page, HTTP API and library alike.

1. The user's message is committed. 2. The prompt is built. 3. A `Turn` generates, gates, and stores the reply.
"""

from __future__ import annotations

import asyncio
from dataclasses import dataclass
from itertools import pairwise
from typing import Final

from assistant.engines.protocol import Engine
from assistant.errors import AssistantError
from assistant.events import Notice
from assistant.personas.persona import Persona
from assistant.sampling import Sampling
from assistant.store.records import Conversation, StoredMessage
from assistant.store.store import Store
from assistant.text import clean_text
from assistant.turn import Turn
from assistant.window import ContextError, Exchanged, Fitted, fit
from guardrails.gate import Gate, OpenGate
from guardrails.messages import Message


class _Active:
    """The type of ACTIVE_LEAF."""


# "After whatever the conversation's active branch ends with", told apart from None, "as a new first message".
ACTIVE_LEAF: Final = _Active()


@dataclass(frozen=True, slots=True)
class Preview:
    """Exactly what a request would send. `tokens` counts each message's text; `total` the whole prompt."""

    messages: list[Message]
    tokens: list[int]
    total: int
    window: int
    reserve: int
    dropped_turns: int
    text: str


class Assistant:
    """Conversations on one store and one engine."""

    def __init__(self, store: Store, engine: Engine, gate: Gate | None = None) -> None:
        self.store = store
        self.engine = engine
        self._gate = gate or OpenGate()
        self._running: dict[int, Turn] = {}

    async def send(
        self,
        conversation_id: int,
        text: str,
        *,
        parent_id: int | _Active | None = ACTIVE_LEAF,
        sampling: Sampling | None = None,
    ) -> Turn:
        """Say something after `parent_id` (a reply's id, or None for a first message) and start the reply.

        The message is committed before anything else happens. Two clients that name the same parent make
        siblings; nothing is overwritten.

        Raises:
            AssistantError: empty text, unknown conversation or parent, or a store that cannot be written.
        """
        text = clean_text(text)
        if not text.strip():
            raise AssistantError("the message is empty: say something first")
        conversation = await asyncio.to_thread(self.store.conversation, conversation_id)
        parent = conversation.active_leaf_id if isinstance(parent_id, _Active) else parent_id
        asked = await asyncio.to_thread(self.store.add_user_message, conversation_id, parent, text)
        return await self._reply_to(conversation, asked, sampling)

    async def retry(
        self, conversation_id: int, reply_id: int | None = None, *, sampling: Sampling | None = None
    ) -> Turn:
        """Answer again: a sibling of `reply_id` (default: the active branch's last reply).

        Raises:
            AssistantError: there is no reply to answer again.
        """
        conversation = await asyncio.to_thread(self.store.conversation, conversation_id)
        target = reply_id if reply_id is not None else conversation.active_leaf_id
        if target is None:
            raise AssistantError("there is nothing to answer again yet: say something first")
        message = await asyncio.to_thread(self.store.message, target)
        if message.role == "assistant" and message.parent_id is not None:
            message = await asyncio.to_thread(self.store.message, message.parent_id)
        if message.role != "user" or message.conversation_id != conversation_id:
            raise AssistantError(f"message {target} is no reply of conversation {conversation_id}")
        return await self._reply_to(conversation, message, sampling)

    async def edit(self, user_message_id: int, text: str, *, sampling: Sampling | None = None) -> Turn:
        """Say something else instead: a sibling of a user message, with its own reply. The old one stays.

        Raises:
            AssistantError: the message is not a user's, or the text is empty.
        """
        old = await asyncio.to_thread(self.store.message, user_message_id)
        if old.role != "user":
            raise AssistantError(f"message {user_message_id} is not yours to edit: only user messages are")
        return await self.send(old.conversation_id, text, parent_id=old.parent_id, sampling=sampling)

    async def preview(self, conversation_id: int, text: str = "") -> Preview:
        """What the next request would send if `text` were said now.

        Raises:
            ContextError: it would not fit.
        """
        conversation = await asyncio.to_thread(self.store.conversation, conversation_id)
        persona = await self._persona(conversation)
        branch = await self._branch(conversation.active_leaf_id)
        newest = _newest(persona, clean_text(text), conversation)
        fitted = self._fit(persona, branch, newest, persona.sampling)
        spans = fitted.rendered.spans
        return Preview(
            messages=fitted.messages,
            tokens=[span.end - span.start for span in spans],
            total=len(fitted.rendered.ids),
            window=self.engine.window,
            reserve=self._reserve(persona.sampling),
            dropped_turns=fitted.dropped_turns,
            text=self.engine.template.decode(fitted.rendered.ids),
        )

    def running(self, reply_id: int) -> Turn | None:
        """The turn that is making this reply now, in this process; None when it has ended."""
        return self._running.get(reply_id)

    async def close(self) -> None:
        """Stop running turns, keeping what came, and free the engine. The store stays open: it is the caller's."""
        turns = list(self._running.values())
        for turn in turns:
            turn.stop("interrupted")
        await asyncio.gather(*(turn.wait() for turn in turns))
        await self.engine.close()

    async def _reply_to(self, conversation: Conversation, asked: StoredMessage, sampling: Sampling | None) -> Turn:
        persona = await self._persona(conversation)
        sampling = sampling or persona.sampling
        branch = await self._branch(asked.parent_id)
        newest = _newest(persona, asked.content, conversation)
        fitted: Fitted | ContextError
        try:
            fitted = await asyncio.to_thread(self._fit, persona, branch, newest, sampling)
            prompt_tokens, dropped = len(fitted.rendered.ids), fitted.dropped_turns
        except ContextError as error:
            fitted, prompt_tokens, dropped = error, 0, _dropped_before(branch)
        reply = await asyncio.to_thread(
            self.store.start_reply,
            conversation.id,
            asked.id,
            model=self.engine.model,
            params=sampling.model_dump(mode="json"),
            persona_version_id=conversation.persona_version_id,
            prompt_tokens=prompt_tokens,
            dropped_turns=dropped,
        )
        notices: tuple[Notice, ...] = ()
        if dropped > _dropped_before(branch):
            notices = (Notice("context", _dropped_notice(dropped)),)
        turn = Turn(
            self.store,
            self.engine,
            self._gate,
            fitted,
            sampling,
            conversation_id=conversation.id,
            user_message_id=asked.id,
            reply_id=reply.id,
            notices=notices,
        )
        self._running[reply.id] = turn
        turn.when_done(lambda: self._running.pop(reply.id, None))
        return turn

    def _fit(self, persona: Persona, branch: list[StoredMessage], newest: Message, sampling: Sampling) -> Fitted:
        return fit(
            self.engine.template,
            persona.instruction,
            as_exchanges(branch),
            newest,
            budget=self.engine.window - self._reserve(sampling),
            dropped_turns=_dropped_before(branch),
        )

    def _reserve(self, sampling: Sampling) -> int:
        """Tokens kept free for the reply: its limit, but never more than half the window."""
        return min(sampling.max_tokens, self.engine.window // 2)

    async def _persona(self, conversation: Conversation) -> Persona:
        version = await asyncio.to_thread(self.store.persona_version, conversation.persona_version_id)
        return version.persona

    async def _branch(self, leaf_id: int | None) -> list[StoredMessage]:
        return [] if leaf_id is None else await asyncio.to_thread(self.store.branch, leaf_id)


def as_exchanges(branch: list[StoredMessage]) -> list[Exchanged]:
    """The branch's turns: each user message that got a reply, with it.

    A message that was never answered (a failed turn, or one stopped before its first word) is no turn and is not
    sent again. A blocked reply counts with the refusal that was shown; the text held back is not in the branch.
    """
    exchanges: list[Exchanged] = []
    for question, reply in pairwise(branch):
        if question.role == "user" and reply.role == "assistant" and reply.content:
            exchanges.append((Message("user", question.content), Message("assistant", reply.content)))
    return exchanges


def _newest(persona: Persona, text: str, conversation: Conversation) -> Message:
    """The newest user message as it is sent: as typed, with the reminder joined to it where that is the mode."""
    reminder = persona.reminder or persona.terse
    if (conversation.persistence or persona.persistence) == "remind" and reminder:
        text = f"{text}\n\n({reminder})"
    return Message("user", text)


def _dropped_before(branch: list[StoredMessage]) -> int:
    return branch[-1].dropped_turns if branch else 0


def _dropped_notice(dropped: int) -> str:
    turns = "1 older turn is" if dropped == 1 else f"{dropped} older turns are"
    return f"{turns} no longer sent to the model; the instruction always is, and nothing is deleted"
