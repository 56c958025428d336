"""The slash command that shows exactly what is sent."""

from __future__ import annotations

from assistant.service import Preview
from assistant.terminal.chat import Chat
from guardrails.messages import Message


async def context(chat: Chat, argument: str) -> None:
    """Show what the next request sends: its messages with their tokens, what is left out, and the prompt itself."""
    preview = await _preview(chat)
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


async def _preview(chat: Chat) -> Preview:
    if chat.conversation_id is not None:
        chat.make_active(chat.conversation_id)
        return await chat.assistant.preview(chat.conversation_id, sampling=chat.sampling)
    # Looking must not begin a conversation.
    engine = chat.assistant.engine
    messages = [Message("system", chat.persona.instruction), Message("user", "")]
    rendered = engine.template.render(messages)
    return Preview(
        messages=messages,
        tokens=[span.end - span.start for span in rendered.spans],
        total=len(rendered.ids),
        window=engine.window,
        reserve=min(chat.sampling.max_tokens, engine.window // 2),
        dropped_turns=0,
        text=engine.template.decode(rendered.ids),
    )
