"""Finding what was said. What a person types is words to look for, never query syntax."""

from __future__ import annotations

import re
from typing import Any, Final

from sqlalchemy import Select, bindparam, select, text

from assistant.store.access import Access
from assistant.store.records import SearchHit
from assistant.store.schema import ConversationRow as Conversation
from assistant.store.schema import MessageRow as Message
from assistant.text import clean_text

# Of a very common word, the newest messages are ranked and older ones left out: ranking all of them takes long.
RANKED: Final = 1_000
MAX_TERMS: Final = 16
SNIPPET_WORDS: Final = 16
_AROUND: Final = 60

# Noncharacters, which no text means to hold, mark the found words until they are turned into offsets.
_OPEN, _CLOSE = "\ufdd0", "\ufdd1"

# Scripts written without spaces: the index holds their sentences as single words, so they are searched by substring.
_UNSPACED = re.compile(
    r"[\u0e00-\u0eff\u1000-\u109f\u1780-\u17ff\u3040-\u30ff\u3400-\u9fff\uf900-\ufaff\U00020000-\U0003ffff]"
)

_MATCH = """
SELECT id FROM (
    SELECT message.id AS id, message_fts.rank AS score
    FROM message_fts
    CROSS JOIN message ON message.id = message_fts.rowid
    CROSS JOIN conversation ON conversation.id = message.conversation_id
    WHERE message_fts MATCH :query AND conversation.deleted_at IS NULL
    AND (:user IS NULL OR conversation.user_id = :user) {scope}
    ORDER BY message_fts.rowid DESC LIMIT :ranked
) ORDER BY score, id DESC LIMIT :limit
"""
_SCOPE = """
AND message.conversation_id = :conversation
AND message_fts.rowid BETWEEN (SELECT min(id) FROM message WHERE conversation_id = :conversation)
AND (SELECT max(id) FROM message WHERE conversation_id = :conversation)
"""
# One statement for all hits: finding the messages of a prefix costs more than their snippets. The range spares the
# index most of its matches, the unary plus keeps it from being searched once for every id.
_SNIPPETS = text(
    f"""
    SELECT rowid, snippet(message_fts, 0, '{_OPEN}', '{_CLOSE}', '…', {SNIPPET_WORDS})
    FROM message_fts
    WHERE message_fts MATCH :query AND rowid BETWEEN :first AND :last AND +rowid IN :ids
    """
).bindparams(bindparam("ids", expanding=True))


class Search(Access):
    def search(
        self, query: str, limit: int = 20, conversation_id: int | None = None, *, user_id: int | None = None
    ) -> list[SearchHit]:
        """The messages that hold every word of `query`, the last one as a beginning, best first; none from the trash.

        With `user_id` only in that person's conversations. Capitals and accents do not count on SQLite. On other
        databases, and for scripts written without spaces, words are found anywhere and the newest come first.
        """
        words = _words(query)
        if not words:
            return []
        if self._engine.dialect.name != "sqlite" or _UNSPACED.search(query):
            return self._substring(words, limit, conversation_id, user_id)
        return self._indexed(words, limit, conversation_id, user_id)

    def _indexed(
        self, words: list[str], limit: int, conversation_id: int | None, user_id: int | None
    ) -> list[SearchHit]:
        match = fts_query(words)
        values = {"query": match, "ranked": RANKED, "limit": limit, "conversation": conversation_id, "user": user_id}
        matching = text(_MATCH.format(scope="" if conversation_id is None else _SCOPE))
        with self._read() as connection:
            ids = connection.scalars(matching, values).all()
            if not ids:
                return []
            rows = {row.id: row for row in connection.execute(_rows().where(Message.id.in_(ids)))}
            values = {"query": match, "first": min(ids), "last": max(ids), "ids": ids}
            snippets = {id: snippet for id, snippet in connection.execute(_SNIPPETS, values)}
        return [_hit(rows[id], *_unmark(snippets[id])) for id in ids]

    def _substring(
        self, words: list[str], limit: int, conversation_id: int | None, user_id: int | None
    ) -> list[SearchHit]:
        query = substring_query(words, limit, conversation_id, user_id)
        with self._read() as connection:
            return [_hit(row, *_cut(row.content, words)) for row in connection.execute(query)]


def fts_query(words: list[str]) -> str:
    """An FTS5 query for messages with all of `words`, the last one as a prefix. Quoted, no word is an operator."""
    quoted = ['"' + word.replace('"', '""') + '"' for word in words]
    return " ".join(quoted) + ("*" if len(words[-1]) > 1 else "")


def substring_query(
    words: list[str], limit: int, conversation_id: int | None, user_id: int | None = None
) -> Select[*tuple[Any, ...]]:
    """The newest messages that hold all of `words` anywhere, for any database."""
    query = _rows(Message.content).where(Conversation.deleted_at.is_(None))
    query = query.where(*(Message.content.icontains(word, autoescape=True) for word in words))
    if conversation_id is not None:
        query = query.where(Message.conversation_id == conversation_id)
    if user_id is not None:
        query = query.where(Conversation.user_id == user_id)
    return query.order_by(Message.id.desc()).limit(limit)


def _words(query: str) -> list[str]:
    return [word for word in clean_text(query).split() if any(c.isalnum() for c in word)][:MAX_TERMS]


def _rows(*more: Any) -> Select[*tuple[Any, ...]]:
    columns = (
        Message.id,
        Message.conversation_id,
        Conversation.title,
        Message.role,
        Message.created_at,
        *more,
    )
    return select(*columns).join(Conversation, Conversation.id == Message.conversation_id)


def _hit(row: Any, snippet: str, matches: tuple[tuple[int, int], ...]) -> SearchHit:
    return SearchHit(row.id, row.conversation_id, row.title, row.role, snippet, row.created_at, matches)


def _one_line(content: str) -> str:
    """The same length, so that offsets hold."""
    return "".join(" " if c.isspace() else c for c in content)


def _unmark(marked: str) -> tuple[str, tuple[tuple[int, int], ...]]:
    snippet, matches, start = "", [], None
    for piece in re.split(f"([{_OPEN}{_CLOSE}])", marked):
        if piece == _OPEN:
            start = len(snippet)
        elif piece == _CLOSE:
            if start is not None:
                matches.append((start, len(snippet)))
            start = None
        else:
            snippet += piece
    return _one_line(snippet), tuple(matches)


def _cut(content: str, words: list[str]) -> tuple[str, tuple[tuple[int, int], ...]]:
    pattern = re.compile("|".join(re.escape(word) for word in words), re.IGNORECASE)
    first = pattern.search(content)
    start = max(0, (first.start() if first else 0) - _AROUND)
    end = min(len(content), (first.end() if first else 0) + _AROUND)
    snippet = ("…" if start else "") + _one_line(content[start:end]) + ("…" if end < len(content) else "")
    return snippet, tuple(match.span() for match in pattern.finditer(snippet))
