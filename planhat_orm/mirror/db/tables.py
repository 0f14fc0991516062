"""The mirror's tables, as SQLAlchemy Core: one for each resource, and the mirror's own notes.

Types differ by database where they must: numbers have SQLite's NUMERIC affinity, so that 7 comes back as 7;
text on PostgreSQL compares by code point, as Python and SQLite do; JSON is text on one and JSONB on the other.
"""

from __future__ import annotations

from typing import Any

from sqlalchemy import (
    BigInteger,
    Boolean,
    Column,
    ColumnElement,
    Double,
    Index,
    Integer,
    LargeBinary,
    MetaData,
    Table,
    Text,
    cast,
    func,
)
from sqlalchemy.dialects import postgresql
from sqlalchemy.types import TypeEngine, UserDefinedType

from .layout import Layout, tables

VERSIONS = ("0001", "0002")
"""The versions of these tables, each made of the one before by the migration of that name; the last is this one."""


class Numeric(UserDefinedType[float]):
    """SQLite's NUMERIC affinity without SQLAlchemy's Decimals."""

    cache_ok = True

    def get_col_spec(self, **options: Any) -> str:
        """The type's name in CREATE TABLE."""
        return "NUMERIC"


TEXT = Text().with_variant(postgresql.TEXT(collation="C"), "postgresql")
NUMBER: TypeEngine[float] = Double().with_variant(Numeric(), "sqlite")
INTEGER = Integer().with_variant(BigInteger(), "postgresql")
CELL: TypeEngine[Any] = Text().with_variant(postgresql.JSONB(), "postgresql")
TYPES: dict[str, TypeEngine[Any]] = {
    "text": TEXT,
    "number": NUMBER,
    "integer": INTEGER,
    "boolean": Boolean(),
    "json": CELL,
}
KEY = BigInteger().with_variant(Integer(), "sqlite")

metadata = MetaData()

meta = Table(
    "mirror_meta",
    metadata,
    Column("key", Text, primary_key=True),
    Column("value", Text),
)
"""Facts of the whole mirror: when it was made, and by which release."""

models = Table(
    "mirror_model",
    metadata,
    Column("resource", Text, primary_key=True),
    Column("complete", Boolean, nullable=False),
    Column("as_of", Text),
    Column("synced_at", Text),
    Column("full_as_of", Text),
    Column("first_as_of", Text),
    Column("watermark", Text),
    Column("method", Text),
    Column("why", Text),
    Column("known", Text),
    Column("cursor", Text),
)
"""How far each resource is. `as_of` and `full_as_of` are the server's clock, `synced_at` is this machine's;
`known` is what was learnt of its list, `cursor` a pass under way; both JSON."""

runs = Table(
    "mirror_run",
    metadata,
    Column("run", KEY, primary_key=True),
    Column("started_at", Text, nullable=False),
    Column("finished_at", Text),
    Column("requests", Integer),
    Column("report", Text),
)
"""Every sync, and its report once it ended."""

stage = Table(
    "mirror_stage",
    metadata,
    Column("resource", TEXT, primary_key=True),
    Column("record", TEXT, primary_key=True),
    Column("body", Text),
)
"""What a sync found different and did not publish yet: a record's JSON, or NULL for one that is gone."""

changes = Table(
    "mirror_change",
    metadata,
    Column("seq", KEY, primary_key=True, autoincrement=True),
    Column("run", KEY),
    Column("resource", TEXT, nullable=False),
    Column("record", TEXT, nullable=False),
    Column("kind", Text, nullable=False),
    Column("reverse", Text),
    Column("seen_at", Text, nullable=False),
    Column("origin", Text, nullable=False),
    Index("mirror_change_record", "resource", "record", "seq"),
    Index("mirror_change_seen", "seen_at"),
)
"""The memory: what a change undid, so that the past is the present minus what happened since."""

leases = Table(
    "mirror_lease",
    metadata,
    Column("name", Text, primary_key=True),
    Column("holder", Text),
    Column("fence", BigInteger, nullable=False),
    Column("beat", Double),
)
"""Who may sync. `fence` grows with every holder; a page written under an old one is rolled back."""

outbox = Table(
    "mirror_outbox",
    metadata,
    Column("seq", KEY, primary_key=True, autoincrement=True),
    Column("op_id", Text, nullable=False, unique=True),
    Column("op", Text, nullable=False),
    Column("resource", TEXT, nullable=False),
    Column("record", TEXT, nullable=False),
    Column("patch", Text, nullable=False),
    Column("base", Text, nullable=False),
    Column("state", Text, nullable=False),
    Column("error", Text),
    Column("created_at", Text, nullable=False),
    Column("sent_at", Text),
    Column("below", Text),
    Column("holder", Text),
    Index("mirror_outbox_record", "resource", "record"),
    Index("mirror_outbox_state", "state", "seq"),
)
"""Writes that are not acknowledged yet. `patch` is what is sent, `base` what the server said when it was made, `below`
what the mirror's row holds under it (all JSON); `holder` is whoever has it in hand."""

aliases = Table(
    "mirror_alias",
    metadata,
    Column("temporary", TEXT, primary_key=True),
    Column("id", TEXT, nullable=False),
)
"""The ids that records created offline got at last."""


def records(layout: Layout) -> Table:
    """The table that holds a resource's records."""
    return metadata.tables[layout.table]


def _records(layout: Layout) -> Table:
    table = Table(
        layout.table,
        metadata,
        Column("pk", KEY, primary_key=True),
        *(
            Column(column.name, TYPES[column.storage], nullable=column.wire != "_id", unique=column.wire == "_id")
            for column in layout.columns
        ),
        Column("_extra", Text),
        Column("_hash", LargeBinary, nullable=False),
    )
    for column in layout.columns:
        if column.indexed:
            Index(f"{layout.table}__{column.name}", table.c[column.name])
    return table


for _layout in tables():
    _records(_layout)


def as_text(column: Any, postgres: bool) -> Any:
    """A JSON column as text: ours to decode, only where it is needed."""
    return cast(column, Text) if postgres else column


def value_of(layout: Layout, wire: str, postgres: bool) -> ColumnElement[Any]:
    """A field of a record as text: its column or, for a key that nobody declared, what `_extra` has of it."""
    table = records(layout)
    column = layout.by_wire.get(wire)
    if column is not None:
        return table.c[column.name]
    if postgres:
        return cast(table.c["_extra"], postgresql.JSONB).op("->>")(wire)
    return func.json_extract(table.c["_extra"], f'$."{wire}"')
