"""Forks processes that each stream a reply, kills them with SIGKILL at random moments, and reports what is left.

Run as a script with a folder and a seed: prints one JSON object a line. A process of its own, so that the forks
happen before any thread exists.
"""

from __future__ import annotations

import asyncio
import json
import os
import random
import shutil
import signal
import sys
import time
from itertools import pairwise
from pathlib import Path

from assistant.events import Text
from assistant.personas.persona import Persona
from assistant.sampling import Sampling
from assistant.service import Assistant
from assistant.store.store import Store
from tests.scripted_engine import Reply, ScriptedEngine, bundled_template

KILLS = 50
AT_ONCE = 10
LONGEST = 2.6
LONG = Sampling(max_tokens=10_000)
WORDS = " ".join(f"w{n}" for n in range(2000))


async def stream(database: Path, progress: int) -> None:
    """One turn; after every piece of text the number of characters shown and the time go to `progress`."""
    with Store.open(str(database)) as store:
        persona = store.save_persona(Persona(name="p", title="P", instruction="Be brief.", sampling=LONG))
        conversation = store.create_conversation(persona.id)
        os.write(progress, b"ready\n")
        assistant = Assistant(store, ScriptedEngine([Reply(WORDS, delay=0.01)], window=32_768))
        turn = await assistant.send(conversation.id, "the user's words")
        os.write(progress, b"begun\n")
        shown = 0
        async for event in turn.events():
            if isinstance(event, Text):
                shown += len(event.text)
                os.write(progress, f"{time.monotonic()} {shown}\n".encode())


def begin(folder: Path, number: int) -> int:
    shutil.copy(folder / "empty.db", folder / f"{number}.db")
    progress = os.open(folder / f"{number}.log", os.O_WRONLY | os.O_CREAT)
    child = os.fork()
    if child:
        os.close(progress)
        return child
    try:
        asyncio.run(stream(folder / f"{number}.db", progress))
    finally:
        os._exit(0)


def wait_for(path: Path, line: str) -> None:
    deadline = time.monotonic() + 60
    while time.monotonic() < deadline and line not in path.read_text():
        time.sleep(0.005)


def examine(folder: Path, number: int, killed_at: float) -> dict[str, object]:
    lines = (folder / f"{number}.log").read_text().split("\n")
    shown = [(float(t), int(n)) for t, n in (line.split() for line in lines if " " in line and line[0].isdigit())]
    with Store.open(str(folder / f"{number}.db")) as store:
        messages = store.all_messages(1)
    times = [t for t, _ in shown] + [killed_at]
    users = [m.content for m in messages if m.role == "user"]
    replies = [m for m in messages if m.role == "assistant"]
    kept = len(replies[0].content) if replies else 0
    return {
        "begun": "begun" in lines,
        "users": users,
        "status": replies[0].status if replies else None,
        "is_prefix": not replies or WORDS.startswith(replies[0].content),
        "lost_seconds": max((killed_at - t for t, n in shown if n > kept), default=0.0),
        # How long a busy machine kept the process, or this one, from running at all.
        "stalled_seconds": max((later - earlier for earlier, later in pairwise(times)), default=0.0),
    }


def main(folder: Path, seed: int) -> None:
    rng = random.Random(seed)
    bundled_template().encode("loaded before the forks")
    Store.open(str(folder / "empty.db")).close()
    for first in range(0, KILLS, AT_ONCE):
        batch = {}
        for number in range(first, first + AT_ONCE):
            child = begin(folder, number)
            wait_for(folder / f"{number}.log", "ready")
            # The clock starts before the message is sent: some kills come before it is stored.
            batch[number] = (child, time.monotonic() + rng.uniform(0, LONGEST))
        for number, (child, moment) in sorted(batch.items(), key=lambda item: item[1][1]):
            time.sleep(max(0.0, moment - time.monotonic()))
            os.kill(child, signal.SIGKILL)
            killed_at = time.monotonic()
            os.waitpid(child, 0)
            print(json.dumps(examine(folder, number, killed_at)), flush=True)


if __name__ == "__main__":
    main(Path(sys.argv[1]), int(sys.argv[2]))
