"""vLLM inside `assistant chat`, at a real terminal: a program of its own, with a person's signals."""

from __future__ import annotations

import os
import re
import sys
from pathlib import Path

import psutil
import pytest

from assistant.store.store import Store
from tests.assistant.engines.vllm import needs_vllm, together
from tests.assistant.terminal.real_terminal import ESCAPES, Person

# A real program's interrupts on a busy machine come too early or too late now and then: to be asked for.
asked_for = pytest.mark.skipif(
    "TEST_VLLM_TERMINAL" not in os.environ, reason="set TEST_VLLM_TERMINAL=1; it takes a minute and a quiet machine"
)
pytestmark = [needs_vllm, together, asked_for]

ASSISTANT = (str(Path(sys.executable).parent / "assistant"),)
OPTIONS = ("--engine", "vllm", "-o", "kv_cache_gb=0.25", "--guard", "off", "--temperature", "2", "--max-tokens", "600")


def test_an_interrupt_stops_the_reply_and_never_the_engine(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HOME", str(tmp_path))
    person = Person(tmp_path, [], *OPTIONS, program=ASSISTANT)
    person.child.timeout = 180
    start = person.sees(r"Demonstration model(?s:.*)turn 1 ")
    person.types("Tell me a long story about the sea.\r")

    def begun() -> bool:
        with Store.open(str(person.db)) as store:
            return any(message.role == "assistant" and message.content for message in store.all_messages(1))

    # What the screen shows first is what was typed.
    person.waits(begun)
    processes = [psutil.Process(person.child.pid), *psutil.Process(person.child.pid).children(recursive=True)]
    memory = sum(process.memory_info().rss for process in processes)
    # To the whole foreground group, as a terminal does.
    person.child.sendintr()
    person.sees(r"stopped; kept \d+ words?(?s:.*)turn 2")
    person.types("And then?\r")
    person.sees(r"turn 3")
    person.types("\x04")
    assert person.leaves() == 0
    with Store.open(str(person.db)) as store:
        stored = [(message.role, message.status) for message in store.all_messages(1)]
    assert stored == [("user", "complete"), ("assistant", "stopped"), ("user", "complete"), ("assistant", "complete")]
    # A chat's screen is for the chat, nothing outlives it, and vLLM did not take most of the machine.
    shown = ESCAPES.sub("", person.seen)
    assert not re.search(r"INFO|WARNING|Warning|vllm/|\[W\d|it/s", shown), shown
    assert "Demonstration model" in start
    assert not any(process.is_running() and process.status() != psutil.STATUS_ZOMBIE for process in processes)
    assert memory < 2.5e9
