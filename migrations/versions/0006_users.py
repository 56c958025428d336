"""People with a password, and whose each conversation is."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0006"
down_revision = "0005"
branch_labels = None
depends_on = None

KEY = sa.BigInteger().with_variant(sa.Integer(), "sqlite")


def upgrade() -> None:
    op.create_table(
        "user",
        sa.Column("id", KEY, nullable=False),
        sa.Column("name", sa.String(64), nullable=False),
        sa.Column("password", sa.Text(), nullable=False),
        sa.Column("created_at", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("id", name="pk_user"),
        sa.UniqueConstraint("name", name="uq_user_name"),
        sqlite_autoincrement=True,
    )
    # Not as a batch, which would copy the table: a column that may be empty is added in place.
    op.add_column("conversation", sa.Column("user_id", sa.BigInteger(), nullable=True))
    op.create_index("ix_conversation_user_id", "conversation", ["user_id"])


def downgrade() -> None:
    op.drop_index("ix_conversation_user_id", "conversation")
    op.drop_column("conversation", "user_id")
    op.drop_table("user")
