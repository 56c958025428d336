"""Where dialogues come from: JSONL files of the usual formats, and the product's own conversation store.

One line of a file is one dialogue: `{"messages": [...]}` (OpenAI), `{"conversations": [...]}` (ShareGPT),
`{"turns": ["...", ...]}` (user turns alone), `{"prompt": "..."}` or a JSON string (one user turn).
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

from assistant.text import clean_text
from gatt.errors import GattError

if TYPE_CHECKING:
    from assistant.store.store import Store

FORMATS = ("messages", "conversations", "turns", "prompt")
SPEAKERS = {"user": "user", "human": "user", "assistant": "assistant", "gpt": "assistant", "system": "system"}
PAGE = 200

Rating = Literal["up", "down"]


class SourceError(GattError):
    """A source that cannot be read or has nothing to use; the text names the line and the fix."""


@dataclass(frozen=True, slots=True)
class Dialogue:
    """User turns and the source's own answer to each; None where it has none."""

    id: str
    users: tuple[str, ...]
    answers: tuple[str | None, ...]


@dataclass(frozen=True, slots=True)
class Source:
    """Dialogues with at least one user turn each. `sha256` is that of the file, or of the dialogues' text.

    `topics` stand in their place where the engine is to write the user turns itself (self-play).
    """

    name: str
    sha256: str
    dialogues: tuple[Dialogue, ...] = ()
    topics: tuple[str, ...] = ()


def from_file(path: Path) -> Source:
    """Read a JSONL file.

    Raises:
        SourceError: no such file, a line that is no dialogue, two formats in one file, or no user turns at all.
    """
    try:
        data = path.read_bytes()
        lines = data.decode("utf-8-sig").split("\n")
    except OSError as error:
        raise SourceError(f"source {path}: {error.strerror}") from error
    except UnicodeDecodeError as error:
        raise SourceError(f"source {path} is not UTF-8 at byte {error.start}: convert it first") from error
    dialogues: list[Dialogue] = []
    first: tuple[str, int] | None = None
    for number, line in enumerate(lines, 1):
        if not line.strip():
            continue
        where = f"line {number} of {path}"
        try:
            value = json.loads(line)
        except ValueError as error:
            raise SourceError(f"{where} is not JSON ({error}): a source has one JSON value a line") from error
        kind = _kind(value, where)
        first = first or (kind, number)
        if kind != first[0]:
            raise SourceError(
                f"{where} is a dialogue by {kind!r}, but line {first[1]} is one by {first[0]!r}: "
                "give each format a file of its own"
            )
        dialogue = _dialogue(f"{path.name}:{number}", _messages(kind, value, where))
        if dialogue.users:
            dialogues.append(dialogue)
    return _nonempty(Source(path.name, hashlib.sha256(data).hexdigest(), tuple(dialogues)))


def from_conversations(
    store: Store,
    *,
    feedback: Rating | None = None,
    persona: str | None = None,
    since: datetime | None = None,
    until: datetime | None = None,
) -> Source:
    """The active branches of stored conversations, the oldest first; not the archived, not the trash.

    `feedback` up takes those with a reply last rated up and none down; down those with one down. `since` and `until`
    are about when something was last said.

    Raises:
        SourceError: nothing is left.
        StorageError: the store cannot be read.
    """
    dialogues: list[Dialogue] = []
    for summary in sorted(_summaries(store, persona), key=lambda one: one.id):
        moment = datetime.fromtimestamp(summary.updated_at / 1000, UTC)
        if (since and moment < since) or (until and moment >= until):
            continue
        leaf = store.conversation(summary.id).active_leaf_id
        if leaf is None:
            continue
        branch = store.branch(leaf)
        if feedback and _rated(store, summary.id, {message.id for message in branch}) != feedback:
            continue
        said = [(m.role, m.content if m.role == "user" or m.status == "complete" else "") for m in branch]
        dialogue = _dialogue(f"conversation:{summary.id}", said)
        if dialogue.users:
            dialogues.append(dialogue)
    text = json.dumps([(one.users, one.answers) for one in dialogues], ensure_ascii=False)
    digest = hashlib.sha256(text.encode()).hexdigest()
    return _nonempty(Source("conversations", digest, tuple(dialogues)))


def from_topics(topics: Iterable[str]) -> Source:
    """Topics for self-play. Raises SourceError where there are none."""
    kept = tuple(dict.fromkeys(clean for topic in topics if (clean := " ".join(clean_text(topic).split()))))
    if not kept:
        raise SourceError("there are no topics for self-play: give some, one a line or with commas between")
    return Source("self-play", hashlib.sha256("\n".join(kept).encode()).hexdigest(), topics=kept)


def _nonempty(source: Source) -> Source:
    if not source.dialogues:
        raise SourceError(f"source {source.name} has no user turns: give dialogues in which a user says something")
    return source


def _kind(value: Any, where: str) -> str:
    if isinstance(value, str):
        return "text"
    found = [name for name in FORMATS if isinstance(value, dict) and name in value]
    if len(found) != 1:
        raise SourceError(
            f"{where} has {' and '.join(found) if found else 'none'} of {', '.join(FORMATS)}: "
            "a dialogue is an object with one of them, or a plain string"
        )
    return found[0]


def _messages(kind: str, value: Any, where: str) -> list[tuple[str, str]]:
    """Speaker and text of each message; an unknown speaker is kept by its own name, to end the dialogue there."""
    if kind in ("text", "prompt"):
        said = value if kind == "text" else value[kind]
        if isinstance(said, str):
            return [("user", said)]
        raise SourceError(f"{where}: 'prompt' must be a string; dialogues of several messages go under 'messages'")
    entries = value[kind]
    if not isinstance(entries, list):
        raise SourceError(f"{where}: '{kind}' must be a list")
    if kind == "turns":
        return [item for entry in entries for item in (("user", _text(entry, where)), ("assistant", ""))]
    speaker, words = ("role", "content") if kind == "messages" else ("from", "value")
    messages: list[tuple[str, str]] = []
    for entry in entries:
        if not isinstance(entry, dict) or not isinstance(entry.get(speaker), str) or words not in entry:
            raise SourceError(f"{where}: each of '{kind}' needs '{speaker}' and '{words}'")
        who = entry[speaker]
        messages.append((SPEAKERS.get(who.lower()) or who, _text(entry[words], where)))
    return messages


def _text(value: Any, where: str) -> str:
    if isinstance(value, str):
        return value
    if isinstance(value, list) and all(isinstance(part, dict) and part.get("type") == "text" for part in value):
        return "\n".join(str(part.get("text", "")) for part in value)
    raise SourceError(f"{where}: a message is not text: leave out images, audio and tool calls")


def _dialogue(id: str, messages: Iterable[tuple[str, str]]) -> Dialogue:
    """User and assistant by turns, up to the first message that is out of turn; system messages are left out."""
    users: list[str] = []
    answers: list[str | None] = []
    expected = "user"
    for speaker, text in messages:
        text = clean_text(text)
        if speaker == "system" or (speaker == "assistant" and not users):
            continue
        if speaker != expected or (speaker == "user" and not text.strip()):
            break
        if speaker == "user":
            users.append(text)
            answers.append(None)
        else:
            answers[-1] = text if text.strip() else None
        expected = "assistant" if speaker == "user" else "user"
    return Dialogue(id, tuple(users), tuple(answers))


def _summaries(store: Store, persona: str | None) -> Iterator[Any]:
    offset = 0
    while page := store.list_conversations(PAGE, offset, persona=persona):
        yield from page
        offset += len(page)


def _rated(store: Store, conversation: int, messages: set[int]) -> Rating | None:
    """Down if any reply of the branch is rated down now, up if any is rated up, else None."""
    _, feedback = store.reviews(conversation)
    newest = {one.message_id: one.rating for one in feedback if one.message_id in messages}
    if -1 in newest.values():
        return "down"
    return "up" if 1 in newest.values() else None
