"""How fast the conversation store is with 100,000 messages in it.

python -m benchmarks.store [--messages 100000] [--runs 50]

Builds a database in a temporary folder, times each operation `runs` times and prints median and 95th percentile in
milliseconds beside the bar that the median must stay under. Exits 1 where one does not.
"""

from __future__ import annotations

import argparse
import itertools
import random
import statistics
import sys
import tempfile
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from sqlalchemy import insert

from assistant.personas.persona import Persona
from assistant.store.database import open_database
from assistant.store.records import GrowingReply, NewMessage
from assistant.store.schema import ConversationRow, MessageRow
from assistant.store.store import Store

LONG_BRANCH = 200
SHORT_BRANCH = 40
WORDS_PER_MESSAGE = 60
START_MS = 1_700_000_000_000


@dataclass(frozen=True, slots=True)
class Timing:
    name: str
    median_ms: float
    p95_ms: float
    bar_ms: float | None


class Words:
    """Random text whose words are as unevenly common as those of a language: the n-th has a share of about 1/n."""

    def __init__(self, seed: int, size: int = 20_000) -> None:
        self._random = random.Random(seed)
        letters = "etaoinshrdlucmfwypvbgkjqxz"
        self.by_rank = ["".join(self._random.choices(letters, k=self._random.randint(2, 9))) for _ in range(size)]
        self._cumulative = list(itertools.accumulate(1 / rank for rank in range(1, size + 1)))

    def text(self, count: int) -> str:
        return " ".join(self._random.choices(self.by_rank, cum_weights=self._cumulative, k=count))


def fill(store: Store, messages: int, words: Words) -> int:
    """Stores `messages` messages in conversations of 40, the last one of 200, whose leaf's id is returned."""
    persona = store.save_persona(Persona(name="bench", title="Bench", instruction="Answer."))
    lengths = [SHORT_BRANCH] * max(0, (messages - LONG_BRANCH) // SHORT_BRANCH) + [LONG_BRANCH]
    engine = open_database(store.url)
    message_id = 0
    with engine.execution_options(writes=True).begin() as connection:
        for conversation_id, length in enumerate(lengths, start=1):
            ids = range(message_id + 1, message_id + length + 1)
            moment = START_MS + conversation_id
            connection.execute(
                insert(ConversationRow),
                {
                    "id": conversation_id,
                    "title": words.text(5),
                    "persona_version_id": persona.id,
                    "active_leaf_id": ids[-1],
                    "message_count": length,
                    "created_at": moment,
                    "updated_at": moment,
                },
            )
            connection.execute(
                insert(MessageRow),
                [
                    {
                        "id": id,
                        "conversation_id": conversation_id,
                        "parent_id": id - 1 if id > ids[0] else None,
                        "role": "user" if (id - ids[0]) % 2 == 0 else "assistant",
                        "content": words.text(WORDS_PER_MESSAGE),
                        "status": "complete",
                        "created_at": moment,
                        "updated_at": moment,
                    }
                    for id in ids
                ],
            )
            message_id = ids[-1]
    engine.dispose()
    return message_id


def measure(name: str, bar_ms: float | None, runs: int, operation: Callable[[int], object]) -> Timing:
    """Times `operation`, called with the number of the run, after two runs that do not count."""
    taken = []
    for run in range(-2, runs):
        start = time.perf_counter()
        operation(run)
        if run >= 0:
            taken.append((time.perf_counter() - start) * 1000)
    return Timing(name, statistics.median(taken), sorted(taken)[int(0.95 * (runs - 1))], bar_ms)


def benchmark(folder: Path, messages: int, runs: int) -> list[Timing]:
    words = Words(seed=0)
    path = str(folder / "store.db")
    with Store.open(path) as store:
        leaf = fill(store, messages, words)
        conversation = store.message(leaf).conversation_id
        persona = store.persona_versions("bench")[0].id

        def begin_turn(text: str) -> int:
            return store.begin_turn(
                conversation, leaf, text, model="m", engine="e", params={}, persona_version_id=persona
            )[1].id

        reply = begin_turn("The last question.")
        reply_text = words.text(400)
        common, middle, rare = words.by_rank[0], words.by_rank[300], words.by_rank[15_000]
        timings = [
            measure("list the newest 50 conversations", 5, runs, lambda _: store.list_conversations()),
            measure("search a rare word", 20, runs, lambda _: store.search(rare)),
            measure("search a middling word", 20, runs, lambda _: store.search(middle)),
            measure("search the commonest word", 20, runs, lambda _: store.search(common)),
            measure("search two words, the last begun", 20, runs, lambda _: store.search(f"{common} {middle[:2]}")),
            measure("search in one conversation", 20, runs, lambda _: store.search(common, 20, conversation)),
            measure("begin a turn of 400 words", 5, runs, lambda _: begin_turn(reply_text)),
            measure(
                "grow a reply of 400 words",
                5,
                runs,
                lambda run: store.grow_replies({reply: GrowingReply(f"{reply_text} {run}")}),
            ),
            measure(f"load a branch of {LONG_BRANCH}", 20, runs, lambda _: store.branch(leaf)),
            measure("leaf below the root", None, runs, lambda _: store.leaf_below(leaf - LONG_BRANCH + 1)),
        ]
        rows = [NewMessage("user", words.text(20), after=n - 1 if n else None) for n in range(1000)]
        timings.append(measure("import 1,000 messages", None, 5, lambda _: store.add_messages(conversation, rows)))
        store.finish_reply(reply, reply_text, status="complete")
    return [*timings, measure("open a current database", None, runs, lambda _: Store.open(path).close())]


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0] if __doc__ else None)
    parser.add_argument("--messages", type=int, default=100_000)
    parser.add_argument("--runs", type=int, default=50)
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        timings = benchmark(Path(folder), arguments.messages, arguments.runs)
        size = (Path(folder) / "store.db").stat().st_size / 1e6
    print(f"{arguments.messages:,} messages, {size:.0f} MB, n = {arguments.runs}, milliseconds\n")
    print(f"{'operation':<36}{'median':>9}{'p95':>9}{'bar':>7}")
    for timing in timings:
        bar = "" if timing.bar_ms is None else f"{timing.bar_ms:g}"
        print(f"{timing.name:<36}{timing.median_ms:>9.2f}{timing.p95_ms:>9.2f}{bar:>7}")
    return int(any(timing.bar_ms is not None and timing.median_ms >= timing.bar_ms for timing in timings))


if __name__ == "__main__":
    sys.exit(main())
