"""One question, one reply, on what `opening` opened."""

from __future__ import annotations

import asyncio
import json
import sys
from typing import Any

from assistant.cli.opening import Opened, Wanted, open_chat, piped_text
from assistant.errors import AssistantError
from assistant.events import Failed, Finished
from assistant.terminal.chat import Chat
from assistant.terminal.screen import PlainScreen, Screen
from assistant.turn import Turn


def run_ask(wanted: Wanted, overrides: dict[str, Any], text: str, *, as_json: bool) -> int:
    """Ask, print, and give the exit code: 1 where the turn failed, 130 where Ctrl-C stopped it."""
    question = "\n\n".join(part for part in (piped_text().strip(), text.strip()) if part)
    if not question:
        raise AssistantError('there is no question: assistant ask "Why is the sky blue?"')
    with open_chat(wanted) as opened:
        return asyncio.run(_ask(opened, overrides, question, as_json))


async def _ask(opened: Opened, overrides: dict[str, Any], question: str, as_json: bool) -> int:
    screen = _screen(as_json)
    chat = Chat(
        opened.assistant,
        opened.library,
        screen,
        opened.persona,
        opened.conversation.id if opened.conversation else None,
        overrides,
    )
    try:
        await chat.say(question)
    finally:
        await opened.assistant.close()
    if isinstance(screen, SilentScreen):
        print(json.dumps(_report(chat, screen.ended), ensure_ascii=True))
    if chat.interrupted:
        return 130
    return 1 if chat.any_failed else 0


class SilentScreen(PlainScreen):
    """Keeps how the turn ended instead of showing it."""

    ended: Finished | Failed

    async def reply(self, turn: Turn) -> Finished | Failed:
        self.ended = await turn.wait()
        if isinstance(self.ended, Failed):
            self.error(self.ended.error)
        return self.ended


def _screen(as_json: bool) -> Screen:
    if as_json:
        return SilentScreen()
    if not sys.stdout.isatty():
        return PlainScreen()
    from assistant.terminal.rich_screen import RichScreen

    return RichScreen()


def _report(chat: Chat, ended: Finished | Failed) -> dict[str, Any]:
    message = chat.assistant.store.message(ended.reply_id)
    report: dict[str, Any] = {
        "reply": message.content,
        "conversation_id": message.conversation_id,
        "message_id": message.id,
        "status": message.status,
        "model": message.model,
        "persona": chat.persona.name,
        "usage": {
            "prompt_tokens": message.prompt_tokens,
            "completion_tokens": message.completion_tokens,
            "cached_tokens": message.cached_tokens,
        },
        "timings": {"ttft_ms": message.ttft_ms, "duration_ms": message.duration_ms},
    }
    if isinstance(ended, Failed):
        report["error"] = ended.error
    return report
