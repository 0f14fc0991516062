"""What the mirror knows of each resource: how far it got, how current it is, what its list can do."""

from __future__ import annotations

import sqlite3
from collections.abc import Mapping
from dataclasses import dataclass, field, fields
from datetime import UTC, datetime, timedelta
from typing import Any

import msgspec
from sqlalchemy import Connection, PoolProxiedConnection, delete, insert, select

from ...query.kinds import iso
from ...wire.resources import Resource
from . import tables
from .clock import Instant
from .layout import Layout

LATE = timedelta(minutes=10)
"""How long a change may take to show in a list after it got its stamp."""
_KEPT = "planhat_states"


class ListTraits(msgspec.Struct, omit_defaults=True):
    """What was learnt of a resource's list, and is not known of one never read.

    `two`: hidden records have a list of their own, where True. `cap`: how many records its pages hold at most;
    `overlap`: how many of them the next page should show again; `bytes`: of one record. `stamp`: the wire name of the
    time of change; `unstamped`: how many records lack it. `delta`: how many records a sync finds changed; `volatile`:
    how often a field changed without a new stamp; `mass`: how many records the last sync missed and did not believe
    gone. `thin`: the list ignores `select`; `learned`: keys that nobody documents, which it is asked for too.
    `memory_from`: the past before it is not known. `scanned_from`: the newest stamp that was known when the last scan
    began. The others are moments at which something was last done, or found not to hold, and the first and last day of
    metrics that are held.
    """

    two: bool | None = None
    cap: int = 0
    overlap: int | None = None
    bytes: int = 0
    stamp: str | None = None
    unstamped: int = 0
    delta: int | None = None
    volatile: dict[str, int] = {}
    mass: int = 0
    thin: bool = False
    learned: list[str] = []
    learned_at: str | None = None
    memory_from: str = ""
    scanned_from: str | None = None
    full_at: str | None = None
    swept_at: str | None = None
    unsorted_at: str | None = None
    disordered_at: str | None = None
    from_day: int | None = None
    to_day: int | None = None


class ListCursor(msgspec.Struct, omit_defaults=True):
    """How far a full pass is that was begun and not ended.

    `number` says which list is being read, `two` whether there are two, as far as that is known. `anchor` is the
    greatest id covered, `rank` where the next page begins, `longest` how many records the longest page had. `stamps`
    counts each time of change and holds the latest, `first` that of the first page. `doubtful` are records that were
    not listed where they should be. `date` and `sent` are the server's and this machine's time of the first request,
    `asked` and `asked_at` the mirror's.
    """

    number: int = msgspec.field(default=0, name="list")
    two: bool | None = None
    anchor: str = ""
    rank: int = 0
    longest: int = 0
    rows: int = 0
    bytes: int = 0
    stamps: dict[str, tuple[int, str]] = {}
    first: dict[str, str] = {}
    doubtful: list[str] = []
    date: str | None = None
    sent: str | None = None
    asked: int = 0
    asked_at: int = 0

    @property
    def first_page(self) -> Instant:
        """The mirror's instant when the first page was asked for."""
        return Instant(self.asked, self.asked_at)

    def restart(self) -> None:
        """Begin the pass anew, with what is known of the lists."""
        self.number, self.anchor, self.rank, self.longest = 0, "", 0, 0
        self.rows, self.stamps, self.first = 0, {}, {}


@dataclass(slots=True)
class State:
    """One resource's row in `mirror_model`.

    `as_of`: every change that the server committed before it, and stamped, is here. `full_as_of`: the same,
    whether stamped or not. Both are moments of the server's clock, None where it never showed one; `synced_at`
    is when that was, on ours.
    """

    resource: str
    complete: bool = False
    as_of: str | None = None
    synced_at: str | None = None
    full_as_of: str | None = None
    first_as_of: str | None = None
    watermark: str | None = None
    method: str | None = None
    why: str | None = None
    traits: ListTraits = field(default_factory=ListTraits)
    cursor: ListCursor | None = None

    def stamp(self, resource: Resource) -> str | None:
        """The wire name of the time of last change: as found in the records, or as documented."""
        return self.traits.stamp or resource.stamp

    @property
    def floor(self) -> str | None:
        """Every change with a stamp below it is here: the watermark, less what becomes visible late."""
        return None if self.watermark is None else iso(moment(self.watermark) - LATE)

    @property
    def tied_from(self) -> str | None:
        """A record with a stamp from there on may have been written again under it, after it was read last.

        That can be where it was read in the very moment in which it was written: none is that was written before the
        last sync began, which its server's clock tells, or the newest stamp that was known then.
        """
        begun = None if self.as_of is None else iso(moment(self.as_of) - LATE)
        return max((known for known in (self.watermark, self.traits.scanned_from, begun) if known), default=None)

    def learn_delta(self, changes: int) -> None:
        """Remember how many records a sync finds changed, the last ones most."""
        before = changes if self.traits.delta is None else self.traits.delta
        self.traits.delta = (before + changes) // 2

    def learn_silent(self, fields: Mapping[str, int]) -> None:
        """Remember which fields change without a new stamp; one that stops doing so is forgotten in time."""
        volatile = self.traits.volatile
        now = {name: volatile.get(name, 0) // 2 + fields.get(name, 0) for name in {*volatile, *fields}}
        self.traits.volatile = {name: count for name, count in sorted(now.items()) if count}


def now() -> str:
    """This machine's time, as Planhat writes it."""
    return iso(datetime.now(UTC))


def moment(text: str) -> datetime:
    """The moment that `now()` and the server's stamps write."""
    return datetime.fromisoformat(text)


_traits = msgspec.json.Decoder(ListTraits | None).decode
_cursor = msgspec.json.Decoder(ListCursor | None).decode
_encode = msgspec.json.Encoder().encode


def load(connection: Connection, resource: str) -> State:
    """The state of a resource; of one never synced, an empty one."""
    return load_all(connection, resource).get(resource) or State(resource)


def load_all(connection: Connection, resource: str | None = None) -> dict[str, State]:
    """The states of all resources that have one."""
    statement = select(tables.models)
    if resource is not None:
        statement = statement.where(tables.models.c.resource == resource)
    states = {}
    for row in connection.execute(statement).mappings():
        values = {name: value for name, value in row.items() if name not in ("known", "cursor")}
        traits, cursor = _traits(row["known"] or "null"), _cursor(row["cursor"] or "null")
        states[row["resource"]] = State(**values, traits=traits or ListTraits(), cursor=cursor)
    return states


def known(connection: Connection) -> Mapping[str, State]:
    """The states of all resources, to be looked at only: on SQLite they are read anew once somebody has written.

    What counts the writes of others does not count those of the connection itself: `forget` goes before them.
    """
    writes = connection.get_execution_options().get("planhat_writes")
    if writes or connection.dialect.name != "sqlite":
        return load_all(connection)
    try:
        kept = kept_states(connection.connection)
        if kept is None:
            version = _data_version(connection.connection)
            kept = load_all(connection)
            connection.info[_KEPT] = version, kept
    except sqlite3.Error:
        return load_all(connection)  # which meets the same, and explains it
    return kept


def kept_states(connection: PoolProxiedConnection) -> Mapping[str, State] | None:
    """The states that a connection of SQLite's read, if nobody has written since; `known` reads them anew."""
    version, states = connection.info.get(_KEPT) or (None, None)
    return states if version is not None and version == _data_version(connection) else None


def _data_version(connection: PoolProxiedConnection) -> int:
    driver: Any = connection.driver_connection
    (version,) = driver.execute("PRAGMA data_version").fetchone()
    return int(version)


def forget(connection: Connection) -> None:
    """Read the states anew the next time: this connection is about to write."""
    connection.info.pop(_KEPT, None)


def save(connection: Connection, state: State) -> None:
    """Keep a state."""
    values = {field.name: getattr(state, field.name) for field in fields(state)}
    values["known"] = _encode(values.pop("traits")).decode()
    values["cursor"] = None if state.cursor is None else _encode(state.cursor).decode()
    connection.execute(delete(tables.models).where(tables.models.c.resource == state.resource))
    connection.execute(insert(tables.models), [values])


def live_rows(connection: Connection, layout: Layout) -> int:
    """How many records of a resource there are."""
    # As text, since the table is made for SQLAlchemy when it is asked for, and a status counts the rows of all.
    return int(connection.exec_driver_sql(f'SELECT count(*) FROM "{layout.table}"').scalar_one())
