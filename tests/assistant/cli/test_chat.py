"""`assistant chat` over a pipe: the whole of stdout and stderr, and what the database then holds."""

from __future__ import annotations

from pathlib import Path
from typing import NoReturn

import pytest

from assistant.engines import catalog
from assistant.engines.errors import EngineError
from assistant.settings import Settings
from assistant.store.store import Store
from tests.assistant.cli.conftest import Run
from tests.scripted_engine import Reply, ScriptedEngine


def test_each_line_is_answered_and_stdout_holds_the_replies_alone(
    run: Run, engine: ScriptedEngine, store: Store
) -> None:
    engine.queue("Good day, dear student.", "Two\nlines.")
    result = run("chat", input="Hello\n\n   \nAnd you?\n")
    assert result.stdout == "Good day, dear student.\nTwo\nlines.\n"
    assert result.stderr == "scripted-model, as scripted\n"
    assert result.exit_code == 0
    [summary] = store.list_conversations()
    assert (summary.title, summary.persona, summary.messages) == ("Hello", "professor", 4)
    said = [(m.role, m.content, m.status) for m in store.all_messages(summary.id)]
    assert said == [
        ("user", "Hello", "complete"),
        ("assistant", "Good day, dear student.", "complete"),
        ("user", "And you?", "complete"),
        ("assistant", "Two\nlines.", "complete"),
    ]


def test_the_last_line_needs_no_line_end(run: Run, engine: ScriptedEngine) -> None:
    engine.queue("Yes.")
    assert run("chat", input="There?").stdout == "Yes.\n"


def test_no_input_leaves_nothing_behind(run: Run, engine: ScriptedEngine, store: Store) -> None:
    result = run("chat", input="")
    assert (result.stdout, result.exit_code) == ("", 0)
    assert store.counts().conversations == 0


def test_a_failed_turn_is_told_kept_and_the_exit_code(run: Run, engine: ScriptedEngine, store: Store) -> None:
    engine.queue(Reply("Good morning to you", fail_after=2), "Fine again.")
    result = run("chat", input="One\nTwo\n")
    assert result.stdout == "Good morning\nFine again.\n"
    assert "error: the scripted engine failed as told\n" in result.stderr
    assert result.exit_code == 1
    assert [m.status for m in store.all_messages(1) if m.role == "assistant"] == ["failed", "complete"]


def test_slash_commands_work_from_a_pipe_and_write_beside_the_replies(
    run: Run, engine: ScriptedEngine, store: Store
) -> None:
    engine.queue("First.", "Second.", "Edited.")
    result = run("chat", input="Hello\n/retry\n/edit Good morning\n/branches\n/title Greetings\n/quit\nnever read\n")
    assert result.stdout == "First.\nSecond.\nEdited.\n"
    assert result.stderr == (
        "scripted-model, as scripted\n"
        "┬ you: Hello\n"
        "  [1] reply: First.\n"
        "  [2] reply: Second.\n"
        "[3]* you: Good morning (+1)\n"
        "the conversation is now called Greetings\n"
    )
    assert store.conversation(1).title == "Greetings"


def test_two_slashes_send_a_message_that_begins_with_one(run: Run, engine: ScriptedEngine, store: Store) -> None:
    engine.queue("A path.")
    run("chat", input="//etc/hosts\n")
    assert store.all_messages(1)[0].content == "/etc/hosts"


def test_an_unknown_slash_command_names_the_nearest(run: Run, engine: ScriptedEngine) -> None:
    result = run("chat", input="/rety\n")
    assert "error: there is no command /rety: did you mean /retry?\n" in result.stderr
    assert result.exit_code == 1


def test_continue_goes_on_with_the_latest_conversation_and_its_persona(
    run: Run, said: ScriptedEngine, store: Store
) -> None:
    said.queue("Aye, still here.")
    assert run("chat", "--continue", input="Still there?\n").stdout == "Aye, still here.\n"
    assert store.counts().conversations == 1
    prompt = said.template.decode(said.prompts[-1])
    assert "Captain Redbeard" in prompt
    assert "What colour is the sea?" in prompt


def test_conversation_goes_on_with_the_one_that_is_named(run: Run, said: ScriptedEngine, store: Store) -> None:
    said.queue("New.", "Old.")
    run("chat", input="Something new\n")
    run("chat", "--conversation", "1", input="Back again\n")
    assert [m.content for m in store.branch(store.conversation(1).active_leaf_id or 0)][-1] == "Old."


def test_system_makes_a_persona_of_its_own(run: Run, engine: ScriptedEngine, store: Store) -> None:
    engine.queue("Yes.")
    run("chat", "--system", "Answer in one word.", input="Well?\n")
    version = store.persona_version(store.conversation(1).persona_version_id)
    assert (version.name, version.persona.instruction) == ("custom", "Answer in one word.")
    assert "Answer in one word." in engine.template.decode(engine.prompts[0])


def test_sampling_flags_win_over_the_persona(run: Run, engine: ScriptedEngine) -> None:
    engine.queue("one two three four five six")
    result = run("chat", "--max-tokens", "2", "--seed", "7", "--temperature", "0", "--top-p", "0.5", input="Go\n")
    sampling = engine.samplings[0]
    assert (sampling.max_tokens, sampling.seed, sampling.temperature, sampling.top_p) == (2, 7, 0.0, 0.5)
    assert len(engine.template.encode(result.stdout.rstrip("\n"))) == 2


def test_the_persona_changes_and_what_was_said_keeps_its_own(run: Run, engine: ScriptedEngine, store: Store) -> None:
    engine.queue("Dear student.", "Arr.")
    run("chat", input="Hello\n/persona pirate\nHello again\n")
    replies = [m for m in store.all_messages(1) if m.role == "assistant"]
    names = [store.persona_version(m.persona_version_id or 0).name for m in replies]
    assert names == ["professor", "pirate"]


def test_control_characters_of_a_reply_do_not_reach_the_reader(run: Run, engine: ScriptedEngine) -> None:
    engine.queue("safe\x1b]0;title\x07\x1b[2J text\x9b31m")
    assert run("chat", input="Hi\n").stdout == "safe]0;title[2J text31m\n"


def test_going_on_with_another_persona_changes_who_answers_next(run: Run, said: ScriptedEngine, store: Store) -> None:
    said.queue("Verse.")
    run("chat", "-c", "--persona", "poet", input="A line\n")
    assert store.persona_version(store.conversation(1).persona_version_id).name == "poet"
    assert store.counts().conversations == 1


@pytest.mark.parametrize("options", [["--persona", "poet"], ["--system", "Answer in one word."]])
def test_a_model_that_cannot_be_opened_changes_nothing(
    run: Run, said: ScriptedEngine, store: Store, monkeypatch: pytest.MonkeyPatch, options: list[str]
) -> None:
    before = store.conversation(1)

    def refuse(*_: object) -> NoReturn:
        raise EngineError("there is no model 'x': see `assistant models`")

    monkeypatch.setattr(catalog, "open_engine", refuse)
    result = run("chat", "-c", *options, input="A line\n")
    assert result.exit_code == 1
    assert result.stderr == (
        "error: this conversation goes on with its model, but there is no model 'x': see `assistant models`; "
        "to go on with another one: --model bundled\n"
    )
    assert store.conversation(1) == before
    assert run("chat", "-c", "--model", "x", input="A line\n").stderr == (
        "error: there is no model 'x': see `assistant models`\n"
    )


def test_a_conversation_goes_on_with_its_model(
    run: Run, said: ScriptedEngine, store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked_for: list[str | None] = []

    def open_named(settings: Settings, model: str | None = None, engine: str = "auto") -> catalog.Opened:
        asked_for.append(model)
        said.closed, said.model = False, model or "bundled"
        return catalog.Opened(said, "as scripted", False)

    monkeypatch.setattr(catalog, "open_engine", open_named)
    monkeypatch.setenv("ASSISTANT_MODEL", "of-the-settings")
    said.queue("One.", "Two.", "Three.", "Four.")
    run("ask", "-c", "One")
    run("ask", "-c", "--model", "other", "Two")
    run("ask", "--conversation", "1", "Three")
    run("chat")
    monkeypatch.setenv("ASSISTANT_MODEL", "~/models/other")
    run("ask", "-c", "Four")
    home = str(Path("~/models/other").expanduser())
    assert asked_for == ["scripted-model", "other", "other", "of-the-settings", home]
    assert [m.model for m in store.all_messages(1) if m.role == "assistant"][3:5] == ["other", "other"]


def test_looking_begins_no_conversation(run: Run, engine: ScriptedEngine, store: Store) -> None:
    looks = ["context", "stats", "title", "persist", "branches", "branch 1", "branch", "history", "search x", "persona"]
    result = run("chat", input="".join(f"/{look}\n" for look in looks))
    assert "Traceback" not in result.stderr
    assert store.counts().conversations == 0
