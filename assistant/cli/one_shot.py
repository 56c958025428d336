"""One question, one reply, on what `opening` opened."""

from __future__ import annotations

import asyncio
import json
import sys
from typing import Any

from assistant.cli.preparing import Wanted, prepare
from assistant.engines import catalog
from assistant.errors import AssistantError
from assistant.events import Failed, Finished
from assistant.terminal.chat import Chat, Meter, on_interrupt
from assistant.terminal.screen import PlainScreen, Screen
from assistant.turn import Turn


def run_ask(wanted: Wanted, overrides: dict[str, Any], text: str, *, as_json: bool) -> int:
    """Ask, print, and give the exit code: 1 where the turn failed, 130 where Ctrl-C stopped it."""
    question = "\n\n".join(part for part in (_piped_text().strip(), text.strip()) if part)
    if not question:
        raise AssistantError('there is no question: assistant ask "Why is the sky blue?"')
    with prepare(wanted) as prepared:
        opened = prepared.load_model()
        if opened.is_demo:
            from assistant.cli.demonstration import demo_line

            print(demo_line(catalog.BUNDLED_FOLDER), file=sys.stderr)
        chat = prepared.chat(opened, _screen(as_json), overrides, Meter())
        return asyncio.run(_ask(chat, question))


async def _ask(chat: Chat, question: str) -> int:
    try:
        with on_interrupt(chat.interrupt):
            await chat.say(question)
    finally:
        await chat.assistant.close()
    if isinstance(chat.screen, SilentScreen):
        print(json.dumps(_report(chat, chat.screen.ended), ensure_ascii=True))
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


def _piped_text() -> str:
    """What was piped in, whatever its bytes; empty at a terminal."""
    if sys.stdin is None or sys.stdin.isatty():
        return ""
    return sys.stdin.buffer.read().decode("utf-8", errors="replace")


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
        "finish_reason": message.finish_reason,
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
