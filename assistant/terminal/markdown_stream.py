"""Markdown that grows on a terminal, without flicker and without losing what scrolls away.

Only the end of the text is redrawn. A block that another follows is printed for good; of a block taller than the
screen, such as a long listing, the upper lines are.
"""

from __future__ import annotations

import asyncio
import re
from itertools import pairwise
from types import TracebackType

from rich.console import Console
from rich.live import Live
from rich.markdown import Markdown
from rich.segment import Segment, Segments
from rich.text import Text

from assistant.terminal.safe_text import displayable

FRAME_SECONDS = 0.05
FENCE = re.compile(r" {0,3}(`{3,}|~{3,})")


class MarkdownStream:
    """A context in which `feed` shows text as it comes; leaving it prints the rest for good."""

    def __init__(self, console: Console) -> None:
        self._console = console
        self._live = Live(console=console, auto_refresh=False, transient=True)
        self._tail = ""
        # Lines of the tail's rendering that are already printed for good.
        self._settled = 0
        self._grown = False

    def __enter__(self) -> MarkdownStream:
        self._live.start()
        self._live.update(Text("…", style="dim"), refresh=True)
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._live.update(Segments([]), refresh=True)
        self._live.stop()
        for block in split_blocks(self._tail):
            self._settle(block)
        self._tail = ""

    def feed(self, text: str) -> None:
        """Add text, which the next `draw` or the end shows."""
        self._tail += displayable(text)
        self._grown = True

    async def draw_regularly(self) -> None:
        """Draw a frame whenever there is something new, until cancelled."""
        while True:
            await asyncio.sleep(FRAME_SECONDS)
            self.draw()

    def draw(self) -> None:
        """Show what was fed."""
        if not self._grown:
            return
        self._grown = False
        *finished, self._tail = split_blocks(self._tail)
        for block in finished:
            self._settle(block)
        lines = render_block(self._console, self._tail)
        room = max(self._console.height - 4, 3)
        if len(lines) - self._settled > room:
            until = len(lines) - room // 2
            self._print(lines[self._settled : until])
            self._settled = until
        self._live.update(_segments(lines[self._settled :]), refresh=True)

    def _settle(self, text: str) -> None:
        """Print what is not yet printed of a text that will grow no more."""
        self._print(render_block(self._console, text)[self._settled :])
        self._settled = 0

    def _print(self, lines: list[list[Segment]]) -> None:
        if lines:
            self._console.print(_segments(lines), end="")


def print_markdown(console: Console, text: str) -> None:
    """Print a text that is complete."""
    for block in split_blocks(displayable(text)):
        console.print(_segments(render_block(console, block)), end="")


def render_block(console: Console, text: str) -> list[list[Segment]]:
    """The lines of a block, with an empty one after it; none for an empty block."""
    if not text.strip():
        return []
    # Without hyperlinks a link shows its address, and no text can hide where it leads.
    markdown = Markdown(text, hyperlinks=False)
    _keep_line_breaks(markdown)
    rendered = console.render_lines(markdown, pad=False)
    lines = [_without_padding(line) for line in rendered]
    # Some blocks begin or end with an empty line of their own.
    while lines and not lines[0]:
        del lines[0]
    while lines and not lines[-1]:
        del lines[-1]
    return [*lines, []]


def split_blocks(text: str) -> list[str]:
    """The blocks of a text, at least one; all but the last can change no more when text is added.

    Blocks begin after an empty line, outside code fences, where a line is not indented (an indented one belongs
    to the list item above it).
    """
    starts = [0]
    fence = ""
    position = 0
    after_blank = False
    for line in text.splitlines(keepends=True):
        if not fence and after_blank and not line[0].isspace():
            starts.append(position)
        found = FENCE.match(line)
        if found and not fence:
            fence = found[1]
        elif found and found[1].startswith(fence) and not line[found.end() :].strip():
            fence = ""
        after_blank = not line.strip()
        position += len(line)
    return [text[start:end] for start, end in pairwise([*starts, len(text)])]


def _keep_line_breaks(markdown: Markdown) -> None:
    """Break lines where the text does: CommonMark would join the lines of a verse or an address."""
    for token in markdown.parsed:
        for child in token.children or ():
            if child.type == "softbreak":
                child.type = "hardbreak"


def _without_padding(line: list[Segment]) -> list[Segment]:
    """A line without the spaces at its end, which would be copied with it; coloured ones are part of a block."""
    if not line or (line[-1].style and line[-1].style.bgcolor):
        return line
    text, style, _ = line[-1]
    if kept := text.rstrip(" "):
        return [*line[:-1], Segment(kept, style)]
    return _without_padding(line[:-1])


def _segments(lines: list[list[Segment]]) -> Segments:
    flat: list[Segment] = []
    for line in lines:
        flat += [*line, Segment.line()]
    return Segments(flat)
