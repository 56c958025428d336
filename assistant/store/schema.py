"""The tables. Times are UTC milliseconds. Changing anything here needs a migration; `check` finds what has none."""

from __future__ import annotations

from typing import Any, Final

from sqlalchemy import (
    JSON,
    BigInteger,
    CheckConstraint,
    Double,
    ForeignKey,
    ForeignKeyConstraint,
    Index,
    Integer,
    MetaData,
    String,
    Text,
    UniqueConstraint,
)
from sqlalchemy.orm import DeclarativeBase, Mapped, mapped_column

# The newest migration. Known here so that starting on a current database needs no Alembic.
REVISION: Final = "0007"

ROLES: Final = ("system", "user", "assistant")
STATUSES: Final = ("streaming", "complete", "stopped", "interrupted", "blocked", "failed")

# SQLite's full-text index and its shadow tables, which no model describes.
SEARCH_TABLE: Final = "message_fts"
SEARCH_TRIGGERS: Final = ("message_fts_insert", "message_fts_delete", "message_fts_update")

# An alias of SQLite's rowid must be declared INTEGER.
Key = BigInteger().with_variant(Integer, "sqlite")


def _one_of(column: str, values: tuple[str, ...]) -> str:
    return f"{column} IN ({', '.join(repr(value) for value in values)})"


class Base(DeclarativeBase):
    # Named constraints, because batch migrations on SQLite can only change what has a name.
    metadata = MetaData(
        naming_convention={
            "ix": "ix_%(table_name)s_%(column_0_N_name)s",
            "uq": "uq_%(table_name)s_%(column_0_N_name)s",
            "ck": "ck_%(table_name)s_%(constraint_name)s",
            "fk": "fk_%(table_name)s_%(column_0_N_name)s",
            "pk": "pk_%(table_name)s",
        }
    )


class PersonaVersionRow(Base):
    __tablename__ = "persona_version"
    __table_args__ = (
        UniqueConstraint("name", "version"),
        UniqueConstraint("name", "digest"),
        {"sqlite_autoincrement": True},
    )

    id: Mapped[int] = mapped_column(Key, primary_key=True)
    name: Mapped[str] = mapped_column(String(64))
    version: Mapped[int]
    digest: Mapped[str] = mapped_column(String(64))
    spec: Mapped[dict[str, Any]] = mapped_column(JSON)
    created_at: Mapped[int] = mapped_column(BigInteger)


class UserRow(Base):
    __tablename__ = "user"
    __table_args__ = (UniqueConstraint("name"), {"sqlite_autoincrement": True})

    id: Mapped[int] = mapped_column(Key, primary_key=True)
    name: Mapped[str] = mapped_column(String(64))
    password: Mapped[str] = mapped_column(Text)
    created_at: Mapped[int] = mapped_column(BigInteger)


class ConversationRow(Base):
    """`active_leaf_id` is no foreign key, since the tables would then need each other to exist first. Nor is `user_id`:
    what a person said outlives their login, and it is empty where nobody has to log in. A negative `deleted_at` marks
    an import that has not come to its end; see imports.py."""

    __tablename__ = "conversation"
    __table_args__ = (
        CheckConstraint(_one_of("persistence", ("pin", "remind")), name="persistence"),
        Index(None, "deleted_at", "archived", "updated_at"),
        Index(None, "persona_version_id"),
        Index(None, "user_id"),
        # Ids are never used again, so a note of `conversation 12` cannot come to mean another one.
        {"sqlite_autoincrement": True},
    )

    id: Mapped[int] = mapped_column(Key, primary_key=True)
    title: Mapped[str] = mapped_column(Text, default="")
    persona_version_id: Mapped[int] = mapped_column(ForeignKey("persona_version.id"))
    user_id: Mapped[int | None] = mapped_column(BigInteger)
    active_leaf_id: Mapped[int | None] = mapped_column(BigInteger)
    model: Mapped[str] = mapped_column(Text, default="")
    engine: Mapped[str] = mapped_column(Text, default="")
    persistence: Mapped[str | None] = mapped_column(String(16))
    # Empty where the persona's sampling and the guard's own policy hold.
    sampling: Mapped[dict[str, Any] | None] = mapped_column(JSON(none_as_null=True))
    guard: Mapped[str | None] = mapped_column(String(16))
    pinned: Mapped[bool] = mapped_column(default=False)
    archived: Mapped[bool] = mapped_column(default=False)
    # Kept here so that a list of conversations counts nothing.
    message_count: Mapped[int] = mapped_column(default=0)
    deleted_at: Mapped[int | None] = mapped_column(BigInteger)
    created_at: Mapped[int] = mapped_column(BigInteger)
    updated_at: Mapped[int] = mapped_column(BigInteger)


class MessageRow(Base):
    __tablename__ = "message"
    __table_args__ = (
        CheckConstraint(_one_of("role", ROLES), name="role"),
        CheckConstraint(_one_of("status", STATUSES), name="status"),
        # A parent is always older: the tree can have no cycle, and the newest message below another is a leaf.
        CheckConstraint("parent_id < id", name="parent_older"),
        UniqueConstraint("conversation_id", "id"),
        ForeignKeyConstraint(["conversation_id"], ["conversation.id"], ondelete="CASCADE"),
        # Both columns, so that a parent in another conversation is impossible.
        ForeignKeyConstraint(
            ["conversation_id", "parent_id"], ["message.conversation_id", "message.id"], ondelete="CASCADE"
        ),
        ForeignKeyConstraint(["persona_version_id"], ["persona_version.id"]),
        Index(None, "conversation_id", "parent_id"),
        Index(None, "conversation_id", "request_key", unique=True),
        Index(None, "status"),
        {"sqlite_autoincrement": True},
    )

    id: Mapped[int] = mapped_column(Key, primary_key=True)
    conversation_id: Mapped[int] = mapped_column(BigInteger)
    parent_id: Mapped[int | None] = mapped_column(BigInteger)
    role: Mapped[str] = mapped_column(String(16))
    content: Mapped[str] = mapped_column(Text)
    status: Mapped[str] = mapped_column(String(16))
    finish_reason: Mapped[str | None] = mapped_column(Text)
    error: Mapped[str | None] = mapped_column(Text)
    model: Mapped[str] = mapped_column(Text, default="")
    params: Mapped[dict[str, Any]] = mapped_column(JSON, default=dict)
    prompt_tokens: Mapped[int] = mapped_column(default=0)
    completion_tokens: Mapped[int] = mapped_column(default=0)
    cached_tokens: Mapped[int] = mapped_column(default=0)
    ttft_ms: Mapped[int | None]
    duration_ms: Mapped[int | None]
    persona_version_id: Mapped[int | None] = mapped_column(BigInteger)
    dropped_turns: Mapped[int] = mapped_column(default=0)
    # The process that writes this reply, until it is finished: "host:pid:start". See owner.py.
    owner: Mapped[str | None] = mapped_column(Text)
    # When somebody asked the process that writes this reply to stop it.
    stop_asked_at: Mapped[int | None] = mapped_column(BigInteger)
    # What a client called the request that sent this message, so that sending it again sends nothing.
    request_key: Mapped[str | None] = mapped_column(String(200))
    created_at: Mapped[int] = mapped_column(BigInteger)
    updated_at: Mapped[int] = mapped_column(BigInteger)


class TagRow(Base):
    __tablename__ = "tag"
    __table_args__ = (Index(None, "name"),)

    conversation_id: Mapped[int] = mapped_column(ForeignKey("conversation.id", ondelete="CASCADE"), primary_key=True)
    name: Mapped[str] = mapped_column(String(64), primary_key=True)


class VerdictRow(Base):
    __tablename__ = "verdict"
    __table_args__ = (Index(None, "message_id"), {"sqlite_autoincrement": True})

    id: Mapped[int] = mapped_column(Key, primary_key=True)
    message_id: Mapped[int] = mapped_column(ForeignKey("message.id", ondelete="CASCADE"))
    stage: Mapped[str] = mapped_column(String(32))
    judge: Mapped[str] = mapped_column(Text)
    judge_version: Mapped[str] = mapped_column(Text)
    score: Mapped[float | None] = mapped_column(Double)
    threshold: Mapped[float | None] = mapped_column(Double)
    decision: Mapped[str] = mapped_column(String(32))
    reason: Mapped[str] = mapped_column(Text, default="")
    policy_hash: Mapped[str] = mapped_column(Text)
    latency_ms: Mapped[float] = mapped_column(Double)
    created_at: Mapped[int] = mapped_column(BigInteger)


class WithheldRow(Base):
    """What the guard held back of a reply. Nothing reads it but the person who asks for it by the message's id."""

    __tablename__ = "withheld"
    __table_args__ = (Index(None, "message_id"), {"sqlite_autoincrement": True})

    id: Mapped[int] = mapped_column(Key, primary_key=True)
    message_id: Mapped[int] = mapped_column(ForeignKey("message.id", ondelete="CASCADE"))
    text: Mapped[str] = mapped_column(Text)
    # How many of its characters had been shown.
    shown: Mapped[int]
    created_at: Mapped[int] = mapped_column(BigInteger)


class ApiKeyRow(Base):
    """A key of the HTTP API. The key itself is kept nowhere: `digest` is its SHA-256, `hint` how it begins."""

    __tablename__ = "api_key"
    __table_args__ = (UniqueConstraint("digest"), {"sqlite_autoincrement": True})

    id: Mapped[int] = mapped_column(Key, primary_key=True)
    name: Mapped[str] = mapped_column(Text)
    digest: Mapped[str] = mapped_column(String(64))
    hint: Mapped[str] = mapped_column(String(32))
    # Separated by spaces.
    scopes: Mapped[str] = mapped_column(Text)
    created_at: Mapped[int] = mapped_column(BigInteger)
    revoked_at: Mapped[int | None] = mapped_column(BigInteger)


class FeedbackRow(Base):
    __tablename__ = "feedback"
    __table_args__ = (
        CheckConstraint("rating IN (-1, 1)", name="rating"),
        Index(None, "message_id"),
        {"sqlite_autoincrement": True},
    )

    id: Mapped[int] = mapped_column(Key, primary_key=True)
    message_id: Mapped[int] = mapped_column(ForeignKey("message.id", ondelete="CASCADE"))
    rating: Mapped[int]
    comment: Mapped[str] = mapped_column(Text, default="")
    created_at: Mapped[int] = mapped_column(BigInteger)
