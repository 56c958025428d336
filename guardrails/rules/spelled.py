"""Words spelled letter by letter: spread out, in Morse, in Braille, in the radio alphabet.

Each function puts the words in place of their spelling. A gap wider than the others divides words; where all are alike,
the words stick together ("howtomake"), which patterns allow for.
"""

from __future__ import annotations

import string

import regex

SPREAD = regex.compile(r"\b\w\b(?:\W{1,5}\b\w\b){2,}")
MORSE_CODES = (
    ".- -... -.-. -.. . ..-. --. .... .. .--- -.- .-.. -- -. --- .--. --.- .-. ... - ..- ...- .-- -..- -.-- --.. "
    "----- .---- ..--- ...-- ....- ..... -.... --... ---.. ----."
)
MORSE = dict(zip(MORSE_CODES.split(), string.ascii_lowercase + string.digits, strict=True))
MORSE_SHAPES = str.maketrans("·•∙⋅_", "....-")
MORSE_SHAPE = regex.compile("[·•∙⋅_]")
MORSE_RUN = regex.compile(r"(?<![\w.-])[.-]{1,7}+(?:[\s/|]{1,7}+[.-]{1,7}+){2,}+(?![\w])")
MORSE_WORD_GAP = regex.compile(r"\s*[/|\n]\s*|\s{2,}")
# The letters in the order of their cells: dots 1, 2, 4, 5 count a to j, dot 3 adds k to t, dot 6 the rest.
BRAILLE_CELLS = "⠁⠃⠉⠙⠑⠋⠛⠓⠊⠚⠅⠇⠍⠝⠕⠏⠟⠗⠎⠞⠥⠧⠺⠭⠽⠵"
BRAILLE: dict[int, str | None] = {
    ord(cell): letter for cell, letter in zip(BRAILLE_CELLS, string.ascii_lowercase, strict=True)
}
BRAILLE_CELL = regex.compile("[\u2800-\u28ff]")
BRAILLE |= {0x2800: " ", 0x2820: None}  # the empty cell; the one that makes the next letter a capital
RADIO_WORDS = (
    "alfa bravo charlie delta echo foxtrot golf hotel india juliett kilo lima mike november oscar papa quebec romeo "
    "sierra tango uniform victor whiskey xray yankee zulu alpha juliet whisky x-ray"
)
RADIO = {word: word[0] for word in RADIO_WORDS.split()}
ONE_RADIO_WORD = "(?:" + "|".join(sorted(RADIO, key=len, reverse=True)) + ")"
RADIO_RUN = regex.compile(rf"(?i)\b{ONE_RADIO_WORD}(?:[^\w]{{1,5}}{ONE_RADIO_WORD}\b){{2,}}")
TO_SPACES = str.maketrans(dict.fromkeys(string.punctuation.replace("-", ""), " "))
RADIO_WORD = regex.compile(rf"(?i){ONE_RADIO_WORD}")


def from_spread(text: str) -> str:
    """Single letters between spaces, dots, dashes or line ends: "b o m b", "b.o.m.b"."""
    return str(SPREAD.sub(_gathered, text))


def from_morse(text: str) -> str:
    """Morse code, in dots and dashes of any shape."""
    shaped = text.translate(MORSE_SHAPES) if MORSE_SHAPE.search(text) else text
    return str(MORSE_RUN.sub(_morse, shaped)) if MORSE_RUN.search(shaped) else text


def from_braille(text: str) -> str:
    """Braille letters, uncontracted."""
    return text.translate(BRAILLE) if BRAILLE_CELL.search(text) else text


def from_radio(text: str) -> str:
    """Three or more words of the radio alphabet in a row: "bravo oscar mike"."""
    words = text.lower().translate(TO_SPACES).split()
    return str(RADIO_RUN.sub(_radio, text)) if sum(map(RADIO.__contains__, words)) > 2 else text


def _gathered(run: regex.Match[str]) -> str:
    if not any(char.isalpha() for char in run[0]):  # a list of numbers
        return str(run[0])
    return _joined(regex.findall(r"\w", run[0]), regex.findall(r"\W+", run[0]))


def _morse(run: regex.Match[str]) -> str:
    words = [[MORSE.get(code, "") for code in word.split()] for word in MORSE_WORD_GAP.split(run[0])]
    return " ".join("".join(word) for word in words)


def _radio(run: regex.Match[str]) -> str:
    return _joined([RADIO[word.lower()] for word in RADIO_WORD.findall(run[0])], RADIO_WORD.split(run[0])[1:-1])


def _joined(letters: list[str], gaps: list[str]) -> str:
    narrow = min(map(len, gaps))
    # Of a wider gap stays what stood between two narrow ones: the space of "w   t", the dash of "k - p".
    kept = [gap[narrow:-narrow] or " " if len(gap) > narrow else "" for gap in gaps]
    return letters[0] + "".join(gap + letter for gap, letter in zip(kept, letters[1:], strict=True))
