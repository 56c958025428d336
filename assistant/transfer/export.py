"""Conversations as data for files. A blocked reply leaves as the refusal that was shown in its place."""

from __future__ import annotations

from dataclasses import asdict
from typing import Any

from assistant.store.records import Feedback, StoredMessage, Verdict
from assistant.store.store import Store

FORMAT = "steadfast.conversation"
VERSION = 1


def export_json(store: Store, conversation_id: int) -> dict[str, Any]:
    """The whole tree with everything needed to import it again. Raises NotFoundError."""
    conversation = store.conversation(conversation_id)
    messages = store.all_messages(conversation_id)
    verdicts, feedback = store.reviews(conversation_id)
    said = {message.id: _message(message) for message in messages}
    for verdict in verdicts:
        said[verdict.message_id]["verdicts"].append(_review(verdict))
    for given in feedback:
        said[given.message_id]["feedback"].append(_review(given))
    used = {message.persona_version_id for message in messages if message.persona_version_id is not None}
    versions = [store.persona_version(id) for id in sorted(used | {conversation.persona_version_id})]
    return {
        "format": FORMAT,
        "version": VERSION,
        "title": conversation.title,
        "model": conversation.model,
        "engine": conversation.engine,
        "persistence": conversation.persistence,
        "sampling": None if conversation.sampling is None else conversation.sampling.model_dump(mode="json"),
        "guard": conversation.guard,
        "pinned": conversation.pinned,
        "archived": conversation.archived,
        "tags": store.tags(conversation_id),
        "created_at": conversation.created_at,
        "updated_at": conversation.updated_at,
        "active_leaf": conversation.active_leaf_id,
        "persona_version": conversation.persona_version_id,
        "persona_versions": [
            {"id": kept.id, "version": kept.version, "persona": kept.persona.model_dump(mode="json")}
            for kept in versions
        ],
        "messages": list(said.values()),
    }


def export_sharegpt(store: Store, conversation_id: int) -> dict[str, Any]:
    """The active branch as one line of ShareGPT JSONL: what was said, without what failed. Raises NotFoundError."""
    conversation = store.conversation(conversation_id)
    persona = store.persona_version(conversation.persona_version_id).persona
    turns = [{"from": "system", "value": persona.instruction}]
    leaf = conversation.active_leaf_id
    for message in [] if leaf is None else store.branch(leaf):
        if not message.content.strip():
            continue
        side = {"user": "human", "assistant": "gpt", "system": "system"}[message.role]
        if turns[-1]["from"] == side:
            # A message that was never answered; readers of this format expect the sides to alternate.
            turns[-1]["value"] += f"\n\n{message.content}"
        else:
            turns.append({"from": side, "value": message.content})
    return {"conversations": turns}


def _message(message: StoredMessage) -> dict[str, Any]:
    return {
        "id": message.id,
        "parent": message.parent_id,
        "role": message.role,
        "content": message.content,
        "status": message.status,
        "finish_reason": message.finish_reason,
        "error": message.error,
        "model": message.model,
        "params": message.params,
        "prompt_tokens": message.prompt_tokens,
        "completion_tokens": message.completion_tokens,
        "cached_tokens": message.cached_tokens,
        "ttft_ms": message.ttft_ms,
        "duration_ms": message.duration_ms,
        "persona_version": message.persona_version_id,
        "dropped_turns": message.dropped_turns,
        "created_at": message.created_at,
        "verdicts": [],
        "feedback": [],
    }


def _review(review: Verdict | Feedback) -> dict[str, Any]:
    return {key: value for key, value in asdict(review).items() if key not in ("id", "message_id")}
