"""Keys of the HTTP API, stopping a reply that another process writes, and requests that may be sent twice."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0005"
down_revision = "0003"
branch_labels = None
depends_on = None

KEY = sa.BigInteger().with_variant(sa.Integer(), "sqlite")


def upgrade() -> None:
    # Plain ALTERs: SQLite adds nullable columns in place, without the batch copy that would drop the search triggers.
    op.add_column("message", sa.Column("stop_asked_at", sa.BigInteger(), nullable=True))
    op.add_column("message", sa.Column("request_key", sa.String(200), nullable=True))
    op.create_index(
        "ix_message_conversation_id_request_key", "message", ["conversation_id", "request_key"], unique=True
    )
    op.create_table(
        "api_key",
        sa.Column("id", KEY, nullable=False),
        sa.Column("name", sa.Text(), nullable=False),
        sa.Column("digest", sa.String(64), nullable=False),
        sa.Column("hint", sa.String(32), nullable=False),
        sa.Column("scopes", sa.Text(), nullable=False),
        sa.Column("created_at", sa.BigInteger(), nullable=False),
        sa.Column("revoked_at", sa.BigInteger(), nullable=True),
        sa.PrimaryKeyConstraint("id", name="pk_api_key"),
        sa.UniqueConstraint("digest", name="uq_api_key_digest"),
        sqlite_autoincrement=True,
    )


def downgrade() -> None:
    op.drop_table("api_key")
    op.drop_index("ix_message_conversation_id_request_key", "message")
    op.drop_column("message", "request_key")
    op.drop_column("message", "stop_asked_at")
