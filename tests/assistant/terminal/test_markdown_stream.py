"""Markdown that grows ends as if it had been printed at once, whatever its pieces."""

from __future__ import annotations

import io

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from rich.console import Console

from assistant.terminal.markdown_stream import MarkdownStream, print_markdown, split_blocks

LONG_LISTING = "Look:\n\n```python\n" + "\n".join(f"line_{n} = {n}" for n in range(60)) + "\n```\n\nDone.\n"
LISTS = "- one\n\n  more of one\n\n- two\n\n1. first\n2. second\n\nText with **bold** and `code`.\n"


def console(width: int = 60, height: int = 20) -> Console:
    return Console(file=io.StringIO(), width=width, height=height, force_terminal=True, color_system=None)


def written(console: Console) -> str:
    assert isinstance(console.file, io.StringIO)
    return console.file.getvalue()


def screen(output: str) -> list[str]:
    """The lines on a tall screen after `output`: what is written, moved over and erased."""
    lines, row, column, position = [""], 0, 0, 0
    while position < len(output):
        char = output[position]
        position += 1
        if char == "\n":
            row, column = row + 1, 0
            if row == len(lines):
                lines.append("")
        elif char == "\r":
            column = 0
        elif char == "\x1b":
            end = position + 1
            while not output[end].isalpha():
                end += 1
            if output[end] == "A":
                row -= int(output[position + 1 : end] or 1)
            elif output[end] == "K":
                lines[row] = ""
            position = end + 1
        else:
            lines[row] = lines[row][:column].ljust(column) + char + lines[row][column + 1 :]
            column += 1
    return "\n".join(line.rstrip() for line in lines).rstrip("\n").split("\n")


def streamed(text: str, size: int, **shape: int) -> list[str]:
    out = console(**shape)
    with MarkdownStream(out) as stream:
        for start in range(0, len(text), size):
            stream.feed(text[start : start + size])
            stream.draw()
    return screen(written(out))


def printed(text: str, **shape: int) -> list[str]:
    out = console(**shape)
    print_markdown(out, text)
    return screen(written(out))


@pytest.mark.parametrize("size", [1, 3, 17, 1000])
@pytest.mark.parametrize(
    "text",
    [
        LONG_LISTING,
        "word " * 400,
        "# Top\n\nA\n\n## Below\n\nB\n\n> quote\n\nC\n\n---\n\n| a | b |\n|--|--|\n| 1 | 2 |\n",
    ],
)
def test_a_streamed_text_ends_as_a_printed_one(text: str, size: int) -> None:
    assert streamed(text, size) == printed(text)


def test_lists_keep_their_items_and_numbers() -> None:
    shown = "\n".join(streamed(LISTS, 2))
    assert all(words in shown for words in (" • one", " more of one", " • two", " 1 first", " 2 second"))
    assert "Text with bold and code." in shown


@pytest.mark.parametrize("size", [1, 4, 1000])
def test_lines_break_where_the_text_breaks_them(size: int) -> None:
    verse = "The rain,\nthe *soft\nand* grey rain\n\n- one\n  two\n\n> said\n> twice\n"
    shown = streamed(verse, size)
    assert shown == printed(verse)
    assert shown[:3] == ["The rain,", "the soft", "and grey rain"]
    assert [line.strip(" •▌") for line in shown[4:]] == ["one", "two", "", "said", "twice"]


def test_only_the_end_is_drawn_again() -> None:
    out = console(height=20)
    with MarkdownStream(out) as stream:
        for number in range(300):
            stream.feed(f"paragraph {number}\n\n")
            stream.draw()
    # Printed once while it grows and once for good; twice more is the frame it shares with its neighbours.
    assert written(out).count("paragraph 7\n") <= 4
    assert len(written(out)) < 300 * 200


def test_a_listing_taller_than_the_screen_is_drawn_in_a_window() -> None:
    out = console(height=12)
    with MarkdownStream(out) as stream:
        for start in range(0, len(LONG_LISTING), 5):
            stream.feed(LONG_LISTING[start : start + 5])
            stream.draw()
    ups = max(part.count("\x1b[1A") for part in written(out).split("line_"))
    assert ups < 12


@given(st.text(st.sampled_from("ab \n`~-1.>#*"), max_size=80))
@settings(deadline=None)
def test_blocks_lose_nothing(text: str) -> None:
    assert "".join(split_blocks(text)) == text


def test_a_code_fence_is_never_cut() -> None:
    text = "A\n\n```\nx\n\ny\n"
    assert split_blocks(text) == ["A\n\n", "```\nx\n\ny\n"]


def test_escape_sequences_of_the_text_are_gone() -> None:
    assert "\x1b[31m" not in "\n".join(streamed("a\x1b[31mb [x](http://y)", 1))
    out = console()
    print_markdown(out, "[safe](http://evil)\x1b]8;;http://evil\x07")
    assert "\x1b]" not in written(out)
    assert "http://evil" in written(out)
