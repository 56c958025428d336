"""The turn pipeline: the one path of every message, for terminal, web page, HTTP API and library alike.

1. The user's message is committed. 2. The prompt is built. 3. A `Turn` generates, gates, and stores the reply.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Coroutine, Sequence
from functools import partial
from typing import Final

from assistant.engines.protocol import Engine
from assistant.errors import AssistantError
from assistant.events import Notice
from assistant.guarding import Guards, guarding, strays
from assistant.personas.persona import Persistence, Persona
from assistant.reply_record import give_up
from assistant.request import Preview, Request, as_exchanges, dropped_before, newest_message
from assistant.sampling import Sampling
from assistant.saver import Saver
from assistant.store.records import Conversation, StoredMessage
from assistant.store.store import Store
from assistant.text import clean_text
from assistant.turn import Turn
from assistant.window import Exchanged, Fitted
from guardrails import adherence
from guardrails.errors import UserError
from guardrails.guard import Guard, unguarded
from guardrails.messages import Message
from guardrails.policy import Policy
from guardrails.rendering import RenderingError

# A stored turn that is to begin: where, who answers, how, the message and its empty reply.
_Begun = tuple[Conversation, Persona, Sampling, StoredMessage, StoredMessage]


class _Active:
    """The type of ACTIVE_LEAF."""


# "After whatever the conversation's active branch ends with", told apart from None, "as a new first message".
ACTIVE_LEAF: Final = _Active()


class Assistant:
    """Conversations on one store and one engine."""

    def __init__(self, store: Store, engine: Engine, guard: Guard | None = None) -> None:
        """Without a guard nothing is judged."""
        self.store = store
        self.engine = engine
        self.guard = guard or unguarded()
        self.guards = Guards(self.guard)
        self._saver = Saver(store)
        self._turns: set[Turn] = set()
        self._running: dict[int, Turn] = {}
        self._starting: set[asyncio.Task[Turn]] = set()

    async def send(
        self,
        conversation_id: int,
        text: str,
        *,
        parent_id: int | _Active | None = ACTIVE_LEAF,
        sampling: Sampling | None = None,
        request_key: str | None = None,
    ) -> Turn:
        """Say something after `parent_id` (a reply's id, or None for a first message) and start the reply.

        The message is committed before anything else happens. Two clients that name the same parent make
        siblings; nothing is overwritten. A client that may have to ask again names its request with `request_key`.

        Raises:
            AssistantError: empty text, unknown conversation or parent, or a store that cannot be written; an
                AlreadySentError where a message with this `request_key` was sent before.
        """
        text = clean_text(text)
        if not text.strip():
            raise AssistantError("the message is empty: say something first")
        store = partial(self._store_sent, conversation_id, text, parent_id, sampling, request_key)
        return await self._own(self._begin(store))

    async def answer(
        self,
        persona: Persona | None,
        history: Sequence[Exchanged],
        text: str,
        *,
        instruction: str,
        sampling: Sampling,
        name: str,
    ) -> Turn:
        """Answer in a conversation that its client keeps: the same path, but nothing of it is stored.

        `instruction` is sent in place of the persona's; without a persona it is all there is. `name` is what the
        engine's cache and the audit log call the conversation.

        Raises:
            AssistantError: the text is empty; a ContextError where it does not fit.
        """
        text = clean_text(text)
        if not text.strip():
            raise AssistantError("the message is empty: say something first")
        anchored = persona is not None and bool(history) and strays(self.guard.policy, persona, history[-1])
        newest = Message("user", text)
        if persona is not None:
            newest = newest_message(persona, text, None, anchored=anchored)
        request = Request(instruction, history, newest, sampling, anchored=anchored)
        fitted = await asyncio.to_thread(request.fit, self.engine)
        return self._run(
            Turn(
                None,
                self.engine,
                guarding(self.guard, persona, partial(request.safer(self.guard.policy).fit, self.engine)),
                fitted,
                sampling,
                name=name,
                policy_hash=self.guard.digest,
                notices=request.notices(fitted),
            )
        )

    async def retry(
        self, conversation_id: int, reply_id: int | None = None, *, sampling: Sampling | None = None
    ) -> Turn:
        """Answer again: a sibling of `reply_id` (default: the active branch's last reply).

        Raises:
            AssistantError: there is no reply to answer again.
        """
        return await self._own(self._begin(partial(self._store_retried, conversation_id, reply_id, sampling)))

    async def edit(self, user_message_id: int, text: str, *, sampling: Sampling | None = None) -> Turn:
        """Say something else instead: a sibling of a user message, with its own reply. The old one stays.

        Raises:
            AssistantError: the message is not a user's, or the text is empty.
        """
        old = await asyncio.to_thread(self.store.message, user_message_id)
        if old.role != "user":
            raise AssistantError(f"message {user_message_id} is not yours to edit: only user messages are")
        return await self.send(old.conversation_id, text, parent_id=old.parent_id, sampling=sampling)

    async def preview(
        self,
        conversation_id: int | None,
        text: str = "",
        *,
        persona: Persona | None = None,
        parent_id: int | _Active | None = ACTIVE_LEAF,
        sampling: Sampling | None = None,
    ) -> Preview:
        """What the next request would send if `text` were said now, after `parent_id`.

        Before there is a conversation, `conversation_id` is None and `persona` says who would answer.

        Raises:
            ContextError: it would not fit.
        """
        persistence, leaf, conversation = None, None, None
        if conversation_id is not None:
            conversation, version = await asyncio.to_thread(self.store.conversation_with_persona, conversation_id)
            persistence, leaf = conversation.persistence, conversation.active_leaf_id
            sampling = sampling or conversation.sampling
            persona = persona or version.persona
        if persona is None:
            raise AssistantError("a preview needs a conversation or a persona")
        sampling = sampling or persona.sampling
        _, fitted = await asyncio.to_thread(
            self._request,
            self.guards.policy(conversation),
            persona,
            sampling,
            clean_text(text),
            persistence,
            leaf if isinstance(parent_id, _Active) else parent_id,
        )
        return Preview.of(fitted, self.engine, sampling)

    def running(self, reply_id: int) -> Turn | None:
        """The turn that is making this reply now, in this process; None when it has ended."""
        return self._running.get(reply_id)

    @property
    def turns(self) -> frozenset[Turn]:
        """Every turn that is running now in this process."""
        return frozenset(self._turns)

    async def close(self) -> None:
        """Stop running turns, keeping what came, and free the engine. The store stays open: it is the caller's."""
        await asyncio.gather(*self._starting, return_exceptions=True)
        turns = list(self._turns)
        for turn in turns:
            turn.stop("interrupted")
        await asyncio.gather(*(turn.wait() for turn in turns))
        await self.engine.close()
        self.guards.close()

    async def _own(self, starting: Coroutine[None, None, Turn]) -> Turn:
        """Start a turn in a task of our own: a client that is cancelled in between leaves no half-begun turn."""
        task = asyncio.create_task(starting)
        self._starting.add(task)
        task.add_done_callback(self._starting.discard)
        return await asyncio.shield(task)

    def _store_sent(
        self,
        conversation_id: int,
        text: str,
        parent_id: int | _Active | None,
        sampling: Sampling | None,
        request_key: str | None,
    ) -> _Begun:
        """Keep what was said, and the empty reply to it."""
        conversation, version = self.store.conversation_with_persona(conversation_id)
        sampling = sampling or conversation.sampling or version.persona.sampling
        asked, reply = self.store.begin_turn(
            conversation_id,
            conversation.active_leaf_id if isinstance(parent_id, _Active) else parent_id,
            text,
            model=self.engine.model,
            engine=self.engine.name,
            params=sampling.model_dump(mode="json"),
            persona_version_id=version.id,
            request_key=request_key,
        )
        return conversation, version.persona, sampling, asked, reply

    def _store_retried(self, conversation_id: int, reply_id: int | None, sampling: Sampling | None) -> _Begun:
        """Keep another empty reply to what was answered, or was to be."""
        conversation, version = self.store.conversation_with_persona(conversation_id)
        sampling = sampling or conversation.sampling or version.persona.sampling
        target = reply_id if reply_id is not None else conversation.active_leaf_id
        if target is None:
            raise AssistantError("there is nothing to answer again yet: say something first")
        asked = self.store.message(target)
        if asked.role == "assistant" and asked.parent_id is not None:
            asked = self.store.message(asked.parent_id)
        if asked.role != "user" or asked.conversation_id != conversation_id:
            raise AssistantError(f"message {target} is no reply of conversation {conversation_id}")
        if sampling.seed is not None:
            # Another reply was asked for: the same seed would give the same one.
            tried = len(self.store.children(conversation_id, asked.id))
            sampling = sampling.model_copy(update={"seed": (sampling.seed + tried) % 2**63})
        reply = self.store.start_reply(
            conversation_id,
            asked.id,
            model=self.engine.model,
            engine=self.engine.name,
            params=sampling.model_dump(mode="json"),
            persona_version_id=version.id,
        )
        return conversation, version.persona, sampling, asked, reply

    async def _begin(self, store: Callable[[], _Begun]) -> Turn:
        """Build the prompt for a message that `store` has stored, and start its reply."""
        # The store and the tokenizer have the thread to themselves twice, not once for each of their calls: where many
        # turns run, changing threads costs more than what most of them do.
        conversation, persona, sampling, asked, reply = await asyncio.to_thread(store)
        notices: tuple[Notice, ...] = ()
        sent: Fitted | AssistantError
        again: Callable[[], Fitted] | None = None
        guard = self.guard
        try:
            guard = await self.guards.guard(conversation)
            request, fitted = await asyncio.to_thread(
                self._request,
                guard.policy,
                persona,
                sampling,
                asked.content,
                conversation.persistence,
                asked.parent_id,
            )
            sent, notices = fitted, request.notices(fitted)
            again = partial(request.safer(guard.policy).fit, self.engine)
        except (UserError, RenderingError) as error:
            # The message is stored: its turn fails, and says why, instead of vanishing.
            sent = error if isinstance(error, AssistantError) else AssistantError(str(error))
        except Exception as error:
            # No turn comes that would end the reply, and the conversation would wait for its end.
            await give_up(self._saver, reply.id, error)
            raise
        turn = Turn(
            self._saver,
            self.engine,
            guarding(guard, persona, again),
            sent,
            sampling,
            name=str(conversation.id),
            conversation_id=conversation.id,
            user_message_id=asked.id,
            reply_id=reply.id,
            policy_hash=guard.digest,
            notices=notices,
        )
        self._running[reply.id] = turn
        turn.when_done(lambda: self._running.pop(reply.id, None))
        return self._run(turn)

    def _run(self, turn: Turn) -> Turn:
        self._turns.add(turn)
        turn.when_done(lambda: self._turns.discard(turn))
        return turn

    def _request(
        self,
        policy: Policy,
        persona: Persona,
        sampling: Sampling,
        text: str,
        persistence: Persistence | None,
        leaf_id: int | None,
    ) -> tuple[Request, Fitted]:
        """What is sent for `text` after the stored message `leaf_id`, and the prompt that this makes."""
        branch = [] if leaf_id is None else self.store.branch(leaf_id)
        anchored = self._strayed(policy, persona, branch)
        newest = newest_message(persona, text, persistence, anchored=anchored)
        request = Request(
            persona.instruction, as_exchanges(branch), newest, sampling, dropped_before(branch), anchored=anchored
        )
        return request, request.fit(self.engine)

    def _strayed(self, policy: Policy, persona: Persona, branch: list[StoredMessage]) -> bool:
        """Whether the branch's last reply kept less of the persona's checks than the policy wants."""
        replies = [message.id for message in branch if message.role == "assistant"]
        if not (replies and persona.checks and policy.adherence):
            return False
        verdicts = self.store.verdicts(replies[-1])
        return any(verdict.judge == adherence.NAME and verdict.decision == "flag" for verdict in verdicts)
