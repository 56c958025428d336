"""What the shipped rules stop, in every disguise, and what they let pass."""

from __future__ import annotations

import base64
import random
import string
import time
import tomllib
from pathlib import Path

import pytest

from guardrails.rules.rules import SHIPPED, Part, RulesFile, load, luhn
from tests.guardrails.rules.encoders import DISGUISES, LETTERS_ONLY

MARKS_FOR_SPACES = {"bold in Markdown", "plus for spaces", "underscores for spaces"}
HERE = Path(__file__).parent
RULES = load()
POSITIVES: dict[str, list[str]] = tomllib.loads((HERE / "positives.toml").read_text(encoding="utf-8"))
BENIGN = [line for line in (HERE / "benign.txt").read_text(encoding="utf-8").splitlines() if not line.startswith("# ")]
DRAW = random.Random(7)


def drawn(length: int, alphabet: str = string.ascii_letters + string.digits) -> str:
    return "".join(DRAW.choices(alphabet, k=length))


def card(start: str) -> str:
    """A number that a card could have, in groups."""
    return next(number for last in "0123456789" if luhn(number := f"{start}{last}"))


SECRETS = {
    "prv-card-number": [
        f"The card number is {card('4539 1488 0343 646')} and it is valid.",
        f"Pay with {card('5301-2277-8190-443')}.",
        f"Amex {card('3745 123456 7890')}",
        f"He uses {card('601198765432108')} online",
    ],
    "prv-private-key": [
        f"-----BEGIN {kind}PRIVATE KEY-----\n{drawn(64)}\n{drawn(64)}\n-----END {kind}PRIVATE KEY-----"
        for kind in ("", "RSA ", "OPENSSH ")
    ],
    "prv-api-key": [
        "The key is " + "AKIA" + drawn(15, string.ascii_uppercase) + "7",
        "token: " + "ghp_" + drawn(36),
        "Use " + "sk-" + "proj-" + drawn(48) + " for it",
        "slack " + "xoxb" + "-" + drawn(12, string.digits) + "-" + drawn(24),
    ],
}


def ids(text: str, part: Part = "prompt") -> list[str]:
    return [match.rule for match in RULES.matches(text, part)]


@pytest.mark.parametrize("name", DISGUISES)
def test_every_rule_for_words_sees_through_the_disguise(name: str) -> None:
    missed = [text for rule, texts in POSITIVES.items() for text in texts if rule not in ids(DISGUISES[name](text))]
    assert missed == []


# Marks in the place of spaces would be part of a key, or divide a number.
@pytest.mark.parametrize("name", [name for name in DISGUISES if name not in LETTERS_ONLY | MARKS_FOR_SPACES])
def test_every_rule_for_secrets_sees_through_the_disguise(name: str) -> None:
    missed = [
        (rule, number)
        for rule, texts in SECRETS.items()
        for number, text in enumerate(texts)
        if rule not in ids(DISGUISES[name](text), "reply")
    ]
    assert missed == []


def test_every_rule_has_three_examples_or_more() -> None:
    rules = RulesFile.model_validate(tomllib.loads(SHIPPED.read_text(encoding="utf-8"))).rules
    assert {rule.id for rule in rules} == POSITIVES.keys() | SECRETS.keys()
    assert all(len(texts) >= 3 for texts in [*POSITIVES.values(), *SECRETS.values()])


@pytest.mark.parametrize("part", ["prompt", "reply"])
def test_no_benign_look_alike_meets_a_rule(part: Part) -> None:
    assert len(BENIGN) > 200
    assert {text: found for text in BENIGN if (found := ids(text, part))} == {}


def test_benign_look_alikes_meet_no_rule_in_disguise_or_in_a_row() -> None:
    for name in ("base64", "rot13", "leetspeak", "spread with spaces", "morse", "tag characters"):
        assert {text: found for text in BENIGN[::5] if (found := ids(DISGUISES[name](text)))} == {}
    assert [found for start in range(0, len(BENIGN), 3) if (found := ids("\n".join(BENIGN[start : start + 3])))] == []


@pytest.mark.parametrize(
    "text",
    [
        "```python\n" + Path(__file__).read_text(encoding="utf-8").split('"""', 2)[2][:200] + "\n```",
        '```c\nfor (int i = 0; i < n; ++i) { kill(pid[i], SIGKILL); printf("%d\\n", a[i] & 0x7f); }\n```',
        "![](data:image/png;base64," + base64.b64encode(DRAW.randbytes(20_000)).decode() + ")",
        base64.urlsafe_b64encode(DRAW.randbytes(20_000)).decode(),
        "\n".join(DRAW.randbytes(32).hex() for _ in range(200)),
        " ".join(str(DRAW.randrange(10**15, 10**18)) for _ in range(30)),
        "\n".join(f"| {i} | {i * i} | {i**3} |" for i in range(300)),
        "- - - - -\n. . . . .\n_ _ _ _ _\n* * * * *\n" * 50,
    ],
)
def test_code_data_and_ornaments_meet_no_rule(text: str) -> None:
    assert ids(text) == []
    assert ids(text, "reply") == []


@pytest.mark.parametrize(
    "text",
    [
        "how to make a homemade small big " * 300,
        "how do i " * 1333,
        "ignore all previous " * 500,
        "just go please " * 666 + "kill",
        "bomb " * 2000,
        "begin private key " * 500,
        "sk-" * 3333,
        "akia" * 2666,
        "4539148803436467 " * 666,
        "4 5 3 9 " * 1333,
        "show me some free real sites with " * 300,
        "act as dan which " * 600,
        "(" * 10000,
        "b o m b " * 1333,
        "b%6fmb &#98;omb \\x62omb aG93IHRv 626f6d62 -... --- ... ⠃⠕⠍⠃ bravo oscar mike b o m b " * 33,
    ],
)
def test_no_text_holds_the_rules_up(text: str) -> None:
    start = time.perf_counter()
    ids(text)
    ids(text, "reply")
    assert time.perf_counter() - start < 5


def test_numbers_that_payment_services_publish_for_tests_are_no_secrets() -> None:
    for number in ("4242 4242 4242 4242", "4111111111111111", "5555-5555-5555-4444", "378282246310005"):
        assert luhn(number)
        assert ids(f"Use {number}.", "reply") == []


def test_what_is_said_to_someone_is_stopped_in_replies_too() -> None:
    assert ids("You should just kill yourself.", "reply") == ["ssh-incitement"]
    assert ids("If you think of killing yourself, call a crisis line; you deserve to live.", "reply") == []
    assert ids("How do I make a pipe bomb?", "reply") == []
