"""The text that a PNG image carries beside its pixels."""

from __future__ import annotations

import struct
import zlib
from collections.abc import Iterator

SIGNATURE = b"\x89PNG\r\n\x1a\n"


def text_chunks(data: bytes, limit: int) -> Iterator[tuple[str, bytes]]:
    """Keyword and text of each tEXt and zTXt chunk, skipping texts above `limit` bytes.

    Raises ValueError when the data is not a PNG image or ends early.
    """
    if not data.startswith(SIGNATURE):
        raise ValueError("is not a PNG image")
    position = len(SIGNATURE)
    while position < len(data):
        if position + 8 > len(data):
            raise ValueError("ends in the middle; download it again")
        length, kind = struct.unpack_from(">I4s", data, position)
        body = data[position + 8 : position + 8 + length]
        if len(body) < length:
            raise ValueError("ends in the middle; download it again")
        if kind == b"IEND":
            return
        keyword, separator, text = body.partition(b"\0")
        if kind == b"tEXt" and separator and len(text) <= limit:
            yield keyword.decode("latin-1"), text
        elif kind == b"zTXt" and separator and text[:1] == b"\0":
            yield keyword.decode("latin-1"), _inflate(text[1:], limit)
        position += 12 + length


def _inflate(packed: bytes, limit: int) -> bytes:
    """Unpack no more than `limit` bytes: a few bytes can stand for gigabytes."""
    unpacker = zlib.decompressobj()
    try:
        text = unpacker.decompress(packed, limit)
    except zlib.error:
        raise ValueError("has a damaged text chunk; download it again") from None
    if unpacker.unconsumed_tail:
        raise ValueError(f"unpacks to more than {limit // 1000} kB of text")
    return text
