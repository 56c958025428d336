"""Two processes in one conversation: each goes on from its own place, and nothing is spliced or lost."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any

from assistant.store.store import Store
from tests.assistant.cli.conftest import Run
from tests.scripted_engine import ScriptedEngine

SLOW = {"text": "slow " * 40, "delay": 0.05}


@contextmanager
def opened(db: Path, *arguments: str, script: list[dict[str, Any]]) -> Iterator[subprocess.Popen[bytes]]:
    """The command as a process of its own, given when its model is open."""
    with subprocess.Popen(
        [sys.executable, "-m", "tests.assistant.cli.scripted_main", *arguments, "--db", str(db)],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        env={**os.environ, "SCRIPT": json.dumps(script)},
    ) as process:
        assert process.stderr is not None
        assert process.stderr.readline() == b"scripted-model, as scripted\n"
        yield process


def says(process: subprocess.Popen[bytes], line: str) -> None:
    assert process.stdin is not None
    process.stdin.write(line.encode() + b"\n")
    process.stdin.flush()


def children(store: Store, parent: int | None) -> list[str]:
    return [message.content for message in store.children(1, parent)]


def test_what_is_said_while_another_reply_streams_is_its_sibling(
    run: Run, said: ScriptedEngine, store: Store, db: Path
) -> None:
    start = store.conversation(1).active_leaf_id
    with ExitStack() as stack:
        first = stack.enter_context(opened(db, "chat", "-c", script=[SLOW, {"text": "Mine."}]))
        second = stack.enter_context(opened(db, "chat", "-c", script=[{"text": "Theirs."}, {"text": "Theirs too."}]))
        assert first.stdout is not None
        assert second.stdout is not None
        says(first, "From the first")
        assert first.stdout.read(5) == b"slow "
        says(second, "From the second")
        assert second.stdout.readline() == b"Theirs.\n"
        says(first, "More from the first")
        says(second, "/retry")
        assert second.communicate()[0] == b"Theirs too.\n"
        assert first.communicate()[0].endswith(b"slow \nMine.\n")
    assert children(store, start) == ["From the first", "From the second"]
    one, two = store.children(1, start)
    assert children(store, two.id) == ["Theirs.", "Theirs too."]
    [reply] = store.children(1, one.id)
    assert (reply.content, reply.status) == (SLOW["text"], "complete")
    assert children(store, reply.id) == ["More from the first"]


def test_a_conversation_that_is_being_answered_goes_on_before_that_turn(
    run: Run, said: ScriptedEngine, store: Store, db: Path
) -> None:
    start = store.conversation(1).active_leaf_id
    with opened(db, "chat", "-c", script=[SLOW]) as first:
        assert first.stdout is not None
        says(first, "Slowly")
        assert first.stdout.read(5) == b"slow "
        said.queue("Quickly.")
        result = run("ask", "-c", "And now?")
        first.communicate()
    assert result.stdout == "Quickly.\n"
    assert "goes on before it" in result.stderr
    assert children(store, start) == ["Slowly", "And now?"]
