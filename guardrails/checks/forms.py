"""The form of a whole reply: case, quotes, markup, lists, JSON.

The marks counted here (titles, placeholders, highlights, sections, postscripts, two responses) are IFEval's
(arXiv 2311.07911). All of it is linear in the reply's length, whatever the reply.
"""

from __future__ import annotations

import json

import regex

HIGHLIGHT = regex.compile(r"\*([^\n*]*+)\*")
DOUBLE_HIGHLIGHT = regex.compile(r"\*\*([^\n*]*+)\*\*")
BULLET = regex.compile(r"[ \t]*+(?:[-*•])[ \t]++\S")
BULLET_POINT = regex.compile(r"\s*+(?:-|\*[^*])")
NUMBER = regex.compile(r"[ \t]*+(\d{1,6})[.)][ \t]++\S")
FENCE = regex.compile(r"```(?:json)?", regex.IGNORECASE)
QUESTION_MARKS = ("?", "？", "؟")
QUOTES = (('"', '"'), ("“", "”"), ("„", "“"), ("«", "»"))


def lower(reply: str) -> bool:
    """No letter that has a small form is large, and at least one letter is small."""
    return reply == reply.lower() and reply != reply.upper()


def upper(reply: str) -> bool:
    """No letter that has a large form is small, and at least one letter is large."""
    return reply == reply.upper() and reply != reply.lower()


def question(reply: str) -> bool:
    """Ends with a question mark; space, quotes and emphasis after it are ignored."""
    return reply.rstrip(" \t\r\n\f\v\u00a0\"'”’»*_)").endswith(QUESTION_MARKS)


def quoted(reply: str) -> bool:
    """Wrapped in double quotation marks; IFEval knows only the straight ones."""
    bare = reply.strip()
    return len(bare) > 1 and any(bare.startswith(start) and bare.endswith(end) for start, end in QUOTES)


def titled(reply: str) -> bool:
    """Has text in double angular brackets, on one line: <<title>>."""
    for line in reply.split("\n"):
        start, end = line.find("<<"), line.rfind(">>")
        if 0 <= start < end and line[start:end].lstrip("<").rstrip(">").strip():
            return True
    return False


def placeholders(reply: str) -> int:
    """How many pairs of square brackets there are, each on one line; IFEval counts empty ones, too."""
    found = 0
    for line in reply.split("\n"):
        position = line.find("[")
        while position >= 0 and (end := line.find("]", position + 1)) >= 0:
            found += 1
            position = line.find("[", end + 1)
    return found


def highlights(reply: str) -> int:
    """How many pieces are *emphasised* or **strongly** so, each on one line and not blank."""
    return sum(1 for kind in (HIGHLIGHT, DOUBLE_HIGHLIGHT) for found in kind.finditer(reply) if found[1].strip())


def sections(reply: str, name: str) -> int:
    """How often the name (case matters) is followed by a number: "Section 1"."""
    return sum(1 for _ in regex.finditer(regex.escape(name.strip()) + r"\s?\d++", reply))


def postscript(reply: str, marker: str) -> bool:
    """Has the marker, in either case, anywhere; a space may follow its inner periods: "P. S."."""
    spaced = r"\.\s?".join(regex.escape(part) for part in marker.strip().lower().split("."))
    return regex.search(spaced, reply.lower()) is not None


def two_responses(reply: str) -> bool:
    """Two different texts with six asterisks between them; asterisks before and after them are allowed."""
    parts = [part.strip() for part in reply.split("******")]
    full = [part for part in parts if part]
    return all(parts[1:-1]) and len(full) == 2 and full[0] != full[1]


def bullets(reply: str) -> int:
    """The points of a reply that is nothing but a list ("-", "*", "•", indented or not); 0 if a line is another."""
    lines = [line for line in reply.split("\n") if line.strip()]
    return len(lines) if all(BULLET.match(line) for line in lines) else 0


def bullet_points(reply: str) -> int:
    """Lines that begin with "-" or one "*", whatever the rest: IFEval's count, rules like "---" included."""
    return sum(1 for line in reply.split("\n") if BULLET_POINT.match(line))


def numbered(reply: str) -> int:
    """The items of a reply that is nothing but a list numbered from 1 ("1." or "1)"); 0 if it is anything else."""
    lines = [line for line in reply.split("\n") if line.strip()]
    for expected, line in enumerate(lines, 1):
        number = NUMBER.match(line)
        if number is None or int(number[1]) != expected:
            return 0
    return len(lines)


def json_document(reply: str, key: str = "") -> bool:
    """Is a JSON object or array, in a code fence or not; with a key: an object that has it.

    IFEval takes any JSON value, so a bare number or quoted string passes there and not here.
    """
    text = reply.strip()
    if fence := FENCE.match(text):
        text = text[fence.end() :].removesuffix("```")
    try:
        document = json.loads(text)
    except (ValueError, RecursionError):  # a thousand open brackets are no document, either
        return False
    return isinstance(document, dict) and key in document if key else isinstance(document, dict | list)
