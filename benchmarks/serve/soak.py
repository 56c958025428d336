"""Many clients, killed workers, a locked database, failing engines: is a message lost, does a turn stick?

python -m benchmarks.serve.soak [--clients 200] [--seconds 600] [--workers 3] [--db URL]

Each client talks in a conversation of its own, at whichever worker answers, and sends a message again, with the same
Idempotency-Key, until it is told that the reply has ended. A tenth leaves in mid-reply and looks the reply up
elsewhere. Meanwhile workers are killed and started again, one reply in fifty fails in the engine, and (SQLite) another
process holds the write lock for seconds. Exits 1 where a message is missing or there twice, or a reply does not end.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import random
import sqlite3
import sys
import tempfile
import time
from collections import Counter
from contextlib import ExitStack, closing
from dataclasses import dataclass, field
from typing import Any

import httpx

from assistant.store.database import file_of
from assistant.store.store import Store
from benchmarks.serve.processes import Process, worker

KILL_EVERY = 20.0
LOCK_EVERY = 15.0
LOCKED_SECONDS = 3.0
LEAVING = 0.1
GIVE_UP_SECONDS = 90.0
# A minute of silence and a look every 15 seconds, should the host not know its own dead.
SETTLE_SECONDS = 90.0


@dataclass(slots=True)
class Tally:
    """What happened: by conversation, what was `sent` and its reply's end told, and what was given up on."""

    sent: dict[int, list[str]] = field(default_factory=dict)
    unsure: dict[int, list[str]] = field(default_factory=dict)
    ends: Counter[str] = field(default_factory=Counter)
    troubles: Counter[str] = field(default_factory=Counter)
    kills: int = 0
    locks: int = 0
    memory: list[float] = field(default_factory=list)


async def converse(client: httpx.AsyncClient, workers: list[Process], tally: Tally, until: float) -> None:
    """One client until the end."""
    id: int | None = None
    while id is None and time.monotonic() < until:
        try:
            made = await client.post(f"{random.choice(workers).url}/api/conversations", json={"persona": "professor"})
            id = made.json()["id"] if made.status_code == 201 else None
        except httpx.HTTPError:
            await asyncio.sleep(0.5)
    if id is None:
        return
    tally.sent[id], tally.unsure[id] = [], []
    number = 0
    while time.monotonic() < until:
        number += 1
        text = f"message {number} of {id}"
        told = await say(client, workers, tally, id, text, time.monotonic() + GIVE_UP_SECONDS)
        (tally.sent if told else tally.unsure)[id].append(text)
        await asyncio.sleep(random.uniform(0.5, 3))


async def say(
    client: httpx.AsyncClient, workers: list[Process], tally: Tally, id: int, text: str, give_up: float
) -> bool:
    """Send a message until its reply has ended; whether it did before the client gave up."""
    body, key = {"text": text}, {"idempotency-key": text}
    while time.monotonic() < give_up:
        url = random.choice(workers).url
        leave = random.random() < LEAVING
        try:
            async with client.stream(
                "POST", f"{url}/api/conversations/{id}/messages", json=body, headers=key
            ) as response:
                if response.status_code != 200:
                    tally.troubles[f"status {response.status_code}"] += 1
                    await asyncio.sleep(0.5)
                    continue
                async for line in response.aiter_lines():
                    event = json.loads(line[6:]) if line.startswith("data: ") else {}
                    if leave and "text" in event:
                        tally.troubles["client left"] += 1
                        break
                    if "error" in event or "finish_reason" in event:
                        tally.ends[str(event.get("status", "failed"))] += 1
                        return True
        except httpx.HTTPError as error:
            tally.troubles[type(error).__name__] += 1
            await asyncio.sleep(0.2)
    return False


async def trouble(workers: list[Process], tally: Tally, db: str, until: float) -> None:
    """Kill workers and lock the database, now and then."""
    kill, lock = time.monotonic() + KILL_EVERY, time.monotonic() + LOCK_EVERY
    while time.monotonic() < until:
        await asyncio.sleep(1)
        tally.memory.append(sum(process.rss_mb for process in workers))
        if time.monotonic() > kill:
            kill += KILL_EVERY
            victim = random.choice(workers)
            victim.kill()
            tally.kills += 1
            await asyncio.to_thread(victim.start_again)
        path = file_of(db)
        if path is not None and time.monotonic() > lock:
            lock += LOCK_EVERY
            tally.locks += 1
            await asyncio.to_thread(hold, str(path))


def hold(path: str) -> None:
    """Keep every other process from writing for a while."""
    with closing(sqlite3.connect(path, timeout=30, isolation_level=None)) as connection:
        connection.execute("BEGIN IMMEDIATE")
        time.sleep(LOCKED_SECONDS)
        connection.execute("ROLLBACK")


def judge(store: Store, tally: Tally) -> list[str]:
    """What is wrong with what is stored."""
    wrong: list[str] = []
    statuses: Counter[str] = Counter()
    for id, sent in tally.sent.items():
        messages = store.all_messages(id)
        users = [message for message in messages if message.role == "user"]
        replies = [message for message in messages if message.role == "assistant"]
        asked = Counter(message.content for message in users)
        wrong += [f"{text!r} is missing" for text in sent if not asked[text]]
        wrong += [f"{text!r} is there {count} times" for text, count in asked.items() if count > 1]
        statuses.update(message.status for message in replies)
        answered = {message.parent_id for message in replies}
        wrong += [f"message {message.id} has no reply" for message in users if message.id not in answered]
    if statuses["streaming"]:
        wrong.append(f"{statuses['streaming']} replies never ended")
    print(f"stored replies: {dict(statuses)}")
    return wrong


async def soak(workers: list[Process], db: str, clients: int, seconds: float) -> Tally:
    """All of it."""
    tally, until = Tally(), time.monotonic() + seconds
    limits = httpx.Limits(max_connections=clients)
    async with httpx.AsyncClient(timeout=httpx.Timeout(30, pool=None), limits=limits) as client:
        talking: list[Any] = [converse(client, workers, tally, until) for _ in range(clients)]
        await asyncio.gather(*talking, trouble(workers, tally, db, until))
    return tally


def main() -> int:
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--clients", type=int, default=200)
    parser.add_argument("--seconds", type=float, default=600)
    parser.add_argument("--workers", type=int, default=3)
    parser.add_argument("--db")
    asked = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder, ExitStack() as stack:
        db = asked.db or f"{folder}/chats.db"
        Store.open(db).close()
        paths = ["--db", db, "--audit", f"{folder}/audit.jsonl", "--guard", "balanced"]
        pace = ["--failing", "0.02", "--pause", "0.05"]
        workers = [stack.enter_context(worker("served", *paths, *pace)) for _ in range(asked.workers)]
        with Store.open(db) as store:
            tally = asyncio.run(soak(workers, store.url, asked.clients, asked.seconds))
            deadline = time.monotonic() + SETTLE_SECONDS
            while time.monotonic() < deadline and unended(store, tally):
                time.sleep(1)
            wrong = judge(store, tally)
            kind = store.url.partition(":")[0]
    told, unsure = sum(map(len, tally.sent.values())), sum(map(len, tally.unsure.values()))
    print(f"{asked.clients} clients, {asked.workers} workers, {asked.seconds:g} s, {kind}")
    print(f"messages told to be answered: {told}; given up on after {GIVE_UP_SECONDS:g} s: {unsure}")
    print(f"ends: {dict(tally.ends)}; troubles: {dict(tally.troubles)}; kills: {tally.kills}; locks: {tally.locks}")
    half = len(tally.memory) // 2
    first, second = max(tally.memory[:half], default=0), max(tally.memory[half:], default=0)
    print(f"workers' memory together, most in the first half: {first:.0f} MB, in the second: {second:.0f} MB")
    print("\n".join(wrong[:20]) or "nothing lost, doubled or stuck")
    return int(bool(wrong))


def unended(store: Store, tally: Tally) -> bool:
    """Whether a reply still runs."""
    return any(message.status == "streaming" for id in tally.sent for message in store.leaves(id))


if __name__ == "__main__":
    sys.exit(main())
