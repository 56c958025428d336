"""Input that nobody should send, and names of what is not there."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from assistant.store.store import Store
from tests.assistant.cli.conftest import Run
from tests.scripted_engine import ScriptedEngine


def test_a_line_of_a_megabyte_is_stored_and_refused_with_the_fix(
    run: Run, engine: ScriptedEngine, store: Store
) -> None:
    engine.queue("Short again.")
    line = "many words " * 95_326
    result = run("chat", input=f"{line}\nHello\n")
    assert result.stdout == "\nShort again.\n"
    assert "use a model with a larger window" in result.stderr
    assert result.exit_code == 1
    assert store.all_messages(1)[0].content == line


def test_binary_input_is_answered_and_keeps_no_invalid_text(run: Run, engine: ScriptedEngine, store: Store) -> None:
    engine.queue(*["ok"] * 300)
    result = run("chat", input=bytes(range(256)) * 4)
    assert result.exit_code == 0
    for message in store.all_messages(1):
        message.content.encode()


def test_lone_surrogates_on_the_command_line_are_replaced(run: Run, engine: ScriptedEngine, store: Store) -> None:
    engine.queue("ok")
    assert run("ask", "broken \udcff here").exit_code == 0
    assert store.all_messages(1)[0].content == "broken \ufffd here"


def test_control_characters_of_a_message_are_kept_but_not_shown(run: Run, engine: ScriptedEngine, store: Store) -> None:
    engine.queue("ok")
    run("chat", input="red \x1b[31m text\n")
    assert store.all_messages(1)[0].content == "red \x1b[31m text"
    shown = run("conversations", "show", "1").stdout
    assert "\x1b" not in shown
    assert "red [31m text" in shown


def test_ten_thousand_lines_are_one_question(run: Run, engine: ScriptedEngine, store: Store) -> None:
    text = "\n".join(str(number) for number in range(10_000))
    result = run("ask", input=text)
    assert result.exit_code == 1
    assert "larger window" in result.stderr
    assert store.all_messages(1)[0].content == text


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["ask"], 'error: there is no question: assistant ask "Why is the sky blue?"\n'),
        (["ask", "   "], 'error: there is no question: assistant ask "Why is the sky blue?"\n'),
        (["chat", "--persona", "pirat"], "did you mean 'pirate'?"),
        (["chat", "--conversation", "99"], "99"),
        (["chat", "--continue"], "error: there is no conversation to go on with yet"),
        (["chat", "--continue", "--conversation", "1"], "give one of them"),
        (["chat", "--persona", "pirate", "--system", "x"], "give one of them"),
        (["chat", "--system", " "], "the instruction is empty"),
        (["conversations", "show", "99"], "99"),
        (["conversations", "delete", "99", "--yes"], "99"),
        (["conversations", "import", "/nowhere.json"], "/nowhere.json"),
        (["personas", "show", "nobody"], "there is no persona 'nobody'"),
    ],
)
def test_what_is_not_there_is_one_line_and_exit_code_1(
    run: Run, engine: ScriptedEngine, arguments: list[str], message: str
) -> None:
    result = run(*arguments)
    assert result.exit_code == 1
    assert result.stdout == ""
    assert message in result.stderr
    assert result.stderr.startswith("error: ")
    assert result.stderr.count("\n") == 1


def test_an_unknown_model_is_one_line(run: Run) -> None:
    result = run("chat", "--model", "no-such-model")
    assert result.exit_code == 1
    assert result.stderr.startswith("error: there is no model 'no-such-model'")
    assert result.stderr.count("\n") == 1


def test_an_unknown_engine_is_one_line(run: Run) -> None:
    result = run("chat", "--engine", "steam")
    assert result.exit_code == 1
    assert result.stderr.startswith("error: unknown engine 'steam'")


def test_a_wrong_setting_is_named(run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("ASSISTANT_THREADS", "many")
    result = run("models")
    assert result.exit_code == 1
    assert result.stderr.startswith("error: setting 'threads': ")
    assert "ASSISTANT_THREADS" in result.stderr


def test_an_unknown_command_names_the_nearest(run: Run) -> None:
    result = run("caht")
    assert result.exit_code == 2
    assert "Did you mean 'chat'?" in result.stderr


def test_debug_shows_the_traceback(tmp_path: Path) -> None:
    command = [sys.executable, "-m", "tests.assistant.cli.scripted_main"]
    environment = {**os.environ, "ASSISTANT_DB": str(tmp_path / "test.db")}
    failing = ["conversations", "show", "99"]
    plain = subprocess.run([*command, *failing], capture_output=True, text=True, env=environment)
    assert (plain.returncode, plain.stderr.count("\n")) == (1, 1)
    debug = subprocess.run([*command, "--debug", *failing], capture_output=True, text=True, env=environment)
    assert debug.returncode == 1
    assert "Traceback (most recent call last)" in debug.stderr


def test_a_reader_that_goes_away_is_no_noise(tmp_path: Path) -> None:
    environment = {
        **os.environ,
        "ASSISTANT_DB": str(tmp_path / "test.db"),
        "SCRIPT": '[{"text": "' + "word " * 50 + '"}, {"text": "' + "word " * 50 + '", "delay": 0.02}]',
    }
    command = f"printf 'a\\nb\\n' | {sys.executable} -m tests.assistant.cli.scripted_main chat | head -c 5"
    done = subprocess.run(["sh", "-c", command], capture_output=True, text=True, env=environment)
    assert done.stdout == "word "
    assert done.stderr == "scripted-model, as scripted\n"


@pytest.mark.parametrize(
    "arguments",
    [
        ["chat", "--seed", str(2**63)],
        ["chat", "--seed", "-1"],
        ["chat", "--temperature", "2.1"],
        ["chat", "--temperature", "nan"],
        ["chat", "--top-p", "0"],
        ["chat", "--max-tokens", "0"],
        ["chat", "--conversation", str(2**63)],
        ["conversations", "show", str(2**63)],
        ["conversations", "show", "0"],
        ["conversations", "list", "--limit", str(2**63)],
        ["conversations", "search", "x", "--conversation", str(2**63)],
    ],
)
def test_numbers_out_of_bounds_are_refused_before_anything_is_made(
    run: Run, engine: ScriptedEngine, db: Path, arguments: list[str]
) -> None:
    result = run(*arguments, input="Hello\n")
    assert result.exit_code == 2
    assert "Error: Invalid value for " in result.stderr
    assert not db.exists()


@pytest.mark.parametrize(
    "arguments",
    [
        ["chat", "--db", "~nobody-here/x.db"],
        ["chat", "--model", "~nobody-here"],
        ["doctor", "--db", "~nobody-here/x.db"],
        ["db", "check", "--db", "~nobody-here/x.db"],
    ],
)
def test_a_home_that_is_not_there_is_told(run: Run, arguments: list[str]) -> None:
    result = run(*arguments)
    assert result.exit_code == 1
    assert "there is no such home folder; give the whole path" in result.stdout + result.stderr
    assert "Error:" not in result.stderr


def test_a_chat_goes_on_after_an_export_to_a_path_that_cannot_be(run: Run, engine: ScriptedEngine) -> None:
    engine.queue("One.", "Two.")
    result = run("chat", input="Hello\n/export ~nobody-here/x.md\n/export a\0b.md\n/branch " + "9" * 5000 + "\nMore\n")
    assert result.stdout == "One.\nTwo.\n"
    assert result.stderr.count("error: ") == 3


@pytest.mark.parametrize("threads", ["0", "-1", "99999999999"])
def test_threads_are_bounded(run: Run, monkeypatch: pytest.MonkeyPatch, threads: str) -> None:
    monkeypatch.setenv("ASSISTANT_THREADS", threads)
    assert run("models").stderr.startswith("error: setting 'threads': ")
