"""The slash commands: a table of names, and what finds and runs them."""

from __future__ import annotations

import difflib
from collections.abc import Awaitable, Callable
from dataclasses import dataclass

from assistant.errors import AssistantError
from assistant.terminal import branch_commands, context_command, persona_commands, record_commands
from assistant.terminal.chat import Chat, on_interrupt


@dataclass(frozen=True, slots=True)
class Command:
    """One slash command. `complete` gives the words its argument may be."""

    name: str
    argument: str
    help: str
    run: Callable[[Chat, str], Awaitable[None]]
    complete: Callable[[Chat], list[str]] | None = None

    @property
    def usage(self) -> str:
        return f"/{self.name} {self.argument}".rstrip()


async def show_help(chat: Chat, argument: str) -> None:
    """List the commands, or explain one."""
    if argument:
        command = find(argument.removeprefix("/"))
        chat.screen.show(f"{command.usage}\n  {command.help}")
        return
    width = max(len(command.usage) for command in COMMANDS) + 2
    lines = [f"{command.usage:<{width}}{command.help}" for command in COMMANDS]
    lines += [
        "",
        "Enter sends; Alt+Enter or a backslash at the line's end begins a new line; pasted lines stay together.",
        "Ctrl-C stops a reply and keeps what came, a second one leaves; so does Ctrl-D.",
        "A message that begins with a slash: begin it with two.",
    ]
    chat.screen.show("\n".join(lines))


async def leave(chat: Chat, argument: str) -> None:
    """Leave the chat."""
    chat.leaving = True


def _command_names(chat: Chat) -> list[str]:
    return [command.name for command in COMMANDS]


def _persona_names(chat: Chat) -> list[str]:
    return [persona.name for persona in chat.library.all()]


COMMANDS: list[Command] = [
    Command("help", "[command]", "list the commands", show_help, _command_names),
    Command("persona", "[name]", "who answers from now on; alone: list them", persona_commands.persona, _persona_names),
    Command("system", "[text]", "an instruction of your own; alone: show the one sent", persona_commands.system),
    Command(
        "persist",
        "pin|remind",
        "send the instruction first, or remind of it with every message too",
        persona_commands.persist,
        lambda _: ["pin", "remind"],
    ),
    Command("retry", "", "another reply to your last message; the first stays", branch_commands.retry),
    Command("edit", "TEXT", "say your last message differently; the first stays", branch_commands.edit),
    Command("undo", "", "go back to before the last turn; nothing is deleted", branch_commands.undo),
    Command("branches", "", "the conversation's branches as a tree", branch_commands.branches),
    Command("branch", "N", "go to a branch", branch_commands.switch, branch_commands.numbers),
    Command("context", "", "exactly what is sent with your next message", context_command.context),
    Command("history", "", "the messages of this branch", record_commands.history),
    Command("search", "TEXT", "find messages in every conversation", record_commands.search),
    Command("title", "[text]", "name the conversation; alone: show its name", record_commands.title),
    Command("export", "[file]", "write the conversation as .json, .md or .jsonl", record_commands.export),
    Command("stats", "", "tokens and times of this conversation", record_commands.stats),
    Command("good", "[comment]", "rate the last reply as good", record_commands.good),
    Command("bad", "[comment]", "rate the last reply as bad", record_commands.bad),
    Command("quit", "", "leave", leave),
]


def find(name: str) -> Command:
    """The command of this name; raises AssistantError, which names the nearest one."""
    for command in COMMANDS:
        if command.name == name:
            return command
    near = difflib.get_close_matches(name, [command.name for command in COMMANDS], 1, 0.5)
    hint = f"did you mean /{near[0]}?" if near else "/help lists them"
    raise AssistantError(f"there is no command /{name}: {hint}")


async def take(chat: Chat, line: str) -> None:
    """Do what a line of input says: a command, or a message. Raises AssistantError for what cannot be done."""
    with on_interrupt(chat.interrupt):
        if line.startswith("//"):
            await chat.say(line[1:])
        elif line.startswith("/"):
            name, _, argument = line[1:].partition(" ")
            await find(name.strip()).run(chat, argument.strip())
        else:
            await chat.say(line)
