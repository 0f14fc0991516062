"""Entries of the outbox know what the mirror's row holds under them, and who has them in hand."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0002"
down_revision = "0001"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.add_column("mirror_outbox", sa.Column("below", sa.Text()))
    op.add_column("mirror_outbox", sa.Column("holder", sa.Text()))
    # What was written before shows in the mirror: under it is what the server had said.
    op.execute("UPDATE mirror_outbox SET below = base WHERE op <> 'create' AND op <> 'upsert'")
