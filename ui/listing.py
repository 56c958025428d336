"""The list of conversations: by date, those with a tag, or what a search finds."""

from __future__ import annotations

from datetime import date, datetime, timedelta
from typing import Final, Literal

from assistant.store.records import Conversation, ConversationSummary
from assistant.store.store import Store
from ui.render import render

Shelf = Literal["chats", "archive", "trash"]

PAGE: Final = 60
_FOUND: Final = 40


def listing(
    store: Store,
    *,
    user: int | None,
    shelf: Shelf,
    search: str,
    open_id: int | None,
    undo: Conversation | None,
    limit: int = PAGE,
) -> str:
    """The list as HTML. A `search` for `#tag` lists what has the tag, any other what was said. `undo` is a conversation
    that was just moved to the trash."""
    tag = tag_of(search)
    hits = store.search(search, _FOUND, user_id=user) if search.strip() and tag is None else None
    found: list[ConversationSummary] = []
    if hits is None:
        found = store.list_conversations(
            limit + 1,
            archived=shelf == "archive",
            trashed=shelf == "trash",
            tag=tag,
            user_id=user,
            pinned_first=True,
        )
    return render(
        "conversations",
        hits=hits,
        groups=by_date(found[:limit], datetime.now().astimezone().date()),
        more=len(found) > limit,
        shelf=shelf,
        tag=tag,
        open=open_id,
        undo=undo,
    )


def tag_of(search: str) -> str | None:
    """The tag that is searched for, None where words are."""
    typed = search.strip()
    return typed[1:].strip() or None if typed.startswith("#") else None


def by_date(found: list[ConversationSummary], today: date) -> list[tuple[str, list[ConversationSummary]]]:
    """Conversations in groups by when something was last said in them, pinned ones first."""
    groups: dict[str, list[ConversationSummary]] = {}
    for item in sorted(found, key=lambda item: not item.pinned):
        name = "Pinned" if item.pinned else _when(item.updated_at, today)
        groups.setdefault(name, []).append(item)
    return list(groups.items())


def _when(milliseconds: int, today: date) -> str:
    day = datetime.fromtimestamp(milliseconds / 1000).astimezone().date()
    age = today - day
    if age <= timedelta(0):
        return "Today"
    if age == timedelta(1):
        return "Yesterday"
    if age < timedelta(7):
        return "Last 7 days"
    if age < timedelta(30):
        return "Last 30 days"
    return f"{day:%B %Y}"
