"""The inbox's tables. They are made at first use: a mirror without webhooks has none of them."""

from __future__ import annotations

from sqlalchemy import BigInteger, Boolean, Column, Double, Integer, MetaData, Table, Text

metadata = MetaData()

inbox = Table(
    "mirror_inbox",
    metadata,
    Column("resource", Text, primary_key=True),
    Column("record", Text, primary_key=True),
    Column("generation", BigInteger, nullable=False),
    Column("first_at", Double, nullable=False),
    Column("last_at", Double, nullable=False),
    Column("deleted", Boolean, nullable=False),
    Column("body", Text),
    Column("tries", Integer, nullable=False),
    Column("not_before", Double, nullable=False),
    Column("error", Text),
)
"""Records that something was said of: one row each, however often it was said.

`generation` counts that, so that a row is only taken out by who has looked since the last time. `deleted`: one of the
events said so. `body` is the record as the last event told it, for those who trust that.
"""

handlers = Table(
    "mirror_handler",
    metadata,
    Column("name", Text, primary_key=True),
    Column("feed", Text, nullable=False),
    Column("seq", BigInteger, nullable=False),
)
"""How far each handler got in the mirror's changes. `feed` names the sequence of changes that `seq` belongs to."""

retries = Table(
    "mirror_handler_retry",
    metadata,
    Column("name", Text, primary_key=True),
    Column("seq", BigInteger, primary_key=True),
    Column("record", Text, nullable=False),
    Column("tries", Integer, nullable=False),
    Column("not_before", Double, nullable=False),
    Column("error", Text),
)
"""Changes that a handler failed on, or that wait behind such a one of the same record."""
