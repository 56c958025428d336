"""What `gatt inspect` shows is exactly what the trainer learns."""

from __future__ import annotations

from typing import Any

from rich.text import Text

from gatt.inspect import LEARNED, shown, verdicts
from gatt.rows import Row
from gatt.training.masks import Loss
from tests.scripted_engine import bundled_template


def row(**fields: Any) -> Row:
    said = [
        ("system", "Be a cat."),
        ("user", "Hi\x1b[31m!"),
        ("assistant", "Meow."),
        ("user", "Bye"),
        ("assistant", "Purr 🐱."),
    ]
    given: dict[str, Any] = {
        "id": "0000001",
        "messages": [{"role": role, "content": content} for role, content in said],
        "families": ("persona",),
        "checks": ({"kind": "contains", "value": "purr"},),
        "terse": False,
        "history": "original",
        "source": "chats:1",
        "turns": 2,
    }
    return Row.model_validate(given | fields)


def learned(line: Text) -> list[str]:
    return [line.plain[span.start : span.end] for span in line.spans if span.style == LEARNED]


def test_the_last_answer_and_its_stop_token_are_coloured_and_nothing_else() -> None:
    heading, body, count, verified = shown(row(), bundled_template(), loss=Loss.LAST_TURN, length=None, colour=True)
    assert learned(body) == ["Purr 🐱.<|end|>"]
    assert "row 0000001 · persona · 2 turns · original history · verbose · chats:1" in heading.plain
    assert "tokens learned" in count.plain
    assert verified.plain == "verified: contains purr"


def test_all_answers_are_coloured_where_all_are_learned() -> None:
    body = list(shown(row(), bundled_template(), loss=Loss.ALL_TURNS, length=None, colour=True))[1]
    assert learned(body) == ["Meow.<|end|>", "Purr 🐱.<|end|>"]


def test_without_colour_the_learned_text_stands_between_marks() -> None:
    body = list(shown(row(), bundled_template(), loss=Loss.LAST_TURN, length=None, colour=False))[1]
    assert body.plain.count("⟦") == body.plain.count("⟧") == 1
    assert "⟦Purr 🐱.<|end|>⟧" in body.plain


def test_the_terminal_is_not_at_the_mercy_of_the_data() -> None:
    body = list(shown(row(), bundled_template(), loss=Loss.LAST_TURN, length=None, colour=True))[1]
    assert "\x1b" not in body.plain


def test_a_row_that_is_not_trained_on_says_why() -> None:
    lines = list(shown(row(), bundled_template(), loss=Loss.LAST_TURN, length=5, colour=True))
    assert "not trained on: too long" in lines[1].plain
    total, refused = verdicts([row(), row()], bundled_template(), loss=Loss.LAST_TURN, length=5)
    assert (total, refused.total()) == (0, 2)
