"""`assistant ask`."""

from __future__ import annotations

import json
import os
import re
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from assistant.cli.demonstration import demo_line
from assistant.engines import catalog
from assistant.store.store import Store
from tests.assistant.cli.conftest import Run
from tests.scripted_engine import Reply, ScriptedEngine


def test_the_reply_is_all_of_stdout_and_the_exchange_is_stored(run: Run, engine: ScriptedEngine, store: Store) -> None:
    engine.queue("Because it scatters blue light.")
    result = run("ask", "--persona", "poet", "Why is the sky blue?")
    assert (result.stdout, result.stderr, result.exit_code) == ("Because it scatters blue light.\n", "", 0)
    [summary] = store.list_conversations()
    assert (summary.persona, summary.title, summary.messages) == ("poet", "Why is the sky blue?", 2)


def test_piped_text_comes_before_the_question(run: Run, engine: ScriptedEngine, store: Store) -> None:
    engine.queue("Short.")
    run("ask", "Summarise this", input="A long text.\nOf two lines.\n")
    assert store.all_messages(1)[0].content == "A long text.\nOf two lines.\n\nSummarise this"


def test_piped_text_alone_is_the_question(run: Run, engine: ScriptedEngine, store: Store) -> None:
    engine.queue("Hi.")
    run("ask", input="Hello\n")
    assert store.all_messages(1)[0].content == "Hello"


def test_json_is_one_object_with_usage_and_timings(run: Run, engine: ScriptedEngine, store: Store) -> None:
    engine.queue("Hi.")
    result = run("ask", "--json", "Hello")
    report = json.loads(result.stdout)
    assert result.stdout.count("\n") == 1
    reply = store.all_messages(1)[1]
    assert report == {
        "reply": "Hi.",
        "conversation_id": 1,
        "message_id": reply.id,
        "status": "complete",
        "finish_reason": "stop",
        "model": "scripted-model",
        "persona": "professor",
        "usage": {
            "prompt_tokens": len(engine.prompts[0]),
            "completion_tokens": len(engine.template.encode("Hi.")),
            "cached_tokens": 0,
        },
        "timings": {"ttft_ms": reply.ttft_ms, "duration_ms": reply.duration_ms},
    }
    assert report["timings"]["duration_ms"] >= report["timings"]["ttft_ms"] >= 0


def test_json_of_a_failed_turn_says_so(run: Run, engine: ScriptedEngine) -> None:
    engine.queue(Reply("Never said", fail_after=0))
    result = run("ask", "--json", "Hello")
    report = json.loads(result.stdout)
    assert (report["status"], report["reply"]) == ("failed", "")
    assert report["error"] == "the scripted engine failed as told"
    assert result.exit_code == 1


def test_continue_goes_on(run: Run, said: ScriptedEngine, store: Store) -> None:
    said.queue("At night it be black.")
    run("ask", "-c", "And at night?")
    assert [m.content for m in store.branch(store.conversation(1).active_leaf_id or 0)][-2:] == [
        "And at night?",
        "At night it be black.",
    ]


def test_interrupting_keeps_what_came(tmp_path: Path) -> None:
    path = tmp_path / "test.db"
    with subprocess.Popen(
        [sys.executable, "-m", "tests.assistant.cli.scripted_main", "ask", "Go", "--db", str(path)],
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        env={**os.environ, "SCRIPT": json.dumps([{"text": "word " * 500, "delay": 0.05}])},
    ) as process:
        assert process.stdout is not None
        assert process.stderr is not None
        assert process.stdout.read(10) == b"word word "
        time.sleep(0.2)
        process.send_signal(signal.SIGINT)
        rest = process.stdout.read()
        said = process.stderr.read().decode()
        assert process.wait(30) == 130
    with Store.open(str(path)) as store:
        reply = store.all_messages(1)[1]
    assert reply.status == "stopped"
    assert reply.content.encode() + b"\n" == b"word word " + rest
    assert said == f"stopped; kept {len(reply.content.split())} words\n"


def test_a_reply_that_was_cut_is_said_beside_it(run: Run, engine: ScriptedEngine) -> None:
    engine.queue("one two three four five six")
    result = run("ask", "--max-tokens", "2", "Count")
    assert result.stderr == "cut at 2 tokens, the limit of a reply (--max-tokens)\n"


def test_a_demonstration_says_that_it_is_one(run: Run, engine: ScriptedEngine, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(catalog, "open_engine", lambda *_: catalog.Opened(engine, "as scripted", True))
    engine.queue("Hi.")
    result = run("ask", "Hello")
    assert result.stdout == "Hi.\n"
    assert result.stderr.startswith("Demonstration model")
    assert result.stderr.count("\n") == 1


def test_the_demonstration_line_counts_the_parameters(tiny_model: Path, tmp_path: Path) -> None:
    assert demo_line(tmp_path).startswith("Demonstration model: fluent")
    assert re.match(r"Demonstration model, \d+M parameters: fluent", demo_line(tiny_model))
