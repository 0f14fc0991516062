"""Companies know their parent, as `orgPath` tells it; `upkeep/backfill.py` fills the column in the same transaction."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

revision = "0004"
down_revision = "0003"
branch_labels = None
depends_on = None

TEXT = sa.Text().with_variant(postgresql.TEXT(collation="C"), "postgresql")


def upgrade() -> None:
    op.add_column("company", sa.Column("parent_id", TEXT))
    op.create_index("company__parent_id", "company", ["parent_id"])
