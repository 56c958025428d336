"""Persona versions, conversations, messages and their search index."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0001"
down_revision = None
branch_labels = None
depends_on = None

KEY = sa.BigInteger().with_variant(sa.Integer(), "sqlite")

# The index holds no copy of the text: SQLite reads it from `message`, whose id is the index's rowid.
SEARCH = (
    """
    CREATE VIRTUAL TABLE message_fts USING fts5(
        content, content='message', content_rowid='id',
        tokenize='unicode61 remove_diacritics 2', prefix='2 3'
    )
    """,
    """
    CREATE TRIGGER message_fts_insert AFTER INSERT ON message BEGIN
        INSERT INTO message_fts(rowid, content) VALUES (new.id, new.content);
    END
    """,
    """
    CREATE TRIGGER message_fts_delete AFTER DELETE ON message BEGIN
        INSERT INTO message_fts(message_fts, rowid, content) VALUES ('delete', old.id, old.content);
    END
    """,
    """
    CREATE TRIGGER message_fts_update AFTER UPDATE OF content ON message BEGIN
        INSERT INTO message_fts(message_fts, rowid, content) VALUES ('delete', old.id, old.content);
        INSERT INTO message_fts(rowid, content) VALUES (new.id, new.content);
    END
    """,
)


def upgrade() -> None:
    op.create_table(
        "persona_version",
        sa.Column("id", KEY, nullable=False),
        sa.Column("name", sa.String(64), nullable=False),
        sa.Column("version", sa.Integer(), nullable=False),
        sa.Column("digest", sa.String(64), nullable=False),
        sa.Column("spec", sa.JSON(), nullable=False),
        sa.Column("created_at", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("id", name="pk_persona_version"),
        sa.UniqueConstraint("name", "version", name="uq_persona_version_name_version"),
        sa.UniqueConstraint("name", "digest", name="uq_persona_version_name_digest"),
        sqlite_autoincrement=True,
    )
    op.create_table(
        "conversation",
        sa.Column("id", KEY, nullable=False),
        sa.Column("title", sa.Text(), nullable=False),
        sa.Column("persona_version_id", KEY, nullable=False),
        sa.Column("active_leaf_id", sa.BigInteger(), nullable=True),
        sa.Column("model", sa.Text(), nullable=False),
        sa.Column("engine", sa.Text(), nullable=False),
        sa.Column("persistence", sa.String(16), nullable=True),
        sa.Column("pinned", sa.Boolean(), nullable=False),
        sa.Column("archived", sa.Boolean(), nullable=False),
        sa.Column("message_count", sa.Integer(), nullable=False),
        sa.Column("deleted_at", sa.BigInteger(), nullable=True),
        sa.Column("created_at", sa.BigInteger(), nullable=False),
        sa.Column("updated_at", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("id", name="pk_conversation"),
        sa.ForeignKeyConstraint(
            ["persona_version_id"], ["persona_version.id"], name="fk_conversation_persona_version_id"
        ),
        sa.CheckConstraint("persistence IN ('pin', 'remind')", name=op.f("ck_conversation_persistence")),
        sqlite_autoincrement=True,
    )
    op.create_index(
        "ix_conversation_deleted_at_archived_updated_at",
        "conversation",
        ["deleted_at", "archived", "updated_at"],
    )
    op.create_index("ix_conversation_persona_version_id", "conversation", ["persona_version_id"])
    op.create_table(
        "message",
        sa.Column("id", KEY, nullable=False),
        sa.Column("conversation_id", sa.BigInteger(), nullable=False),
        sa.Column("parent_id", sa.BigInteger(), nullable=True),
        sa.Column("role", sa.String(16), nullable=False),
        sa.Column("content", sa.Text(), nullable=False),
        sa.Column("status", sa.String(16), nullable=False),
        sa.Column("finish_reason", sa.Text(), nullable=True),
        sa.Column("error", sa.Text(), nullable=True),
        sa.Column("model", sa.Text(), nullable=False),
        sa.Column("params", sa.JSON(), nullable=False),
        sa.Column("prompt_tokens", sa.Integer(), nullable=False),
        sa.Column("completion_tokens", sa.Integer(), nullable=False),
        sa.Column("cached_tokens", sa.Integer(), nullable=False),
        sa.Column("ttft_ms", sa.Integer(), nullable=True),
        sa.Column("duration_ms", sa.Integer(), nullable=True),
        sa.Column("persona_version_id", sa.BigInteger(), nullable=True),
        sa.Column("dropped_turns", sa.Integer(), nullable=False),
        sa.Column("owner", sa.Text(), nullable=True),
        sa.Column("created_at", sa.BigInteger(), nullable=False),
        sa.Column("updated_at", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("id", name="pk_message"),
        sa.UniqueConstraint("conversation_id", "id", name="uq_message_conversation_id_id"),
        sa.ForeignKeyConstraint(
            ["conversation_id"], ["conversation.id"], name="fk_message_conversation_id", ondelete="CASCADE"
        ),
        sa.ForeignKeyConstraint(
            ["conversation_id", "parent_id"],
            ["message.conversation_id", "message.id"],
            name="fk_message_conversation_id_parent_id",
            ondelete="CASCADE",
        ),
        sa.ForeignKeyConstraint(["persona_version_id"], ["persona_version.id"], name="fk_message_persona_version_id"),
        sa.CheckConstraint("role IN ('system', 'user', 'assistant')", name=op.f("ck_message_role")),
        sa.CheckConstraint(
            "status IN ('streaming', 'complete', 'stopped', 'interrupted', 'blocked', 'failed')",
            name=op.f("ck_message_status"),
        ),
        sa.CheckConstraint("parent_id < id", name=op.f("ck_message_parent_older")),
        sqlite_autoincrement=True,
    )
    op.create_index("ix_message_conversation_id_parent_id", "message", ["conversation_id", "parent_id"])
    op.create_index("ix_message_status", "message", ["status"])
    if op.get_context().dialect.name == "sqlite":
        for statement in SEARCH:
            op.execute(statement)


def downgrade() -> None:
    if op.get_context().dialect.name == "sqlite":
        op.execute("DROP TABLE message_fts")
    op.drop_table("message")
    op.drop_table("conversation")
    op.drop_table("persona_version")
