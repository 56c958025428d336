"""`assistant conversations`."""

from __future__ import annotations

import json
import re
from pathlib import Path

import pytest

from assistant.personas.library import PersonaLibrary
from assistant.store.store import Store
from tests.assistant.cli.conftest import Run
from tests.scripted_engine import ScriptedEngine

TIME = r"\d{4}-\d\d-\d\d \d\d:\d\d"


def test_list_shows_one_line_each(run: Run, said: ScriptedEngine) -> None:
    said.queue("Verse.")
    run("ask", "--persona", "poet", "A line about rain")
    run("conversations", "tag", "2", "Weather")
    lines = run("conversations", "list").stdout.splitlines()
    assert lines[0].split() == ["id", "updated", "persona", "messages", "title"]
    assert re.fullmatch(rf"2   {TIME}  poet     2         A line about rain #weather", lines[1])
    assert re.fullmatch(rf"1   {TIME}  pirate   4         Hello", lines[2])
    assert len(lines) == 3


def test_list_filters(run: Run, said: ScriptedEngine) -> None:
    said.queue("Verse.")
    run("ask", "--persona", "poet", "A line about rain")
    listed = json.loads(run("conversations", "list", "--persona", "pirate", "--json").stdout)
    assert [entry["id"] for entry in listed] == [1]
    assert json.loads(run("conversations", "list", "--tag", "none", "--json").stdout) == []


def test_an_empty_list_says_so(run: Run) -> None:
    result = run("conversations", "list")
    assert (result.stdout, result.stderr, result.exit_code) == ("", "no conversations\n", 0)


def test_show_prints_the_active_branch(run: Run, said: ScriptedEngine) -> None:
    assert run("conversations", "show", "1").stdout == (
        "# Hello (pirate v1)\n"
        "\n## You\nHello\n"
        "\n## Captain Redbeard\nAhoy!\n"
        "\n## You\nWhat colour is the sea?\n"
        "\n## Captain Redbeard\nThe sea be blue.\n"
    )


def test_show_names_the_persona_that_said_it(run: Run, said: ScriptedEngine) -> None:
    said.queue("Verse.")
    run("ask", "-c", "--persona", "poet", "A line")
    shown = run("conversations", "show", "1").stdout
    assert shown.startswith("# Hello (poet v1)\n")
    speakers = [line.removeprefix("## ") for line in shown.splitlines() if line.startswith("## ")]
    assert speakers[1::2] == ["Captain Redbeard", "Captain Redbeard", PersonaLibrary().get("poet").title]


def test_show_tree_prints_the_branches(run: Run, said: ScriptedEngine) -> None:
    said.queue("It be green.")
    run("chat", "-c", input="/retry\n")
    assert run("conversations", "show", "1", "--tree").stdout == (
        "┬ you: Hello (+2)\n  [1] reply: The sea be blue.\n  [2]* reply: It be green.\n"
    )


def test_search_finds_by_word_and_says_when_there_is_none(run: Run, said: ScriptedEngine) -> None:
    found = run("conversations", "search", "colour")
    assert found.exit_code == 0
    assert re.search(rf"^1   {TIME}  user  What colour is the sea\?$", found.stdout, re.MULTILINE)
    nothing = run("conversations", "search", "nowhere")
    assert (nothing.stdout, nothing.stderr, nothing.exit_code) == ("", "nothing found\n", 1)


@pytest.mark.parametrize("ending", ["json", "md", "jsonl"])
def test_what_is_exported_can_be_imported(
    run: Run, said: ScriptedEngine, store: Store, tmp_path: Path, ending: str
) -> None:
    path = tmp_path / f"chat.{ending}"
    assert run("conversations", "export", "1", "--output", str(path)).exit_code == 0
    imported = run("conversations", "import", str(path))
    assert imported.exit_code == 0, imported.stderr
    assert [m.content for m in store.all_messages(2) if m.role != "system"] == [
        m.content for m in store.all_messages(1)
    ]


@pytest.mark.parametrize("form", ["json", "md", "jsonl"])
def test_export_without_a_file_prints(run: Run, said: ScriptedEngine, form: str) -> None:
    result = run("conversations", "export", "1", "--format", form)
    assert "The sea be blue." in result.stdout
    if form != "md":
        json.loads(result.stdout)


@pytest.mark.parametrize("form", ["json", "md", "jsonl"])
def test_what_an_export_leaves_out_is_said(run: Run, said: ScriptedEngine, tmp_path: Path, form: str) -> None:
    said.queue("It be green.")
    run("chat", "-c", input="/retry\n")
    note = "" if form == "json" else "1 other branch is only in a .json export\n"
    assert run("conversations", "export", "1", "--format", form).stderr == note
    path = tmp_path / f"chat.{form}"
    assert run("conversations", "export", "1", "-o", str(path)).stderr == f"written to {path}\n{note}"


def test_what_is_printed_is_what_a_file_would_hold(run: Run, said: ScriptedEngine, tmp_path: Path) -> None:
    said.queue("Blåhaj \x1b[31m\r\n")
    run("ask", "-c", "Übermut?")
    for form in ("json", "md", "jsonl"):
        path = tmp_path / f"chat.{form}"
        run("conversations", "export", "1", "-o", str(path))
        assert run("conversations", "export", "1", "--format", form).stdout_bytes == path.read_bytes()


def test_export_never_writes_over_a_file(run: Run, said: ScriptedEngine, tmp_path: Path) -> None:
    path = tmp_path / "chat.md"
    path.write_text("mine")
    result = run("conversations", "export", "1", "--output", str(path))
    assert (result.exit_code, path.read_text()) == (1, "mine")
    assert "exists" in result.stderr


def test_delete_asks_and_the_trash_gives_back(run: Run, said: ScriptedEngine, store: Store) -> None:
    refused = run("conversations", "delete", "1", input="n\n")
    assert refused.exit_code == 1
    assert refused.stderr.startswith("Move to the trash: Hello (4 messages)? [y/N]:")
    assert store.counts().conversations == 1
    run("conversations", "delete", "1", input="y\n")
    assert store.counts().conversations == 0
    run("conversations", "restore", "1")
    assert store.counts().conversations == 1


def test_delete_forever_erases(run: Run, said: ScriptedEngine, store: Store) -> None:
    assert run("conversations", "delete", "1", "--forever", "--yes").exit_code == 0
    assert store.counts().messages == 0


def test_rename_and_tag(run: Run, said: ScriptedEngine, store: Store) -> None:
    run("conversations", "rename", "1", "At sea")
    assert store.conversation(1).title == "At sea"
    assert run("conversations", "tag", "1", "sea", "colour").stdout == "colour sea\n"
    assert run("conversations", "tag", "1", "--remove", "sea").stdout == "colour\n"


def test_archive_and_pin_and_back(run: Run, said: ScriptedEngine) -> None:
    run("conversations", "pin", "1")
    assert run("conversations", "list").stdout.endswith("  Hello (pinned)\n")
    run("conversations", "unpin", "1")
    assert run("conversations", "list").stdout.endswith("  Hello\n")
    run("conversations", "archive", "1")
    assert run("conversations", "list").stderr == "no conversations\n"
    assert run("conversations", "list", "--archived").stdout.endswith("  Hello\n")
    run("conversations", "unarchive", "1")
    assert run("conversations", "list").stdout.endswith("  Hello\n")
    assert run("conversations", "pin", "9").exit_code == 1
