"""The memory knows records by number, and time by a clock of its own; acknowledged writes are guarded.

The changes of earlier releases are put aside under another name; `upkeep/replay.py` takes them over, in the same
transaction.
"""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

revision = "0003"
down_revision = "0002"
branch_labels = None
depends_on = None

TEXT = sa.Text().with_variant(postgresql.TEXT(collation="C"), "postgresql")
KEY = sa.BigInteger().with_variant(sa.Integer(), "sqlite")


def upgrade() -> None:
    _put_changes_aside()
    _mirror_change()
    _mirror_clock()
    _mirror_name()
    _mirror_guard()
    _mirror_claim()
    _mirror_made()
    op.add_column("mirror_run", sa.Column("oldest_asked", sa.BigInteger()))
    op.add_column("mirror_stage", sa.Column("asked", sa.BigInteger()))
    op.add_column("mirror_stage", sa.Column("sent_at", sa.BigInteger()))
    op.add_column("mirror_lease", sa.Column("token", sa.Text()))
    op.add_column("mirror_lease", sa.Column("kind", sa.Text()))
    op.add_column("mirror_outbox", sa.Column("job", sa.Text()))
    op.add_column("mirror_outbox", sa.Column("floor_id", TEXT))


def _put_changes_aside() -> None:
    op.drop_index("mirror_change_record", "mirror_change")
    op.drop_index("mirror_change_seen", "mirror_change")
    if not op.get_bind().execute(sa.text("SELECT count(*) FROM mirror_change")).scalar():
        op.drop_table("mirror_change")
        return
    op.rename_table("mirror_change", "mirror_change_0002")
    if op.get_bind().dialect.name == "postgresql":
        # The new table's key takes these names.
        op.execute("ALTER INDEX IF EXISTS mirror_change_pkey RENAME TO mirror_change_0002_pkey")
        op.execute("ALTER SEQUENCE IF EXISTS mirror_change_seq_seq RENAME TO mirror_change_0002_seq_seq")


def _mirror_change() -> None:
    op.create_table(
        "mirror_change",
        sa.Column("seq", KEY, sa.Identity(always=False), primary_key=True),
        sa.Column("n", sa.BigInteger(), nullable=False),
        sa.Column("resource", TEXT, nullable=False),
        sa.Column("rid", sa.BigInteger()),
        sa.Column("kind", sa.Text(), nullable=False),
        sa.Column("reverse", sa.Text()),
        sa.Column("at", sa.BigInteger(), nullable=False),
        sa.Column("origin", sa.Text(), nullable=False),
        sa.Column("op", sa.Text()),
        sa.Column("entry", sa.BigInteger()),
        sa.Column("run", KEY),
        sqlite_autoincrement=True,
    )
    op.create_index("mirror_change_record", "mirror_change", ["resource", "rid", "seq"])
    op.create_index("mirror_change_at", "mirror_change", ["at"])
    op.create_index("mirror_change_seq", "mirror_change", ["resource", "seq"])


def _mirror_clock() -> None:
    op.create_table(
        "mirror_clock",
        sa.Column("id", sa.Integer(), primary_key=True, autoincrement=False),
        sa.Column("n", sa.BigInteger(), nullable=False),
        sa.Column("at", sa.BigInteger(), nullable=False),
    )
    op.execute("INSERT INTO mirror_clock (id, n, at) VALUES (1, 0, 0)")


def _mirror_name() -> None:
    op.create_table(
        "mirror_name",
        sa.Column("resource", TEXT, primary_key=True),
        sa.Column("id", TEXT, primary_key=True),
        sa.Column("rid", sa.BigInteger(), nullable=False),
    )
    op.create_index("mirror_name_rid", "mirror_name", ["rid"])


def _mirror_guard() -> None:
    op.create_table(
        "mirror_guard",
        sa.Column("resource", TEXT, primary_key=True),
        sa.Column("record", TEXT, primary_key=True),
        sa.Column("ack", sa.BigInteger(), nullable=False),
        sa.Column("at", sa.BigInteger(), nullable=False),
        sa.Column("whole", sa.Boolean(), nullable=False),
    )


def _mirror_claim() -> None:
    op.create_table(
        "mirror_claim",
        sa.Column("resource", TEXT, primary_key=True),
        sa.Column("wire", TEXT, primary_key=True),
        sa.Column("value", TEXT, primary_key=True),
        sa.Column("entry", sa.BigInteger(), nullable=False),
    )


def _mirror_made() -> None:
    op.create_table(
        "mirror_made",
        sa.Column("resource", TEXT, primary_key=True),
        sa.Column("id", TEXT, primary_key=True),
        sa.Column("at", sa.BigInteger(), nullable=False),
    )
