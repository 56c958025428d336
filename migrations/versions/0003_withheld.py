"""Text that the guard held back, kept apart from the conversation it was written for."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0003"
down_revision = "0002"
branch_labels = None
depends_on = None

KEY = sa.BigInteger().with_variant(sa.Integer(), "sqlite")


def upgrade() -> None:
    op.create_table(
        "withheld",
        sa.Column("id", KEY, nullable=False),
        sa.Column("message_id", KEY, nullable=False),
        sa.Column("text", sa.Text(), nullable=False),
        sa.Column("shown", sa.Integer(), nullable=False),
        sa.Column("created_at", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("id", name="pk_withheld"),
        sa.ForeignKeyConstraint(["message_id"], ["message.id"], name="fk_withheld_message_id", ondelete="CASCADE"),
        sqlite_autoincrement=True,
    )
    op.create_index("ix_withheld_message_id", "withheld", ["message_id"])


def downgrade() -> None:
    op.drop_table("withheld")
