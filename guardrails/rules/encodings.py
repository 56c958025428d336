"""Text written as other text: base64 and its kin, numbers, escapes.

Each function puts what it decodes in place of the code, so a text with a code in its midst stays one text, and any
number of codes cost one reading. Codes whose bytes are no text (images, hashes, keys) stay as they are.
"""

from __future__ import annotations

import base64
import binascii
import html
import quopri
import string
from collections.abc import Callable
from urllib.parse import unquote

import regex

from guardrails.rules.legible import legible

BASE64 = regex.compile(r"(?<![A-Za-z0-9+/_-])[A-Za-z0-9+/_-]{6,}+(?:\r?\n[A-Za-z0-9+/_-]{2,}+)*+={0,2}")
SHORTEST64 = 6
URL_SAFE = str.maketrans("-_", "+/")
# Text in base64 has a capital among small letters and digits soon, prose nearly never.
BASE64_HINT = regex.compile(r"[a-z0-9+/][A-Z][A-Za-z0-9+/]")
BASE32 = regex.compile(r"(?<![A-Za-z0-9])[A-Z2-7]{8,}+={0,6}(?![A-Za-z0-9])")
# The first byte is to be ASCII that can be printed: a pattern that begins with a few digits is quick on prose.
HEX_HINT = regex.compile(r"[2-7][0-9A-Fa-f][\s:,;-]{0,2}(?:0[xX])?[2-7c-fC-F][0-9A-Fa-f]")
HEX = regex.compile(
    r"(?<![0-9A-Za-z])(?:0[xX])?[2-7][0-9A-Fa-f](?:[\s:,;-]{0,2}(?:0[xX])?[0-9A-Fa-f]{2}){3,}+(?![0-9A-Za-z])"
)
BINARY = regex.compile(r"(?<![0-9])[01]{8}(?:\s{0,2}[01]{8}){2,}+(?![0-9])")
DECIMAL = regex.compile(r"(?<![\w.])[0-9]{2,3}(?:[\s,;]{1,2}[0-9]{2,3}){2,}+(?![\w])")
PAIR_OF_HEX = regex.compile(r"(?:0[xX])?([0-9A-Fa-f]{2})")
TOKEN = regex.compile(r"\S++")
SHORTEST85, LONGEST85 = 10, 10_000
# Of ten characters of Ascii85 or base85 at least three are such, of a long word or an address hardly any.
MARKS = frozenset('!"#$%&*+<=>?@[\\]^`{|}~;' + string.digits + string.ascii_uppercase)
WRAPPING = "\"'`()[],.:;"
PRINTED = regex.compile(r"(?m)=(?:[0-9A-Fa-f]{2}|\r?$)")
UU = regex.compile(
    r"(?m)(?:^begin [0-7]{3,4} .*\r?\n)?(?P<lines>^[!-M][ -`]{2,62}$(?:\r?\n[!-M`][ -`]{0,62}$)*+)(?:\r?\nend$)?"
)
PERCENT = regex.compile(r"%(?:u[0-9A-Fa-f]{4}|[0-9A-Fa-f]{2})")
PERCENT_U = regex.compile(r"%u([0-9A-Fa-f]{4})")
ESCAPE = regex.compile(
    r"\\+(?:u\{([0-9A-Fa-f]{1,6})\}|u([0-9A-Fa-f]{4})|U([0-9A-Fa-f]{8})|x([0-9A-Fa-f]{2}))|\b[Uu]\+([0-9A-Fa-f]{4,6})\b"
)
OCTAL = regex.compile(r"\\([0-3][0-7]{2})")


def from_base64(text: str) -> str:
    """Base64 with either alphabet, with or without padding, over several lines."""
    return BASE64.sub(lambda code: _base64(code[0]), text) if BASE64_HINT.search(text) else text


def from_base32(text: str) -> str:
    """Base32 in capitals, padded or not."""
    return str(BASE32.sub(lambda code: _base32(code[0]), text))


def from_hex(text: str) -> str:
    """Base16 and bytes in hexadecimal, also as "0x62, 0x6f"."""
    return HEX.sub(lambda code: _hex(code[0]), text) if HEX_HINT.search(text) else text


def from_numbers(text: str) -> str:
    """Characters as binary or decimal numbers."""
    text = BINARY.sub(lambda code: _bytes(code[0], regex.findall("[01]{8}", code[0]), 2), text)
    return str(DECIMAL.sub(lambda code: _bytes(code[0], regex.findall("[0-9]+", code[0]), 10), text))


def from_ascii85(text: str) -> str:
    """Ascii85, framed or not, and the base85 of Git and RFC 1924."""
    tokens = {token for token in text.split() if SHORTEST85 <= len(token) <= LONGEST85 and not token.isalpha()}
    decoded = {token: message for token in tokens if (message := _ascii85(token)) != token}
    return TOKEN.sub(lambda token: decoded.get(token[0], token[0]), text) if decoded else text


def from_quoted_printable(text: str) -> str:
    """Quoted-printable, as in mail."""
    if not PRINTED.search(text):
        return text
    return legible(quopri.decodestring(text.encode(errors="replace"))) or text


def from_uu(text: str) -> str:
    """Uuencoded lines, with or without "begin" and "end" around them."""
    return str(UU.sub(lambda code: _uu(code["lines"]) or code[0], text))


def from_percent(text: str) -> str:
    """Percent-encoding, as in URLs."""
    if not PERCENT.search(text):
        return text
    return unquote(_paired(PERCENT_U.sub(lambda code: _char(code[1], 16), text)))


def from_entities(text: str) -> str:
    """HTML entities."""
    return html.unescape(text) if "&" in text else text


def from_escapes(text: str) -> str:
    r"""Escapes of programming languages (\u0062, \x62, \142), and U+0062."""
    if "\\" not in text and "U+" not in text.upper():
        return text
    text = ESCAPE.sub(lambda code: _char(next(filter(None, code.groups())), 16), text)
    return _paired(OCTAL.sub(lambda code: _char(code[1], 8), text))


def _base64(code: str) -> str:
    lines = code.split()
    for count in dict.fromkeys([len(lines), len(lines) - 1]):
        if (text := _base64_line("".join(lines[:count]))) is not None:
            return "\n".join([text, *lines[count:]])
    return "\n".join(_base64_line(line) or line for line in lines)


def _base64_line(code: str) -> str | None:
    code = code.rstrip("=").translate(URL_SAFE)
    # Base64 of text has large and small letters; words and numbers have not.
    if len(code) < SHORTEST64 or code.islower() or code.isdigit():
        return None
    try:
        return legible(base64.b64decode(code + "=" * (-len(code) % 4), validate=True))
    except binascii.Error:
        return None


def _base32(code: str) -> str:
    letters = code.rstrip("=")
    try:
        return legible(base64.b32decode(letters + "=" * (-len(letters) % 8))) or code
    except binascii.Error:
        return code


def _hex(code: str) -> str:
    return legible(bytes.fromhex("".join(PAIR_OF_HEX.findall(code)))) or code


def _bytes(code: str, numbers: list[str], base: int) -> str:
    values = [int(number, base) for number in numbers]
    if max(values) > 255:
        return code
    return legible(bytes(values)) or code


def _ascii85(token: str) -> str:
    for code in dict.fromkeys([token, token.strip(WRAPPING)]):
        bare = code.removeprefix("<~").removesuffix("~>")
        if bare == code and (len(bare) < SHORTEST85 or len(MARKS.intersection(bare)) < 3):
            continue
        for decode in (base64.a85decode, base64.b85decode):
            # The decoders are slow and most tokens are no code: the first twenty characters tell.
            if _decoded85(decode, bare[:20], cut=len(bare) > 20) and (text := _decoded85(decode, bare)):
                return token.replace(code, text)
    return token


def _decoded85(decode: Callable[[str], bytes], code: str, *, cut: bool = False) -> str | None:
    try:
        return legible(decode(code), cut=cut)
    except ValueError:
        return None


def _uu(lines: str) -> str | None:
    data = b""
    for line in lines.splitlines():
        length = (ord(line[0]) - 32) % 64
        full = 1 + -(-length // 3) * 4
        if not full - 4 < len(line) <= full:  # spaces at its end may be lost
            return None
        try:
            data += binascii.a2b_uu(line.encode())
        except binascii.Error:
            return None
    return legible(data)


def _char(digits: str, base: int) -> str:
    code = int(digits, base)
    return chr(code) if code < 0x110000 else "\N{REPLACEMENT CHARACTER}"


def _paired(text: str) -> str:
    """JavaScript writes a character beyond U+FFFF as two escapes, which make one."""
    return text.encode("utf-16", "surrogatepass").decode("utf-16", "replace")
