"""Rows of a dataset in the terminal, with the tokens that would be learned in colour, as the trainer sees them."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Sequence
from itertools import groupby

from rich.text import Text

from assistant.terminal.safe_text import displayable
from gatt.rows import Row
from gatt.training.masks import IGNORED, Encoded, Loss, MaskError, encode
from guardrails.rendering import ChatTemplate

LEARNED = "bold black on green"
CONTROL = "cyan"
CONTEXT = "dim"
# Around learned text where there is no colour.
OPEN, CLOSE = "⟦", "⟧"


def shown(row: Row, template: ChatTemplate, *, loss: Loss, length: int | None, colour: bool) -> Iterator[Text]:
    """A row in lines: what it is, its tokens with those learned marked, and what it was verified to pass."""
    yield Text(heading(row), style="bold")
    try:
        encoded = encode(row, template, loss=loss, length=length)
    except MaskError as error:
        yield Text(f"not trained on: {error.reason}", style="bold red")
        return
    yield painted(encoded, template, colour=colour)
    dropped = f", without its {encoded.dropped_exchanges} oldest exchanges" if encoded.dropped_exchanges else ""
    yield Text(f"{encoded.supervised} of {len(encoded.ids)} tokens learned{dropped}", style=CONTEXT)
    checks = "; ".join(f"{check.kind} {check.value}".strip() for check in row.checks)
    yield Text(f"verified: {displayable(checks) or 'nothing that this answer had to show'}", style=CONTEXT)


def heading(row: Row) -> str:
    """One line about a row."""
    facts = [
        f"row {row.id}",
        "+".join(row.families) or "no instruction",
        f"{row.turns} turn{'s' * (row.turns != 1)}",
        f"{row.history} history",
        "terse" if row.terse else "verbose",
    ]
    if row.changed_at is not None:
        facts.append(f"changed at turn {row.changed_at}")
    if row.probed is not None:
        facts.append(f"asks for {row.probed}")
    return displayable(" · ".join([*facts, row.source]))


def painted(encoded: Encoded, template: ChatTemplate, *, colour: bool) -> Text:
    """The tokens as text: runs of learned, control and other tokens are decoded apart, each in its style."""
    text = Text()

    def kind(index: int) -> str:
        if encoded.labels[index] != IGNORED:
            return LEARNED
        return CONTROL if encoded.ids[index] in template.control_ids else CONTEXT

    for style, run in groupby(range(len(encoded.ids)), key=kind):
        words = displayable(template.decode([encoded.ids[index] for index in run]))
        text.append(f"{OPEN}{words}{CLOSE}" if style == LEARNED and not colour else words, style)
    return text


def verdicts(
    rows: Sequence[Row], template: ChatTemplate, *, loss: Loss, length: int | None
) -> tuple[int, Counter[str]]:
    """How many tokens of all rows would be learned, and the rows that would not be trained on, by reason."""
    learned = 0
    refused: Counter[str] = Counter()
    for row in rows:
        try:
            learned += encode(row, template, loss=loss, length=length).supervised
        except MaskError as error:
            refused[error.reason] += 1
    return learned, refused
