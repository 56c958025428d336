"""Runs a chat on what `opening` opened: at a terminal, or over pipes."""

from __future__ import annotations

import asyncio
import io
import sys
from pathlib import Path
from typing import Any

from platformdirs import user_data_path

from assistant.cli.opening import DEMO_LINE, Opened, Wanted, open_chat
from assistant.terminal.chat import Chat, Meter
from assistant.terminal.screen import PlainScreen, Screen


def run_chat(wanted: Wanted, overrides: dict[str, Any]) -> int:
    """Chat until the input ends or the person leaves; the exit code."""
    interactive = sys.stdin is not None and sys.stdin.isatty() and sys.stdout.isatty()
    with open_chat(wanted) as opened:
        meter = Meter()
        screen = _screen(interactive, meter)
        screen.note(_first_line(opened))
        chat = Chat(
            opened.assistant,
            opened.library,
            screen,
            opened.persona,
            opened.conversation.id if opened.conversation else None,
            overrides,
            meter,
        )
        return asyncio.run(_run(chat, interactive))


async def _run(chat: Chat, interactive: bool) -> int:
    try:
        if interactive:
            from assistant.terminal.interactive import run_interactive

            return await run_interactive(chat, history_file())
        from assistant.terminal.piped import run_piped

        return await run_piped(chat, sys.stdin.buffer if sys.stdin else io.BytesIO())
    finally:
        await chat.assistant.close()


def history_file() -> Path:
    """Where the input line keeps what was typed."""
    return user_data_path("steadfast") / "history"


def _screen(interactive: bool, meter: Meter) -> Screen:
    if not interactive:
        return PlainScreen()
    from assistant.terminal.rich_screen import RichScreen

    return RichScreen(watch=meter.watch)


def _first_line(opened: Opened) -> str:
    if opened.is_demo:
        return DEMO_LINE
    return f"{opened.assistant.engine.model}, {opened.engine_reason}"
