"""Runs a chat on what `preparing` found: at a terminal, or over pipes."""

from __future__ import annotations

import asyncio
import io
import sys
from pathlib import Path
from typing import Any

from platformdirs import user_data_path

from assistant.cli.preparing import Wanted, prepare
from assistant.engines import catalog
from assistant.terminal.chat import Chat, Meter
from assistant.terminal.screen import PlainScreen, Screen


def run_chat(wanted: Wanted, overrides: dict[str, Any]) -> int:
    """Chat until the input ends or the person leaves; the exit code."""
    interactive = sys.stdin is not None and sys.stdin.isatty() and sys.stdout.isatty()
    with prepare(wanted) as prepared:
        meter = Meter()
        screen = _screen(interactive, meter)
        if interactive:
            from assistant.terminal.interactive import show_beginning

            # Before the model, which takes seconds to load.
            show_beginning(screen, prepared.branch, prepared.persona)
        opened = prepared.load_model()
        screen.note(_first_line(opened))
        chat = prepared.chat(opened, screen, overrides, meter)
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


def _first_line(opened: catalog.Opened) -> str:
    if opened.is_demo:
        from assistant.cli.demonstration import demo_line

        return demo_line(catalog.BUNDLED_FOLDER)
    return f"{opened.engine.model}, {opened.reason}"
