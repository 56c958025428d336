"""Where a chat shows itself. Commands and loops write to a `Screen`; two exist: rich terminals and plain pipes."""

from __future__ import annotations

import sys
from typing import Protocol

from assistant.events import Blocked, Failed, Finished, Notice, Retracted, Text
from assistant.terminal.safe_text import displayable
from assistant.turn import Turn


class Screen(Protocol):
    """What a chat writes to."""

    def note(self, text: str) -> None:
        """A word of the program, apart from what was asked for."""
        ...

    def show(self, text: str) -> None:
        """What a command was asked for, as plain text."""
        ...

    def error(self, text: str) -> None: ...

    def message(self, role: str, text: str) -> None:
        """A message of the past, or a greeting."""
        ...

    async def reply(self, turn: Turn) -> Finished | Failed:
        """Show a reply as it grows, until its turn ends."""
        ...


class PlainScreen:
    """Replies alone on stdout, without any escape sequence; everything else on stderr."""

    def note(self, text: str) -> None:
        print(displayable(text), file=sys.stderr)

    def show(self, text: str) -> None:
        print(displayable(text), file=sys.stderr)

    def error(self, text: str) -> None:
        print(f"error: {displayable(text)}", file=sys.stderr)

    def message(self, role: str, text: str) -> None:
        print(displayable(text), file=sys.stderr)

    async def reply(self, turn: Turn) -> Finished | Failed:
        shown, held_back = "", ""
        async for event in turn.events():
            match event:
                case Text(text=text):
                    shown += text
                    sys.stdout.write(displayable(text))
                    sys.stdout.flush()
                case Retracted(reason=reason):
                    self.note(retracted_note(reason, shown))
                    sys.stdout.write("\n" if shown else "")
                    shown = ""
                case Blocked(text=text, reason=held_back):
                    sys.stdout.write("\n" + displayable(text) if shown else displayable(text))
                case Notice(text=text):
                    self.note(text)
                case Finished() | Failed():
                    sys.stdout.write("\n")
                    sys.stdout.flush()
                    if isinstance(event, Failed):
                        self.error(event.error)
                    elif note := ending_note(event, shown, held_back):
                        self.note(note)
                    return event
                case _:
                    pass
        raise AssertionError("a turn's events end with Finished or Failed")


def retracted_note(reason: str, shown: str) -> str:
    """What to say where a reply begins anew."""
    return f"{'taken back' if shown else 'held back'} by the guard ({reason}); here is another reply"


def ending_note(finished: Finished, reply: str, held_back: str) -> str:
    """What to say under a reply that did not end by itself; empty for one that did."""
    if finished.status == "blocked":
        return f"held back by the guard: {held_back}"
    if finished.status in ("stopped", "interrupted"):
        words = len(reply.split())
        return f"stopped; kept {words} {'word' if words == 1 else 'words'}"
    if finished.finish_reason == "length":
        return f"cut at {finished.completion_tokens} tokens, the limit of a reply (--max-tokens)"
    return ""
