"""Slash commands that look at a conversation, find in it, write it to a file, or rate it."""

from __future__ import annotations

from collections import Counter

from assistant.errors import AssistantError
from assistant.terminal.chat import Chat
from assistant.terminal.home import typed_path
from assistant.terminal.left_out import left_out_note
from assistant.terminal.safe_text import one_line
from assistant.transfer.write import write_conversation
from guardrails.adherence import NAME as PERSONA

# How much of its persona a reply kept, none to all; and of how many replies this is shown.
BARS = "▁▂▃▄▅▆▇█"
LAST_TURNS = 40
DECISIONS = {"pass": "passed", "flag": "flagged", "block": "held back", "unavailable": "without an answer"}


async def history(chat: Chat, argument: str) -> None:
    """Show this chat's branch."""
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
    if not argument:
        named = "" if chat.conversation_id is None else chat.conversation().title
        chat.screen.show(named or "(no title)")
        return
    chat.assistant.store.set_title(chat.conversation().id, argument)
    chat.screen.note(f"the conversation is now called {argument}")


async def export(chat: Chat, argument: str) -> None:
    """Write the conversation to a file, in the format of its ending."""
    if chat.conversation_id is None:
        raise AssistantError("nothing has been said yet")
    path = typed_path(argument or f"conversation-{chat.conversation_id}.md")
    chat.make_active(chat.conversation_id)
    store = chat.assistant.store
    write_conversation(store, chat.conversation_id, path)
    chat.screen.note(f"written to {path}")
    if note := left_out_note(store, chat.conversation_id, path.suffix.lower().removeprefix(".")):
        chat.screen.note(note)


async def stats(chat: Chat, argument: str) -> None:
    """Sum up the conversation."""
    if chat.conversation_id is None:
        raise AssistantError("nothing has been said yet")
    sums = chat.assistant.store.stats(chat.conversation_id)
    seconds = sums.duration_ms / 1000
    rate = f"{sums.completion_tokens / seconds:.0f} tokens/s" if seconds else "no time measured"
    first = f"{sums.ttft_ms:.0f} ms" if sums.ttft_ms is not None else "none yet"
    rows = [
        ("turns", f"{sums.turns}, {sums.replies} replies"),
        ("prompt", f"{sums.prompt_tokens} tokens, {sums.cached_tokens} of them from the cache"),
        ("replies", f"{sums.completion_tokens} tokens in {seconds:.1f} s, {rate}"),
        ("first word", f"after {first} on average" if sums.ttft_ms is not None else first),
        ("model", chat.assistant.engine.model),
        *_judged(chat),
    ]
    chat.screen.show("\n".join(f"{name:<14}{value}" for name, value in rows))


def _judged(chat: Chat) -> list[tuple[str, str]]:
    """How the persona was kept on this branch, and what the guard decided."""
    branch = {message.id for message in chat.branch()}
    verdicts, _ = chat.assistant.store.reviews(chat.conversation().id)
    rows = []
    kept = [verdict.score or 0.0 for verdict in verdicts if verdict.judge == PERSONA and verdict.message_id in branch]
    if kept:
        bars = "".join(BARS[round(score * (len(BARS) - 1))] for score in kept[-LAST_TURNS:])
        rows.append(("in character", f"{sum(kept) / len(kept):.0%} over {len(kept)} replies  {bars}"))
    guard = chat.assistant.guard.policy
    counts = Counter(verdict.decision for verdict in verdicts if verdict.judge != PERSONA)
    decided = ", ".join(f"{n} {DECISIONS.get(decision, decision)}" for decision, n in sorted(counts.items()))
    rows.append(("guard", ": ".join(filter(None, [guard.name, decided]))))
    return rows


async def good(chat: Chat, argument: str) -> None:
    """Rate the last reply as good."""
    _rate(chat, 1, argument)


async def bad(chat: Chat, argument: str) -> None:
    """Rate the last reply as bad."""
    _rate(chat, -1, argument)


def _rate(chat: Chat, rating: int, comment: str) -> None:
    chat.assistant.store.add_feedback(chat.last("assistant").id, rating, comment)
    chat.screen.note("noted, thank you")
