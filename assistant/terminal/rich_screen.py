"""A chat on a terminal."""

from __future__ import annotations

import asyncio
from collections.abc import Callable

from rich.console import Console
from rich.text import Text as Styled

from assistant.events import Blocked, Event, Failed, Finished, Notice, Retracted, Text
from assistant.terminal.markdown_stream import MarkdownStream, print_markdown
from assistant.terminal.quiet_keys import quiet_keys
from assistant.terminal.safe_text import displayable
from assistant.terminal.screen import ending_note, retracted_note
from assistant.turn import Turn


class RichScreen:
    """Streams replies as Markdown; `watch` sees every event, for the bottom line."""

    def __init__(self, console: Console | None = None, watch: Callable[[Event], None] | None = None) -> None:
        self.console = console or Console(highlight=False)
        self._watch = watch

    def note(self, text: str) -> None:
        self.console.print(Styled(displayable(text), style="dim"))

    def show(self, text: str) -> None:
        self.console.print(Styled(displayable(text)))

    def error(self, text: str) -> None:
        self.console.print(Styled(f"error: {displayable(text)}", style="red"))

    def message(self, role: str, text: str) -> None:
        if role == "assistant":
            print_markdown(self.console, text)
        else:
            self.console.print(Styled(f"> {displayable(text)}\n", style="bold"))

    async def reply(self, turn: Turn) -> Finished | Failed:
        reply, held_back = "", ""
        with quiet_keys(), MarkdownStream(self.console) as stream:
            drawing = asyncio.create_task(stream.draw_regularly())
            try:
                async for event in turn.events():
                    if self._watch:
                        self._watch(event)
                    match event:
                        case Text(text=text):
                            reply += text
                            stream.feed(text)
                        case Retracted(reason=reason):
                            stream.feed("\n\n" if reply else "")
                            self.note(retracted_note(reason, reply))
                            reply = ""
                        case Blocked(text=text, reason=held_back):
                            stream.feed(f"\n\n{text}" if reply else text)
                        case Notice(text=text):
                            self.note(text)
                        case _:
                            pass
            finally:
                drawing.cancel()
        if isinstance(event, Failed):
            self.error(event.error)
            return event
        if not isinstance(event, Finished):
            raise AssertionError("a turn's events end with Finished or Failed")
        if note := ending_note(event, reply, held_back):
            self.note(note)
        return event
