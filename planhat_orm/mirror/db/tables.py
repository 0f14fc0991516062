"""The mirror's tables, as SQLAlchemy Core: one for each resource, and the mirror's own notes.

Types differ by database where they must: numbers have SQLite's NUMERIC affinity, so that 7 comes back as 7;
text on PostgreSQL compares by code point, as Python and SQLite do; JSON is text on one and JSONB on the other.
"""

from __future__ import annotations

from collections.abc import Iterable
from functools import cache
from typing import TYPE_CHECKING, Any

from sqlalchemy import (
    BigInteger,
    Boolean,
    Column,
    ColumnElement,
    Dialect,
    Double,
    FromClause,
    Identity,
    Index,
    Integer,
    LargeBinary,
    MetaData,
    Table,
    Text,
    cast,
    func,
)
from sqlalchemy.types import TypeDecorator, TypeEngine, UserDefinedType

from .layout import Layout, layout_for
from .layout import tables as layouts

if TYPE_CHECKING:
    from sqlalchemy.dialects.postgresql import JSONB

VERSIONS = ("0001", "0002", "0003", "0004")
"""The versions of these tables, each made of the one before by the migration of that name; the last is this one."""

MADE_AT_FIRST_USE = ("mirror_inbox", "mirror_handler", "mirror_handler_retry", "mirror_quota")
"""Tables that no migration makes: of webhooks, and of the quota that processes share."""


class Numeric(UserDefinedType[float]):
    """SQLite's NUMERIC affinity without SQLAlchemy's Decimals."""

    cache_ok = True

    def get_col_spec(self, **options: Any) -> str:
        """The type's name in CREATE TABLE."""
        return "NUMERIC"


def jsonb() -> JSONB:
    """PostgreSQL's type of JSON."""
    # The dialect takes as long to load as all tables to make, and SQLite needs none of it.
    from sqlalchemy.dialects.postgresql import JSONB

    return JSONB()


class Cell(TypeDecorator[Any]):
    """JSON: text, or JSONB where the database is PostgreSQL."""

    impl = Text
    cache_ok = True

    def load_dialect_impl(self, dialect: Dialect) -> TypeEngine[Any]:
        """The type of a database."""
        kind: TypeEngine[Any] = jsonb() if dialect.name == "postgresql" else Text()
        return dialect.type_descriptor(kind)

    def coerce_compared_value(self, op: Any, value: Any) -> TypeEngine[Any]:
        """The type of what such a column is compared with: that of the value."""
        return self.impl_instance.coerce_compared_value(op, value)


TEXT = Text().with_variant(Text(collation="C"), "postgresql")
NUMBER: TypeEngine[float] = Double().with_variant(Numeric(), "sqlite")
INTEGER = Integer().with_variant(BigInteger(), "postgresql")
CELL: TypeEngine[Any] = Cell()
TYPES: dict[str, TypeEngine[Any]] = {
    "text": TEXT,
    "number": NUMBER,
    "integer": INTEGER,
    "boolean": Boolean(),
    "json": CELL,
}
KEY = BigInteger().with_variant(Integer(), "sqlite")

metadata = MetaData()
"""The tables of what the mirror notes; those of records are made when they are asked for."""

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
    Column("oldest_asked", BigInteger),
)
"""Every sync, and its report once it ended. `oldest_asked` is the clock's number when the oldest page was asked for
that it has not published yet."""

stage = Table(
    "mirror_stage",
    metadata,
    Column("resource", TEXT, primary_key=True),
    Column("record", TEXT, primary_key=True),
    Column("body", Text),
    Column("asked", BigInteger),
    Column("sent_at", BigInteger),
)
"""What a sync found different and did not publish yet: a record's JSON, or NULL for one that is gone. `asked` and
`sent_at` are the number and the time of the clock when the page was asked for that shows it."""

clock = Table(
    "mirror_clock",
    metadata,
    Column("id", Integer, primary_key=True, autoincrement=False),
    Column("n", BigInteger, nullable=False),
    Column("at", BigInteger, nullable=False),
)
"""One row: the number and the time of the last transaction that changed a record. Times are microseconds since 1970,
and grow with the number whatever the machine's clock does."""

names = Table(
    "mirror_name",
    metadata,
    Column("resource", TEXT, primary_key=True),
    Column("id", TEXT, primary_key=True),
    Column("rid", BigInteger, nullable=False),
    Index("mirror_name_rid", "rid"),
)
"""Every id that a record with a memory ever had: a temporary one and the one that Planhat gave it are one record's."""

changes = Table(
    "mirror_change",
    metadata,
    Column("seq", KEY, Identity(always=False), primary_key=True),
    Column("n", BigInteger, nullable=False),
    Column("resource", TEXT, nullable=False),
    Column("rid", BigInteger),
    Column("kind", Text, nullable=False),
    Column("reverse", Text),
    Column("at", BigInteger, nullable=False),
    Column("origin", Text, nullable=False),
    Column("op", Text),
    Column("entry", BigInteger),
    Column("run", KEY),
    Index("mirror_change_record", "resource", "rid", "seq"),
    Index("mirror_change_at", "at"),
    Index("mirror_change_seq", "resource", "seq"),
    sqlite_autoincrement=True,
)
"""The memory: what a change undid, so that the past is the present minus what happened since.

`seq` is drawn while no other transaction writes and is never used again, so it is the order of changes. `n` and `at`
are those of the clock; `reverse` is NULL where there was no record before. `op` is the save, batch or job that a change
belongs to, `entry` the outbox entry, `run` the sync. A row without `rid`, of kind `reset`, says that records of the
resource were written without a memory of it.
"""

guards = Table(
    "mirror_guard",
    metadata,
    Column("resource", TEXT, primary_key=True),
    Column("record", TEXT, primary_key=True),
    Column("ack", BigInteger, nullable=False),
    Column("at", BigInteger, nullable=False),
    Column("whole", Boolean, nullable=False),
)
"""Records of which the server told something outside of a list: `ack` and `at` are the clock's after the answer. A page
that was asked for before cannot take that back. `whole`: the answer was the whole record."""

claims = Table(
    "mirror_claim",
    metadata,
    Column("resource", TEXT, primary_key=True),
    Column("wire", TEXT, primary_key=True),
    Column("value", TEXT, primary_key=True),
    Column("entry", BigInteger, nullable=False),
)
"""The keys that waiting creates are going to take: no other entry may make a record with one of them."""

made = Table(
    "mirror_made",
    metadata,
    Column("resource", TEXT, primary_key=True),
    Column("id", TEXT, primary_key=True),
    Column("at", BigInteger, nullable=False),
)
"""The records that were made through this mirror, and when the clock said that their making was acknowledged."""

leases = Table(
    "mirror_lease",
    metadata,
    Column("name", Text, primary_key=True),
    Column("holder", Text),
    Column("fence", BigInteger, nullable=False),
    Column("beat", Double),
    Column("token", Text),
    Column("kind", Text),
)
"""Who may sync. `fence` grows with every holder; a page written under an old one is rolled back. `token` is one process
start's own, `kind` how its death is noticed."""

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
    Column("job", Text),
    Column("floor_id", TEXT),
    Index("mirror_outbox_record", "resource", "record"),
    Index("mirror_outbox_state", "state", "seq"),
)
"""Writes that are not acknowledged yet. `patch` is what is sent, `base` what the server said when it was made, `below`
what the mirror's row holds under it (all JSON); `holder` is whoever has it in hand, `job` the save, batch or job that
it is part of. `floor_id` of a create is the greatest id known when it was written: what it makes is above."""

aliases = Table(
    "mirror_alias",
    metadata,
    Column("temporary", TEXT, primary_key=True),
    Column("id", TEXT, nullable=False),
)
"""The ids that records created offline got at last, and the new ids of those that were deleted and made anew."""


_records: dict[str, Table] = {}


def records(layout: Layout) -> Table:
    """The table that holds a resource's records."""
    table = _records.get(layout.table)
    if table is None:
        # Threads that make it at once get the same one: a statement with two would name the table twice.
        table = _records.setdefault(layout.table, _made(layout))
    return table


def all_metadata() -> Iterable[MetaData]:
    """All tables of a new mirror."""
    return (metadata, *(records(layout).metadata for layout in layouts()))


@cache
def alias(table: str, number: int) -> FromClause:
    """The table of records `number` under a name of its own. A statement that needs several takes several numbers."""
    made = records(layout_for(table)).alias()
    # Of a hundred columns each is made anew for an alias, so that is done once, and here: threads share it.
    _ = made.c
    return made


def _made(layout: Layout) -> Table:
    table = Table(
        layout.table,
        MetaData(),
        Column("pk", KEY, primary_key=True),
        *(
            Column(column.name, TYPES[column.storage], nullable=column.wire != "_id", unique=column.wire == "_id")
            for column in layout.columns
        ),
        Column("_extra", Text),
        Column("_hash", LargeBinary, nullable=False),
        *(Column(column.name, TYPES[column.storage]) for column in layout.derived),
    )
    for column in (*layout.columns, *layout.derived):
        if column.indexed:
            Index(f"{layout.table}__{column.name}", table.c[column.name])
    return table


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
        return cast(table.c["_extra"], jsonb()).op("->>")(wire)
    return func.json_extract(table.c["_extra"], f'$."{wire}"')
