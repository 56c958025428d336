"""The slash command that shows exactly what is sent."""

from __future__ import annotations

from assistant.terminal.chat import Chat


async def context(chat: Chat, argument: str) -> None:
    """Show what the next request sends: its messages with their tokens, what is left out, and the prompt itself."""
    preview = await chat.assistant.preview(
        chat.conversation_id, persona=chat.persona, parent_id=chat.leaf_id, sampling=chat.sampling
    )
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
    chat.screen.note(f"\n{preview.text}")
