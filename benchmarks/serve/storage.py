"""What a turn costs the database: transactions and bytes.

python -m benchmarks.serve.storage [--db URL] [--turns 200]

Turns of some 60 words each way, ten to a conversation, through the pipeline with the guard `balanced` on an engine
that answers at once. On PostgreSQL the server counts; on SQLite every commit is counted here.
"""

from __future__ import annotations

import argparse
import asyncio
import tempfile
from pathlib import Path

from sqlalchemy import create_engine, event, text

from assistant.personas.library import PersonaLibrary
from assistant.service import Assistant
from assistant.store.store import Store
from benchmarks.serve.paced import Pace, PacedEngine
from benchmarks.store import WORDS_PER_MESSAGE, Words
from guardrails.guard import build
from guardrails.policy import load

TURNS_EACH = 10


async def talk(store: Store, turns: int, audit: Path) -> None:
    """So many turns, ten to a conversation."""
    engine = PacedEngine(Pace(first=0.0, pause=0.0, tokens=WORDS_PER_MESSAGE))
    assistant = Assistant(store, engine, build(load("balanced"), audit=audit))
    persona = store.save_persona(PersonaLibrary().get("professor"))
    words = Words(seed=0)
    for number in range(turns):
        if number % TURNS_EACH == 0:
            conversation = store.create_conversation(persona.id).id
        await (await assistant.send(conversation, words.text(WORDS_PER_MESSAGE))).wait()
    await assistant.close()


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--db", help="default: a new SQLite file")
    parser.add_argument("--turns", type=int, default=200)
    asked = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        audit = Path(folder) / "audit.jsonl"
        with Store.open(asked.db or f"{folder}/chats.db") as store:
            commits = 0

            def count(_: object) -> None:
                nonlocal commits
                commits += 1

            event.listen(store._engine, "commit", count)
            # The first turns fill pages that are there anyway.
            asyncio.run(talk(store, TURNS_EACH, audit))
            before, written = size(store), audit.stat().st_size
            commits = 0
            asyncio.run(talk(store, asked.turns, audit))
            print(f"{store.url.partition(':')[0]}, {asked.turns} turns of {WORDS_PER_MESSAGE} words each way")
            print(f"transactions a turn, reads too: {commits / asked.turns:.1f}")
            print(f"database bytes a turn: {(size(store) - before) / asked.turns:,.0f}")
            print(f"audit log bytes a turn: {(audit.stat().st_size - written) / asked.turns:,.0f}")


def size(store: Store) -> int:
    """Of the database, in bytes."""
    engine = create_engine(store.url)
    try:
        with engine.connect() as connection:
            if store.path is not None:
                connection.execute(text("PRAGMA wal_checkpoint(TRUNCATE)"))
                return store.path.stat().st_size
            return int(connection.scalars(text("SELECT pg_database_size(current_database())")).one())
    finally:
        engine.dispose()


if __name__ == "__main__":
    main()
