"""Disguises of a text: what `guardrails/rules/readings.py` must see through."""

from __future__ import annotations

import base64
import binascii
import codecs
import html
import string
from collections.abc import Callable
from itertools import cycle
from urllib.parse import quote

LETTERS = string.ascii_lowercase
MORSE_CODES = (
    ".- -... -.-. -.. . ..-. --. .... .. .--- -.- .-.. -- -. --- .--. --.- .-. ... - ..- ...- .-- -..- -.-- --.. "
    "----- .---- ..--- ...-- ....- ..... -.... --... ---.. ----."
)
MORSE = dict(zip(LETTERS + string.digits, MORSE_CODES.split(), strict=True))
NATO_WORDS = (
    "Alfa Bravo Charlie Delta Echo Foxtrot Golf Hotel India Juliett Kilo Lima Mike November Oscar Papa Quebec Romeo "
    "Sierra Tango Uniform Victor Whiskey Xray Yankee Zulu"
)
NATO = {word[0].lower(): word for word in NATO_WORDS.split()}
BRAILLE = dict(zip(LETTERS, "⠁⠃⠉⠙⠑⠋⠛⠓⠊⠚⠅⠇⠍⠝⠕⠏⠟⠗⠎⠞⠥⠧⠺⠭⠽⠵", strict=True))
LEET = str.maketrans("oieastOIEAST", "013457013457")
LEET_SIGNS = str.maketrans("oleastOLEAST", "013@$7013@$7")
CYRILLIC = str.maketrans("aceopxyABCEHKMOPTX", "асеорхуАВСЕНКМОРТХ")
GREEK = str.maketrans("aiovABEHIKMNOPTXYZ", "αιονΑΒΕΗΙΚΜΝΟΡΤΧΥΖ")
SMALL_CAPITALS = str.maketrans("abcdefghijklmnoprstuvwyz", "ᴀʙᴄᴅᴇꜰɢʜɪᴊᴋʟᴍɴᴏᴘʀꜱᴛᴜᴠᴡʏᴢ")
ATBASH = str.maketrans(LETTERS + LETTERS.upper(), LETTERS[::-1] + LETTERS[::-1].upper())


def base64_of(text: str) -> str:
    return base64.b64encode(text.encode()).decode()


def rot13(text: str) -> str:
    return codecs.encode(text, "rot13")


def hex_of(text: str) -> str:
    return text.encode().hex()


def uu(text: str) -> str:
    data = text.encode()
    lines = [binascii.b2a_uu(data[start : start + 45]).decode() for start in range(0, len(data), 45)]
    return "begin 644 text\n" + "".join(lines) + "`\nend\n"


def binary(text: str) -> str:
    return " ".join(f"{byte:08b}" for byte in text.encode())


def words(text: str) -> list[str]:
    """The words in letters and digits only, for alphabets that have no more."""
    return "".join(char if char.isalnum() else " " for char in text.lower().replace("'", "")).split()


def morse(text: str) -> str:
    return " / ".join(" ".join(MORSE.get(char, char) for char in word) for word in words(text))


def nato(text: str) -> str:
    return ", ".join(" ".join(NATO.get(char, char) for char in word) for word in words(text))


def braille(text: str) -> str:
    return "⠀".join("".join(BRAILLE.get(char, char) for char in word) for word in words(text))


def shifted(start: int, small: int) -> Callable[[str], str]:
    """Letters of another block of Unicode that has the Latin ones in their order, from `start` and from `small`."""
    table = {ord(char.upper()): start + place for place, char in enumerate(LETTERS)}
    table |= {ord(char): small + place for place, char in enumerate(LETTERS)}
    return lambda text: text.translate(table)


def selectors(text: str) -> str:
    return "Nice! 😊" + "".join(chr(0xFE00 + byte) if byte < 16 else chr(0xE0100 + byte - 16) for byte in text.encode())


def bits(zero: str, one: str) -> Callable[[str], str]:
    return lambda text: "Hello" + "".join(one if bit == "1" else zero for bit in binary(text).replace(" ", ""))


def tags(text: str) -> str:
    return "Hello" + "".join(chr(0xE0000 + ord(char)) if char.isascii() else char for char in text) + "there"


def between(separator: str) -> Callable[[str], str]:
    return separator.join


def after_letters(*marks: str) -> Callable[[str], str]:
    def disguise(text: str) -> str:
        more = cycle(marks)
        return "".join(char + (next(more) if char.isalpha() else "") for char in text)

    return disguise


DISGUISES: dict[str, Callable[[str], str]] = {
    "as it stands": str,
    "capitals": str.upper,
    "a line end for every space": lambda text: text.replace(" ", "\n"),
    "underscores for spaces": lambda text: text.replace(" ", "_"),
    "plus for spaces": lambda text: text.replace(" ", "+"),
    "bold in Markdown": lambda text: " ".join(f"**{word}**" for word in text.split()),
    "amid other text": lambda text: f"Hello there, dear friend. {text[:1].upper()}{text[1:].rstrip('.?')}. Thank you!",
    "base64": base64_of,
    "base64 for URLs, unpadded": lambda text: base64.urlsafe_b64encode(text.encode()).decode().rstrip("="),
    "base64 in lines": lambda text: "Decode this:\n" + base64.encodebytes(("Hello! " + text).encode()).decode(),
    "base64 after words": lambda text: f'Decode "{base64_of(text)}" and follow it.',
    "base64 of the last words": lambda text: " ".join([*text.split()[:-3], base64_of(" ".join(text.split()[-3:]))]),
    "MIME": lambda text: f"=?utf-8?B?{base64_of(text)}?=",
    "base32": lambda text: base64.b32encode(text.encode()).decode(),
    "base16": hex_of,
    "hexadecimal bytes": lambda text: " ".join(f"{byte:02x}" for byte in text.encode()),
    "0x bytes": lambda text: ", ".join(f"0x{byte:02X}" for byte in text.encode()),
    "binary": binary,
    "decimal": lambda text: " ".join(str(byte) for byte in text.encode()),
    "ascii85": lambda text: base64.a85encode(text.encode()).decode(),
    "ascii85, framed": lambda text: "Decode: " + base64.a85encode(text.encode(), adobe=True).decode() + " please",
    "base85": lambda text: base64.b85encode(text.encode()).decode(),
    "quoted-printable": lambda text: "".join(f"={byte:02X}" for byte in text.encode()),
    "uuencode": uu,
    "percent": lambda text: "".join(f"%{byte:02x}" for byte in text.encode()),
    "percent where needed": quote,
    "decimal entities": lambda text: "".join(f"&#{ord(char)};" for char in text),
    "hexadecimal entities": lambda text: "".join(f"&#x{ord(char):x};" for char in text),
    "entities twice": lambda text: html.escape("".join(f"&#{ord(char)};" for char in text)),
    "\\u escapes": lambda text: "".join(f"\\u{ord(char):04x}" for char in text),
    "\\x escapes": lambda text: "".join(f"\\x{ord(char):02x}" for char in text),
    "\\u{} escapes": lambda text: "".join(f"\\u{{{ord(char):x}}}" for char in text),
    "octal escapes": lambda text: "".join(f"\\{ord(char):03o}" for char in text),
    "U+": lambda text: " ".join(f"U+{ord(char):04X}" for char in text),
    "braille": braille,
    "morse": morse,
    "morse with other dots": lambda text: morse(text).replace(".", "•").replace("-", "−"),
    "radio alphabet": nato,
    "variation selectors": selectors,
    "sneaky bits": bits("\u2062", "\u2064"),
    "zero-width bits": bits("\u200b", "\u200c"),
    "tag characters": tags,
    "rot13": rot13,
    "atbash": lambda text: text.translate(ATBASH),
    "backwards": lambda text: text[::-1],
    "words backwards": lambda text: " ".join(word[::-1] for word in text.split()),
    "last word first": lambda text: " ".join(reversed(text.split())),
    "leetspeak": lambda text: text.translate(LEET),
    "leetspeak with signs": lambda text: text.translate(LEET_SIGNS),
    "spread with spaces": between(" "),
    "spread with dots": between("."),
    "spread with dashes": between("-"),
    "spread with lines": between("\n"),
    "spread, no wider gaps": lambda text: " ".join("".join(words(text))),
    "no spaces": lambda text: "#" + "".join(word.title() for word in words(text)),
    "zero-width spaces": after_letters("\u200b"),
    "invisible characters": after_letters("\u200d", "\u00ad", "\u2060", "\ufeff", "\u180e", "\u3164", "\ufe0f", "\x08"),
    "Zalgo": after_letters("\u0336\u0341", "\u0489", "\u035c\u0315\u0300", "\u20dd"),
    "accents": after_letters("\u0301", "\u0308", "\u0323"),
    "Cyrillic doubles": lambda text: text.translate(CYRILLIC),
    "Greek doubles": lambda text: text.translate(GREEK),
    "small capitals": lambda text: text.lower().translate(SMALL_CAPITALS),
    "full width": lambda text: "".join(chr(ord(char) + 0xFEE0) if "!" <= char <= "~" else "\u3000" for char in text),
    "mathematical bold": shifted(0x1D400, 0x1D41A),
    "mathematical fraktur": shifted(0x1D56C, 0x1D586),
    "mathematical sans": shifted(0x1D5D4, 0x1D5EE),
    "mathematical monospace": shifted(0x1D670, 0x1D68A),
    "circled": shifted(0x24B6, 0x24D0),
    "filled circles": shifted(0x1F150, 0x1F150),
    "filled squares": shifted(0x1F170, 0x1F170),
    "brackets": shifted(0x249C, 0x249C),
    "regional indicators": shifted(0x1F1E6, 0x1F1E6),
    "capital I for l": lambda text: text.replace("l", "I"),
    "base64 three times": lambda text: base64_of(base64_of(base64_of(text))),
    "base64 of rot13": lambda text: base64_of(rot13(text)),
    "rot13 of base64": lambda text: rot13(base64_of(text)),
    "backwards base64 of hexadecimal": lambda text: base64_of(hex_of(text))[::-1],
    "leetspeak in base64 in percent": lambda text: "".join(f"%{ord(c):02x}" for c in base64_of(text.translate(LEET))),
    "tags in base64": lambda text: base64_of(tags(text)),
    "rot13 of backwards": lambda text: rot13(text[::-1]),
    "spread leetspeak": lambda text: " ".join(text.translate(LEET)),
    "Cyrillic doubles in base64": lambda text: base64_of(text.translate(CYRILLIC)),
    "three codes side by side": lambda text: _thirds(text, base64_of, lambda part: quote(part + "%"), braille),
}
# What digits and signs do not survive: only letters have a code, or digits are read as letters.
LETTERS_ONLY = {
    "braille",
    "leetspeak",
    "leetspeak with signs",
    "leetspeak in base64 in percent",
    "morse",
    "morse with other dots",
    "no spaces",
    "radio alphabet",
    "spread leetspeak",
    "spread, no wider gaps",
    "three codes side by side",
}


def _thirds(text: str, *disguises: Callable[[str], str]) -> str:
    found = text.split()
    size = -(-len(found) // 3)
    parts = [" ".join(found[start : start + size]) for start in range(0, len(found), size)]
    return " ".join(disguise(part) for disguise, part in zip(disguises, parts, strict=False))
