"""A chat over pipes: a message a line in, a reply each out."""

from __future__ import annotations

import signal
from typing import BinaryIO

from assistant.errors import AssistantError
from assistant.terminal.chat import Chat
from assistant.terminal.commands import take

# Without a limit, input without a line's end would fill the memory.
LONGEST_LINE = 16 * 2**20


async def run_piped(chat: Chat, source: BinaryIO) -> int:
    """Answer every line of `source`; the exit code is 1 if any could not be answered, 130 after a Ctrl-C."""
    # Reading blocks the event loop, so Ctrl-C must raise by itself; while a reply runs, it stops the reply.
    signal.signal(signal.SIGINT, signal.default_int_handler)
    while not chat.leaving:
        data = source.readline(LONGEST_LINE)
        if not data:
            break
        line = data.decode("utf-8", errors="replace").rstrip("\r\n")
        if not line.strip():
            continue
        try:
            await take(chat, line)
        except AssistantError as error:
            chat.any_failed = True
            chat.screen.error(str(error))
        if chat.interrupted:
            return 130
    return 1 if chat.any_failed else 0
