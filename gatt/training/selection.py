"""Which rows are learned, which are held out, and which cannot be used and why."""

from __future__ import annotations

import zlib
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

from gatt.errors import GattError
from gatt.rows import Row
from gatt.training.masks import Encoded, Loss, MaskError, encode
from guardrails.rendering import ChatTemplate


@dataclass
class Selection:
    """Encoded rows, and the account of them: `dropped` counts by reason, the other counters by number of turns."""

    training: list[Encoded] = field(default_factory=list)
    validation: list[Encoded] = field(default_factory=list)
    dropped: Counter[str] = field(default_factory=Counter)
    kept_by_turns: Counter[int] = field(default_factory=Counter)
    dropped_by_turns: Counter[int] = field(default_factory=Counter)
    shortened: int = 0
    rehearsed: int = 0
    rehearsals_dropped: dict[str, int] = field(default_factory=dict)

    def rehearse(self, dialogues: Sequence[Encoded], dropped: dict[str, int]) -> None:
        """Learn these beside the rows. None is held out: what is held out measures the rows."""
        self.training += dialogues
        self.rehearsed += len(dialogues)
        self.rehearsals_dropped = dropped
        self.shortened += sum(one.dropped_exchanges > 0 for one in dialogues)

    def rows_share_dialogues(self) -> bool:
        """Whether some dialogue has more than one row."""
        named = [row.dialogue_id for row in self.training if row.dialogue_id]
        return len(set(named)) < len(named)

    def report(self) -> dict[str, Any]:
        """The account as it is printed and stored. Tokens are counted after shortening."""
        kept = [*self.training, *self.validation]
        turns = sorted(self.kept_by_turns | self.dropped_by_turns)
        return {
            "training_rows": len(self.training) - self.rehearsed,
            "rehearsed_dialogues": self.rehearsed,
            "rehearsals_dropped": self.rehearsals_dropped,
            "validation_rows": len(self.validation),
            "dropped_rows": self.dropped.total(),
            "dropped_by_reason": dict(self.dropped.most_common()),
            "rows_by_turns": {
                str(n): {"kept": self.kept_by_turns[n], "dropped": self.dropped_by_turns[n]} for n in turns
            },
            "rows_that_lost_their_oldest_exchanges": self.shortened,
            "tokens": sum(len(row.ids) for row in kept),
            "supervised_tokens": sum(row.supervised for row in kept),
            "supervised_training_tokens": sum(row.supervised for row in self.training),
        }


def select(rows: Sequence[Row], template: ChatTemplate, *, loss: Loss, length: int, validation: float) -> Selection:
    """Encode every row in at most `length` tokens and hold out a share of about `validation`, by a hash.

    It is the hash of the dialogue's id, for its rows are all learned or all held out; else of the row's.

    A row is held out or not whatever else is in the dataset, so that a larger dataset never trains on what a
    smaller one was validated with.

    Raises:
        GattError: no row is left to train on.
    """
    selection = Selection()
    for row in rows:
        try:
            encoded = encode(row, template, loss=loss, length=length)
        except MaskError as error:
            selection.dropped[error.reason] += 1
            selection.dropped_by_turns[row.turns] += 1
            continue
        held_out = zlib.crc32((row.dialogue_id or row.id).encode()) / 2**32 < validation
        (selection.validation if held_out else selection.training).append(encoded)
        selection.kept_by_turns[row.turns] += 1
        selection.shortened += encoded.dropped_exchanges > 0
    if not selection.training:
        reasons = "; ".join(f"{count} {reason}" for reason, count in selection.dropped.most_common(3))
        raise GattError(f"no row is left to train on ({reasons or 'all are held out'}): see --length and --validation")
    return selection
