"""Slash commands, on a real store and a scripted engine."""

from __future__ import annotations

import json
import signal
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from assistant.errors import AssistantError
from assistant.personas.library import PersonaLibrary
from assistant.service import Assistant
from assistant.store.records import Conversation
from assistant.store.store import Store
from assistant.terminal.chat import Chat
from assistant.terminal.commands import COMMANDS, take
from assistant.terminal.screen import PlainScreen
from tests.scripted_engine import ScriptedEngine


class Recorder(PlainScreen):
    """Keeps what it is told instead of printing it."""

    def __init__(self) -> None:
        self.lines: list[str] = []

    def note(self, text: str) -> None:
        self.lines.append(f"({text})")

    def show(self, text: str) -> None:
        self.lines += text.splitlines()

    def message(self, role: str, text: str) -> None:
        self.lines.append(f"{role}: {text}")

    def taken(self) -> list[str]:
        lines, self.lines = self.lines, []
        return lines


@pytest.fixture
def engine() -> ScriptedEngine:
    return ScriptedEngine([f"reply {number}" for number in range(1, 9)])


@pytest.fixture
def screen() -> Recorder:
    return Recorder()


@pytest.fixture
def chat(tmp_path: Path, engine: ScriptedEngine, screen: Recorder) -> Iterator[Chat]:
    library = PersonaLibrary(tmp_path / "personas")
    with Store.open(str(tmp_path / "test.db")) as store:
        yield Chat(Assistant(store, engine), library, screen, library.get("pirate"))


def contents(chat: Chat) -> list[str]:
    return [message.content for message in chat.branch()]


async def test_retry_makes_a_sibling(chat: Chat) -> None:
    await take(chat, "Hello")
    await take(chat, "/retry")
    assert contents(chat) == ["Hello", "reply 2"]
    assert len(chat.assistant.store.siblings(chat.branch()[-1].id)) == 2


async def test_edit_makes_a_sibling_of_the_message(chat: Chat) -> None:
    await take(chat, "Hello")
    await take(chat, "And you?")
    await take(chat, "/edit And they?")
    assert contents(chat) == ["Hello", "reply 1", "And they?", "reply 3"]
    assert len(chat.assistant.store.all_messages(1)) == 6


async def test_edit_alone_puts_the_old_text_into_the_next_input(chat: Chat) -> None:
    await take(chat, "Hello\nthere")
    await take(chat, "/edit")
    assert chat.prefill == "/edit Hello\nthere"
    await take(chat, "/edit Hello\nyou")
    assert contents(chat)[0] == "Hello\nyou"


async def test_undo_destroys_nothing_and_reaches_the_beginning(chat: Chat) -> None:
    await take(chat, "One")
    await take(chat, "Two")
    await take(chat, "/undo")
    assert contents(chat) == ["One", "reply 1"]
    await take(chat, "/undo")
    assert contents(chat) == []
    with pytest.raises(AssistantError, match="nothing has been said yet"):
        await take(chat, "/undo")
    await take(chat, "Anew")
    assert contents(chat) == ["Anew", "reply 3"]
    assert len(chat.assistant.store.all_messages(1)) == 6


async def test_branch_goes_where_branches_shows(chat: Chat, screen: Recorder) -> None:
    await take(chat, "Hello")
    await take(chat, "/retry")
    await take(chat, "/branches")
    assert screen.taken() == ["┬ you: Hello", "  [1] reply: reply 1", "  [2]* reply: reply 2"]
    await take(chat, "/branch 1")
    assert screen.taken() == ["user: Hello", "assistant: reply 1", "(on branch 1 of 2)"]
    assert contents(chat) == ["Hello", "reply 1"]
    for wrong in ("/branch", "/branch 3", "/branch x", "/branch 0", "/branch ²"):
        with pytest.raises(AssistantError, match="from 1 to 2"):
            await take(chat, wrong)


async def test_undo_moves_the_star_into_a_stretch(chat: Chat, screen: Recorder) -> None:
    await take(chat, "One")
    await take(chat, "Two")
    await take(chat, "/undo")
    screen.taken()
    await take(chat, "/branches")
    assert screen.taken() == ["┬* you: One (+1)", "  [1] you: Two (+1)"]


async def test_two_chats_in_one_conversation_each_go_on_from_their_own_place(
    tmp_path: Path, chat: Chat, engine: ScriptedEngine
) -> None:
    await take(chat, "Hello")
    with Store.open(str(tmp_path / "test.db")) as store:
        other = Chat(
            Assistant(store, engine),
            chat.library,
            Recorder(),
            chat.persona,
            conversation_id=chat.conversation_id,
            leaf_id=chat.leaf_id,
        )
        await take(chat, "Mine")
        await take(other, "Theirs")
        assert contents(chat) == ["Hello", "reply 1", "Mine", "reply 2"]
        assert contents(other) == ["Hello", "reply 1", "Theirs", "reply 3"]
        await take(chat, "/retry")
        assert contents(chat) == ["Hello", "reply 1", "Mine", "reply 4"]
        await take(other, "/edit Ours")
        assert contents(other) == ["Hello", "reply 1", "Ours", "reply 5"]
        await take(chat, "/context")
        assert isinstance(chat.screen, Recorder)
        assert "Mine" in "\n".join(chat.screen.taken())
        await take(other, "/undo")
        await take(chat, "More")
        assert contents(other) == ["Hello", "reply 1"]
        assert contents(chat)[2:] == ["Mine", "reply 4", "More", "reply 6"]
        path = tmp_path / "chat.md"
        await take(other, "Last")
        await take(chat, f"/export {path}")
        assert "More" in path.read_text()
        assert chat.screen.taken()[-1] == "(4 other branches are only in a .json export)"


async def test_context_shows_every_message_with_its_tokens(
    chat: Chat, screen: Recorder, engine: ScriptedEngine
) -> None:
    await take(chat, "Hello")
    await take(chat, "/context")
    lines = screen.taken()
    count = engine.template.count
    assert lines[0] == f"system    {count(chat.persona.instruction):>6} tokens  {chat.persona.instruction}"
    assert lines[1] == f"user      {count('Hello'):>6} tokens  Hello"
    assert lines[2] == f"assistant {count('reply 1'):>6} tokens  reply 1"
    assert lines[3] == "user           0 tokens  (your next message)"
    sent = int(lines[5].split()[0])
    assert lines[5].startswith(f"{sent} of {engine.window} tokens, ")
    assert lines[6].startswith("(\n<s><|system|>You are Captain Redbeard")
    assert lines[6].endswith("<|user|>Hello<|end|><|assistant|>reply 1<|end|><|user|><|end|><|assistant|>)")
    await take(chat, "x")
    assert len(engine.prompts[-1]) == sent + count("x")


async def test_context_keeps_what_the_sampling_asks_for(chat: Chat, screen: Recorder) -> None:
    chat.overrides["max_tokens"] = 99
    await take(chat, "/context")
    before = screen.taken()
    await take(chat, "Hello")
    await take(chat, "/undo")
    screen.taken()
    await take(chat, "/context")
    # With nothing said the prompt is the same, whether the conversation has begun or not.
    assert screen.taken() == before
    assert any("99 kept for the reply" in line for line in before)


async def test_context_before_the_first_message(chat: Chat, screen: Recorder) -> None:
    await take(chat, "/context")
    assert screen.taken()[0].endswith(chat.persona.instruction)


async def test_system_and_persona_change_who_answers(chat: Chat, screen: Recorder) -> None:
    await take(chat, "/system Say yes.")
    await take(chat, "Hello")
    await take(chat, "/system")
    assert screen.taken()[-1] == "Say yes."
    await take(chat, "/persona poet")
    assert chat.conversation().persona_version_id != chat.branch()[1].persona_version_id
    with pytest.raises(AssistantError, match="did you mean 'pirate'"):
        await take(chat, "/persona pirat")


async def test_persona_alone_lists_them_with_a_star(chat: Chat, screen: Recorder) -> None:
    await take(chat, "/persona")
    starred = [line for line in screen.taken() if line.startswith("*")]
    assert len(starred) == 1
    assert starred[0].startswith("* pirate ")


async def test_persist_remind_joins_the_reminder(chat: Chat, engine: ScriptedEngine) -> None:
    await take(chat, "/persist remind")
    await take(chat, "Hello")
    assert chat.persona.reminder in engine.template.decode(engine.prompts[-1])
    await take(chat, "/persist pin")
    await take(chat, "Hello")
    assert chat.persona.reminder not in engine.template.decode(engine.prompts[-1])
    with pytest.raises(AssistantError, match="pin or /persist remind"):
        await take(chat, "/persist nail")


async def test_feedback_is_stored(chat: Chat) -> None:
    await take(chat, "Hello")
    await take(chat, "/bad too short")
    await take(chat, "/good")
    kept = chat.assistant.store.feedback(chat.branch()[-1].id)
    assert [(f.rating, f.comment) for f in kept] == [(-1, "too short"), (1, "")]


async def test_search_history_title_and_stats(chat: Chat, screen: Recorder) -> None:
    await take(chat, "Hello sailor")
    await take(chat, "/search sailor")
    assert screen.taken() == ["    1  user      Hello sailor"]
    await take(chat, "/search nowhere")
    assert screen.taken() == ["nothing found"]
    await take(chat, "/history")
    assert screen.taken() == ["user: Hello sailor", "assistant: reply 1"]
    await take(chat, "/title At sea")
    await take(chat, "/title")
    assert screen.taken()[-1] == "At sea"
    await take(chat, "/stats")
    assert screen.taken()[0] == "turns         1, 1 replies"


async def test_export_writes_by_ending_and_never_over(chat: Chat, tmp_path: Path) -> None:
    await take(chat, "Hello")
    path = tmp_path / "chat.json"
    await take(chat, f"/export {path}")
    assert len(json.loads(path.read_text())["messages"]) == 2
    with pytest.raises(AssistantError, match="exists"):
        await take(chat, f"/export {path}")
    with pytest.raises(AssistantError, match=r"\.json, \.md or \.jsonl"):
        await take(chat, f"/export {tmp_path / 'chat.pdf'}")


async def test_help_lists_every_command_and_explains_one(chat: Chat, screen: Recorder) -> None:
    await take(chat, "/help")
    shown = "\n".join(screen.taken())
    assert all(f"/{command.name}" in shown and command.help in shown for command in COMMANDS)
    await take(chat, "/help retry")
    assert screen.taken()[0] == "/retry"


@pytest.mark.parametrize("line", ["/retry", "/edit x", "/undo", "/history", "/branches", "/good", "/export a.md"])
async def test_nothing_said_yet_is_told(chat: Chat, line: str) -> None:
    with pytest.raises(AssistantError, match="nothing has been said yet"):
        await take(chat, line)


async def test_an_unknown_command_names_the_nearest(chat: Chat) -> None:
    with pytest.raises(AssistantError, match="did you mean /branches"):
        await take(chat, "/branchs")
    with pytest.raises(AssistantError, match="/help lists them"):
        await take(chat, "/xyzzy")


async def test_quit_leaves(chat: Chat) -> None:
    await take(chat, "/quit")
    assert chat.leaving


@pytest.mark.skipif(sys.platform == "win32", reason="signals")
async def test_an_interrupt_before_the_reply_begins_stops_it_and_the_chat_goes_on(
    chat: Chat, monkeypatch: pytest.MonkeyPatch
) -> None:
    create = Store.create_conversation

    def interrupted(self: Store, *args: Any, **options: Any) -> Conversation:
        signal.raise_signal(signal.SIGINT)
        return create(self, *args, **options)

    monkeypatch.setattr(Store, "create_conversation", interrupted)
    await take(chat, "Hello")
    assert (chat.interrupted, chat.leaving) == (True, False)
    assert [(message.role, message.status) for message in chat.branch()] == [
        ("user", "complete"),
        ("assistant", "stopped"),
    ]
    chat.interrupted = False  # as the next input line does
    await take(chat, "Again")
    assert chat.last("assistant").status == "complete"
