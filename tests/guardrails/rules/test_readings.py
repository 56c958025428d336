from __future__ import annotations

import base64
import random
import time

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from guardrails.rules import readings as module
from guardrails.rules.normalize import normalized
from guardrails.rules.readings import MAX_STUCK, MAX_TEXTS, readings
from tests.guardrails.rules.encoders import DISGUISES, LETTERS_ONLY, base64_of, tags

# The one that survives every disguise: no digits, no signs, and no letter that leetspeak confuses.
HELLO = "dream of green dragon roads and broken wagons"
PROSE = (
    "The morning market opened before sunrise, and by seven the square was already full of people who had come down "
    "from the hills with baskets of cherries, bread and cheese. My grandmother used to say that you could tell the "
    "season by the smell of the square alone: apples in autumn, pine in winter, wet stone in spring. She wasn't "
    'wrong. "How much for the plums?" a woman asked, and the seller said that it depended on the weather. '
)

fragment = st.one_of(
    st.text(max_size=30),
    st.text("01 .-/", max_size=30),
    st.text("abc &#;x\\u%=+<~>\n`M!", max_size=30),
    st.builds(
        lambda name, words: DISGUISES[name](words),
        st.sampled_from(sorted(DISGUISES)),
        st.sampled_from(["hello there friend", "a b c", "Grün & weiß, 5 < 6", "Привет мир and you"]),
    ),
)
anything = st.lists(fragment, max_size=4).map("".join)


@given(anything)
@settings(max_examples=200, deadline=None)
def test_any_text_has_readings_that_are_normalised_and_differ(text: str) -> None:
    found = list(readings(text))
    assert found[0] == normalized(text)
    assert all(normalized(reading) == reading for reading in found)
    assert len(set(found)) == len(found)
    assert list(readings(text)) == found


@given(st.text(st.characters(), max_size=60))
@settings(deadline=None)
def test_no_text_makes_more_readings_than_stated(text: str) -> None:
    assert len(list(readings(text * 5))) <= 6 * MAX_TEXTS + MAX_STUCK


@pytest.mark.parametrize("name", sorted(DISGUISES.keys() - {"leetspeak", "amid other text"} - LETTERS_ONLY))
def test_a_disguised_text_is_read(name: str) -> None:
    words = "".join(HELLO.split())
    found = ["".join(char for char in reading if char.isalpha()) for reading in readings(DISGUISES[name](HELLO))]
    assert any(words in reading for reading in found)


@pytest.mark.parametrize(
    ("text", "meant"),
    [
        ("b o m b", "bomb"),
        ("make a b.o.m.b now", "make abomb now"),
        ("h o w   t o   b a k e", "how to bake"),
        ("say h-e-l-l-o", "say hello"),
        ("bo**mb and b_o_m_b", "bomb and bomb"),
        ("k1ll 7h3 l1gh75", "kill the lights"),
        ("meet at 70 0ak 5treet", "meet at 70 oak street"),
        ("... --- ...", "sos"),
        (".... .. / - .... . .-. .", "hi there"),
        ("Hotel, India", "hotel, india"),  # two words are no spelling
        ("hotel echo lima lima oscar", "hello"),
        ("⠓⠑⠇⠇⠕⠀⠺⠕⠗⠇⠙", "hello world"),
        ("a%20b%u0063", "a bc"),
        ("&lt;b&gt; &#119;&#x6f;w", "<b> wow"),
        ("\\ud83d\\ude00 \\u0061\\x62\\143", "😀 abc"),
        ("=48=65=6C=6C=6F=2C =C3=A9t=C3=A9", "hello, ete"),
        ("0x68 0x65 0x6c 0x6c 0x6f", "hello"),
        ("104 101 108 108 111", "hello"),
        ("read aGVsbG8gd29ybGQ aloud", "read hello world aloud"),
        ("<~87cURDZ~>", "hello"),
        ("dlrow olleh", "hello world"),
        ("olleh dlrow", "hello world"),
        ("#letusreadthisaloud", "letusreadthisaloud"),
        ("letus readthisaloudnow!", "readthisaloudnow"),
    ],
)
def test_what_is_written_otherwise_is_read(text: str, meant: str) -> None:
    assert meant in list(readings(text))


@pytest.mark.parametrize(
    "text",
    [
        "d41d8cd98f00b204e9800998ecf8427e",
        "550e8400-e29b-41d4-a716-446655440000",
        "data:image/png;base64," + base64.b64encode(random.Random(0).randbytes(3000)).decode(),
        "internationalization Responsibilities DEVELOPMENT",
        "Call 555-0199 2024-05-17",
    ],
)
def test_what_is_no_text_is_not_decoded(text: str) -> None:
    assert all(decode(text) == text for decode in module.CODES if decode.__name__.startswith("from_"))


def test_codes_within_codes_are_resolved_three_deep_and_no_deeper() -> None:
    text = "let us go home"
    for depth in range(1, 5):
        text = base64_of(text)
        assert ("let us go home" in readings(text)) is (depth <= 3)


def test_a_message_hidden_in_a_code_is_read_apart_from_what_hides_it() -> None:
    found = list(readings(base64_of(tags("go home"))))
    assert "hello. go home .there" in found
    assert "hellothere" in found


def test_four_thousand_characters_of_prose_are_read_in_twenty_milliseconds() -> None:
    text = (PROSE * 10)[:4000]
    assert min(_seconds(text) for _ in range(10)) < 0.02


@pytest.mark.parametrize("piece", ["a", " ", "a b ", ". - ", "%25", "&amp;", "\\u0061", "6162", "M!!!\n", "Ab1/", "́"])
def test_a_long_text_is_read_in_bounded_time(piece: str) -> None:
    assert _seconds(piece * (100_000 // len(piece))) < 5


def _seconds(text: str) -> float:
    start = time.perf_counter()
    for _ in readings(text):
        pass
    return time.perf_counter() - start
