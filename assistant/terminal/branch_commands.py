"""Slash commands that move in the tree of messages. None of them deletes anything."""

from __future__ import annotations

from assistant.errors import AssistantError
from assistant.store.records import StoredMessage
from assistant.terminal.chat import Chat
from assistant.terminal.tree import draw, leaves_in_order


async def retry(chat: Chat, argument: str) -> None:
    """Answer the last message again."""
    asked = chat.last("user")
    await chat.follow(chat.assistant.retry(asked.conversation_id, chat.leaf_id, sampling=chat.sampling))


async def edit(chat: Chat, argument: str) -> None:
    """Say the last message differently; without a text, put the old one into the next input line."""
    asked = chat.last("user")
    if not argument:
        chat.prefill = f"/edit {asked.content}"
        return
    await chat.follow(chat.assistant.edit(asked.id, argument, sampling=chat.sampling))


async def undo(chat: Chat, argument: str) -> None:
    """Go back to before the last turn."""
    asked = chat.last("user")
    chat.go_to(asked.conversation_id, asked.parent_id)
    chat.screen.note("the last turn is left aside; /branches still shows it")


async def branches(chat: Chat, argument: str) -> None:
    """Draw the tree."""
    _, messages = _said(chat)
    chat.screen.show(draw(messages, chat.leaf_id))


async def switch(chat: Chat, argument: str) -> None:
    """Go to a branch by its number."""
    conversation_id, messages = _said(chat)
    leaves = leaves_in_order(messages)
    by_number = {str(number): leaf for number, leaf in enumerate(leaves, start=1)}
    if argument not in by_number:
        raise AssistantError(f"give a branch from 1 to {len(leaves)}, such as /branch 1; /branches shows them")
    chat.go_to(conversation_id, by_number[argument].id)
    for message in chat.branch()[-2:]:
        chat.screen.message(message.role, message.content)
    chat.screen.note(f"on branch {argument} of {len(leaves)}")


def numbers(chat: Chat) -> list[str]:
    """The numbers of the branches there are."""
    if chat.conversation_id is None:
        return []
    leaves = leaves_in_order(chat.assistant.store.all_messages(chat.conversation_id))
    return [str(number) for number in range(1, len(leaves) + 1)]


def _said(chat: Chat) -> tuple[int, list[StoredMessage]]:
    """The conversation and all its messages; raises AssistantError where there are none."""
    messages = [] if chat.conversation_id is None else chat.assistant.store.all_messages(chat.conversation_id)
    if not messages:
        raise AssistantError("nothing has been said yet")
    return messages[0].conversation_id, messages
