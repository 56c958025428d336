"""Slash commands that move in the tree of messages. None of them deletes anything."""

from __future__ import annotations

from assistant.errors import AssistantError
from assistant.terminal.chat import Chat
from assistant.terminal.tree import draw, leaves_in_order


async def retry(chat: Chat, argument: str) -> None:
    """Answer the last message again."""
    asked = chat.last("user")
    await chat.follow(chat.assistant.retry(asked.conversation_id, sampling=chat.sampling))


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
    chat.assistant.store.set_active_leaf(asked.conversation_id, asked.parent_id)
    chat.screen.note("the last turn is left aside; /branches still shows it")


async def branches(chat: Chat, argument: str) -> None:
    """Draw the tree."""
    conversation = chat.conversation()
    messages = chat.assistant.store.all_messages(conversation.id)
    if not messages:
        raise AssistantError("nothing has been said yet")
    chat.screen.show(draw(messages, conversation.active_leaf_id))


async def switch(chat: Chat, argument: str) -> None:
    """Go to a branch by its number."""
    conversation = chat.conversation()
    leaves = leaves_in_order(chat.assistant.store.all_messages(conversation.id))
    if not argument.isdecimal() or not 1 <= int(argument) <= len(leaves):
        raise AssistantError(f"give a branch from 1 to {len(leaves)}, such as /branch 1; /branches shows them")
    leaf = leaves[int(argument) - 1]
    chat.assistant.store.set_active_leaf(conversation.id, leaf.id)
    for message in chat.branch()[-2:]:
        chat.screen.message(message.role, message.content)
    chat.screen.note(f"on branch {argument} of {len(leaves)}")


def numbers(chat: Chat) -> list[str]:
    """The numbers of the branches there are."""
    if chat.conversation_id is None:
        return []
    leaves = leaves_in_order(chat.assistant.store.all_messages(chat.conversation_id))
    return [str(number) for number in range(1, len(leaves) + 1)]
