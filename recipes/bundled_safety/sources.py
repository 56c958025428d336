"""The rows of the source files as examples: requests, replies by their label, pairs, chats, and texts alone."""

from __future__ import annotations

import json
import lzma
import re
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any

from guardrails.judge import Exchange
from guardrails.messages import Message, Role
from guardrails.reward.data import Labelled, Pair
from recipes.bundled_safety.config import Source

Example = Pair | Labelled
Row = dict[str, Any]

# A reply that begins so declines: its prompt may be harmful.
DECLINES = re.compile(
    r"\b(?:(?:i|we)(?:'m| am)?(?: really| very| so)?(?: sorry,? but (?:i|we)(?:'m| am)?)?"
    r" (?:can't|cannot|can not|won't|will not|must decline|unable to|not able to)|absolutely not|it should refuse)\b"
)
TURN = re.compile(r"^(user|assistant): ?", re.MULTILINE | re.IGNORECASE)


def read(source: Source, folders: Mapping[str, Path]) -> Iterator[Example]:
    """Everything the source holds, in file order, nothing left out but empty and cut-off texts."""
    for row in _rows(folders[source.folder] / source.file):
        if row["src"] == source.src:
            for one in KINDS[source.kind](row, source):
                prompt = " ".join(message.content for message in prompt_of(one)).casefold()
                if not any(word in prompt for word in source.without):
                    yield one


def licenses(source: Source, folders: Mapping[str, Path]) -> str:
    """What the source's first row says."""
    rows = _rows(folders[source.folder] / source.file)
    return next((str(row.get("license", "")) for row in rows if row["src"] == source.src), "")


def prompt_of(one: Example) -> tuple[Message, ...]:
    return (one.chosen if isinstance(one, Pair) else one.exchange).prompt


def texts_of(one: Example) -> list[str]:
    """Every text of an example, each once."""
    sides = (one.chosen, one.rejected) if isinstance(one, Pair) else (one.exchange,)
    return list(dict.fromkeys([m.content for m in prompt_of(one)] + [side.reply for side in sides if side.reply]))


def kind_of(one: Example) -> str:
    """What is counted apart: pairs, and prompts and replies by their label."""
    if isinstance(one, Pair):
        return "pairs"
    return f"{'safe' if one.safe else 'unsafe'} {'replies' if one.exchange.reply else 'prompts'}"


def declines(reply: str) -> bool:
    """Whether a reply says at once that it does not do what it was asked."""
    return bool(DECLINES.search(reply[:60].casefold().replace("’", "'")))


def _request(row: Row, source: Source) -> Iterator[Example]:
    yield Labelled(source.src, Exchange(_prompt(row["prompt"]), ""), not row["harmful"])


def _reply(row: Row, source: Source) -> Iterator[Example]:
    prompt, reply = _prompt(row["prompt"]), _clean(row["response"])
    if prompt and reply:
        yield Labelled(source.src, Exchange(prompt, reply), not row["unsafe"])
        yield from _prompt_alone(source, prompt, reply)


def _pair(row: Row, source: Source) -> Iterator[Example]:
    chosen, rejected = _clean(row["chosen"]), _clean(row["rejected"])
    if chosen and rejected and chosen != rejected:
        prompt = _prompt(row["prompt"])
        yield Pair(source.src, Exchange(prompt, chosen), Exchange(prompt, rejected))


def _answers(row: Row, source: Source) -> Iterator[Example]:
    """Two safe replies of which one is merely less helpful: to rank them is not a matter of safety."""
    prompt = _prompt(row["prompt"])
    for reply in (_clean(row["chosen"]), _clean(row["rejected"])):
        if reply:
            yield Labelled(source.src, Exchange(prompt, reply), True)
    yield from _prompt_alone(source, prompt, "")


def _chat(row: Row, source: Source) -> Iterator[Example]:
    """The first and, with what was said before, the last exchange of a harmless chat."""
    messages = chat(row)
    places = sorted({1, len(messages) - 1}) if len(messages) > 1 else []
    for place in places:
        yield Labelled(source.src, Exchange(tuple(messages[:place]), messages[place].content), True)
    if places:
        yield from _prompt_alone(source, tuple(messages[:1]), "")


def _text(row: Row, source: Source) -> Iterator[Example]:
    if text := _clean(row["text"]):
        yield Labelled(source.src, Exchange((), text), not row["toxic"])


KINDS: dict[str, Callable[[Row, Source], Iterator[Example]]] = {
    "request": _request,
    "reply": _reply,
    "pair": _pair,
    "answers": _answers,
    "chat": _chat,
    "text": _text,
}


def chat(row: Row) -> list[Message]:
    """The turns of a chat by user and assistant in turn, from the user's first to the assistant's last."""
    messages = list(_prompt(row["turns"]))
    if messages and messages[0].role != "user":
        messages.pop(0)
    if messages and messages[-1].role == "user":
        messages.pop()
    return messages


def _prompt_alone(source: Source, prompt: tuple[Message, ...], reply: str) -> Iterator[Labelled]:
    if source.prompts and not (source.prompts == "unless declined" and declines(reply)):
        yield Labelled(source.src, Exchange(prompt, ""), source.prompts != "harmful")


def _prompt(value: str | list[list[str]]) -> tuple[Message, ...]:
    """Turns, joined where one speaks twice. A text that spells turns out ("user: ...") is taken apart."""
    turns = [("user", value)] if isinstance(value, str) else [(role, text) for role, text in value]
    if isinstance(value, str) and TURN.match(value):
        parts = TURN.split(value)[1:]
        turns = [(role.casefold(), text) for role, text in zip(parts[::2], parts[1::2], strict=True)]
    messages: list[Message] = []
    for named, text in turns:
        role: Role = "user" if named == "user" else "assistant"
        if not (text := _clean(text)):
            continue
        if messages and messages[-1].role == role:
            text = f"{messages.pop().content}\n{text}"
        messages.append(Message(role, text))
    return tuple(messages)


def _clean(text: str) -> str:
    return text.encode("utf-8", "replace").decode().strip()


def _rows(path: Path) -> Iterator[Row]:
    with lzma.open(path, "rt", encoding="utf-8") if path.suffix == ".xz" else path.open(encoding="utf-8") as lines:
        for line in lines:
            yield json.loads(line)
