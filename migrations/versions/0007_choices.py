"""What a conversation has of its own: how its replies are drawn, and a stricter guard."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0007"
down_revision = "0006"
branch_labels = None
depends_on = None


def upgrade() -> None:
    # Not as a batch, which would copy the table: a column that may be empty is added in place.
    op.add_column("conversation", sa.Column("sampling", sa.JSON(none_as_null=True), nullable=True))
    op.add_column("conversation", sa.Column("guard", sa.String(16), nullable=True))


def downgrade() -> None:
    op.drop_column("conversation", "guard")
    op.drop_column("conversation", "sampling")
