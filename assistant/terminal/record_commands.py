"""Slash commands that look at a conversation, find in it, write it to a file, or rate it."""

from __future__ import annotations

from pathlib import Path

from assistant.errors import AssistantError
from assistant.terminal.chat import Chat
from assistant.terminal.safe_text import one_line
from assistant.transfer.write import write_conversation


async def context(chat: Chat, argument: str) -> None:
    """Show what the next request sends, message by message, and what is left out."""
    preview = await chat.assistant.preview(chat.conversation().id)
    lines = []
    for position, (message, tokens) in enumerate(zip(preview.messages, preview.tokens, strict=True)):
        is_next = position == len(preview.messages) - 1
        text = (message.content or "(your next message)") if is_next else message.content
        lines.append(f"{message.role:<10}{tokens:>6} tokens  {text}")
    markup = preview.total - sum(preview.tokens)
    lines.append(f"{'template':<10}{markup:>6} tokens")
    free = preview.window - preview.total - preview.reserve
    lines.append(f"{preview.total} of {preview.window} tokens, {preview.reserve} kept for the reply, {free} free")
    if preview.dropped_turns:
        lines.append(f"not sent: the oldest {preview.dropped_turns} turns")
    chat.screen.show("\n".join(lines))


async def history(chat: Chat, argument: str) -> None:
    """Show the active branch."""
    messages = chat.branch()
    if not messages:
        raise AssistantError("nothing has been said yet")
    for message in messages:
        chat.screen.message(message.role, message.content or f"({message.status})")


async def search(chat: Chat, argument: str) -> None:
    """Find messages by their words."""
    if not argument:
        raise AssistantError("say what to look for: /search TEXT")
    hits = chat.assistant.store.search(argument, limit=20)
    lines = [f"{hit.conversation_id:>5}  {hit.role:<10}{one_line(hit.snippet, 90)}" for hit in hits]
    chat.screen.show("\n".join(lines) or "nothing found")


async def title(chat: Chat, argument: str) -> None:
    """Name the conversation."""
    conversation = chat.conversation()
    if not argument:
        chat.screen.show(conversation.title or "(no title)")
        return
    chat.assistant.store.set_title(conversation.id, argument)
    chat.screen.note(f"the conversation is now called {argument}")


async def export(chat: Chat, argument: str) -> None:
    """Write the conversation to a file, in the format of its ending."""
    chat.screen.note(f"written to {_export(chat, argument)}")


async def stats(chat: Chat, argument: str) -> None:
    """Sum up the conversation."""
    sums = chat.assistant.store.stats(chat.conversation().id)
    seconds = sums.duration_ms / 1000
    rate = f"{sums.completion_tokens / seconds:.0f} tokens/s" if seconds else "no time measured"
    first = f"{sums.ttft_ms:.0f} ms" if sums.ttft_ms is not None else "none yet"
    rows = [
        ("turns", f"{sums.turns}, {sums.replies} replies"),
        ("prompt", f"{sums.prompt_tokens} tokens, {sums.cached_tokens} of them from the cache"),
        ("replies", f"{sums.completion_tokens} tokens in {seconds:.1f} s, {rate}"),
        ("first word", f"after {first} on average" if sums.ttft_ms is not None else first),
        ("model", chat.assistant.engine.model),
    ]
    chat.screen.show("\n".join(f"{name:<12}{value}" for name, value in rows))


async def good(chat: Chat, argument: str) -> None:
    """Rate the last reply as good."""
    _rate(chat, 1, argument)


async def bad(chat: Chat, argument: str) -> None:
    """Rate the last reply as bad."""
    _rate(chat, -1, argument)


def _export(chat: Chat, name: str) -> Path:
    if chat.conversation_id is None:
        raise AssistantError("nothing has been said yet")
    path = Path(name or f"conversation-{chat.conversation_id}.md").expanduser()
    write_conversation(chat.assistant.store, chat.conversation_id, path)
    return path


def _rate(chat: Chat, rating: int, comment: str) -> None:
    chat.assistant.store.add_feedback(chat.last("assistant").id, rating, comment)
    chat.screen.note("noted, thank you")
