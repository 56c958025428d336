from __future__ import annotations

import time
import unicodedata

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from guardrails.rules.normalize import LATIN, cleaned, normalized

# All of Unicode, and more than their share of the characters that are changed.
text = st.text(
    st.one_of(
        st.characters(),
        st.sampled_from([chr(code) for code in LATIN]),
        st.characters(categories=["Mn", "Me", "Cf", "Nd", "Cc", "Zs"]),
    )
)


@given(text)
@settings(max_examples=300, deadline=None)
def test_normalising_twice_changes_nothing(text: str) -> None:
    once = normalized(text)
    assert normalized(once) == once
    assert cleaned(cleaned(text)) == cleaned(text)


def test_no_character_of_unicode_is_left_half_normalised() -> None:
    # Beyond these two planes are the tags, ideographs and private characters.
    every = " ".join(chr(code) for code in [*range(0x20000), *range(0xE0000, 0xE0200)])
    once = normalized(every)
    assert normalized(once) == once


@given(text)
@settings(deadline=None)
def test_nothing_invisible_and_no_capital_is_left(text: str) -> None:
    result = normalized(text)
    assert not any(unicodedata.category(char) in ("Cf", "Me") for char in result)
    assert result == result.casefold().strip()
    assert "  " not in result


@pytest.mark.parametrize(
    ("text", "plain"),
    [
        ("  Hello,\tWorld!\r\n ", "hello, world!"),
        ("Ωhаt іs thіs?", "what is this?"),  # Greek, Cyrillic
        ("ＦＵＬＬ　ｗｉｄｔｈ", "full width"),
        ("𝐛𝐨𝐥𝐝 𝓼𝓬𝓻𝓲𝓹𝓽 𝔣𝔯𝔞𝔨𝔱𝔲𝔯 𝚖𝚘𝚗𝚘 𝕕𝕠𝕦𝕓𝕝𝕖", "bold script fraktur mono double"),
        ("ꜱᴍᴀʟʟ ᴄᴀᴘɪᴛᴀʟꜱ", "small capitals"),
        ("ⓒⓘⓡⓒⓛⓔⓢ 🅕🅘🅛🅛🅔🅓 🆂🆀🆄🅰🆁🅴🆂 ⒝⒭⒜⒞⒦⒠⒯⒮", "circles filled squares brackets"),
        ("Z̷̡͎a̸͉͒l̶͚̐g̵̬̈o̷̳̚", "zalgo"),
        ("naïve Straße, İstanbul", "naive strasse, istanbul"),
        ("in\u200bvis\u00adi\u2060b\ufe0fle\u180e", "invisible"),
        ("null\x00 bell\x07", "null bell"),
        ("".join(chr(0xE0000 + ord(char)) for char in "Tagged!"), "tagged!"),
        ("It’s “quoted” – so", 'it\'s "quoted" - so'),
        ("٣ अंक ४", "3 अक 4"),
        ("ガ", "ガ"),
        ("한국어 中文", "한국어 中文"),
    ],
)
def test_text_becomes_the_plain_letters_that_it_looks_like(text: str, plain: str) -> None:
    assert normalized(text) == plain


@pytest.mark.parametrize(
    "language", ["שלום לכולם, מה שלומכם?", "مرحبا بالعالم", "你好，世界", "こんにちは", "안녕하세요"]
)
def test_letters_that_only_resemble_latin_ones_stay_in_other_scripts(language: str) -> None:
    assert not any("a" <= char <= "z" for char in normalized(language))


def test_case_and_lines_are_kept_where_a_code_needs_them() -> None:
    assert cleaned("Аb\u200bC\n\u0301D") == "AbC\nD"


def test_two_thousand_plain_characters_take_less_than_a_millisecond() -> None:
    prose = ("The quick brown fox, it is said, jumps over the lazy dog. " * 40)[:2000]
    assert min(_seconds(prose) for _ in range(20)) < 0.001


def _seconds(text: str) -> float:
    start = time.perf_counter()
    normalized(text)
    return time.perf_counter() - start
