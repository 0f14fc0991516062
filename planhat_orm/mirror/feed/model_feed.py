"""The rows of one model that a reader has to be given, in one snapshot of the mirror."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from hashlib import blake2b
from typing import Any

from sqlalchemy import Connection, func, select

from ...errors import MirrorIncomplete
from ...json_encoding import rewrite
from ...runtime import TEMPORARY
from ..db import state, tables
from ..db.changes import Raw, chunks
from ..db.codec import RowCodec
from ..db.database import Database
from ..db.layout import Layout, layout_for
from ..db.state import State
from ..outbox.outbox import Outbox
from ..sharing import arrow
from ..sharing.export_table import PART, ExportTable
from .cursor import Cursor, Position, position, why_whole

DELETED = "_deleted"
"""The column that says that a record is gone; but for its id, the row is empty."""
_MOST_CHANGED = 0.5
"""Where more than this share of a table changed, all of it is read: that is no slower."""

Cells = list[Any]
Bottoms = Callable[[Sequence[str]], dict[str, Raw | None]]


@dataclass(frozen=True, slots=True)
class Part:
    """Some rows of a feed, as an Arrow record batch; `deleted` of them are of records that are gone."""

    batch: Any
    rows: int
    deleted: int


class ModelFeed:
    """What a reader has to be given of one model: all of it, with a `why`, or (None) what changed since its cursor.

    `cursor` is that of a reader who has been given it. `added` are columns of the reader's own, each with its type as
    Arrow names it, and its value.
    """

    def __init__(
        self,
        snapshot: Snapshot,
        layout: Layout,
        since: Cursor | None,
        anew: str | None,
        added: dict[str, tuple[str, Any]],
    ) -> None:
        self.layout = layout
        self.state: State = snapshot.states[layout.table]
        self._snapshot = snapshot
        self._connection = snapshot.connection
        self._added = added
        self._sheet = ExportTable(self._connection, layout, postgres=snapshot.postgres, taken=(DELETED, *added))
        now, columns = snapshot.position, self._columns()
        waiting = snapshot.outbox.waiting_on(self._connection, layout.table)
        held = sorted(id for id in waiting if not id.startswith(TEMPORARY))
        self._apart = dict.fromkeys([*held, *(since.held if since is not None else ())])
        self._since = since.seq if since is not None else 0
        self.why = anew or why_whole(self._connection, layout.table, since, now, columns)
        if self.why is None and self._has_changed_much():
            self.why = "most of it changed"
        self.cursor = Cursor(now.feed, now.seq, now.at, tables.VERSIONS[-1], columns, held)

    def schema(self, facts: dict[str, str] | None = None) -> Any:
        """The Arrow schema of its batches, with `facts` beside it."""
        pa = arrow.arrow()
        own = [(name, getattr(pa, kind)()) for name, (kind, _) in self._added.items()]
        return arrow.schema(self._sheet, facts, [(DELETED, pa.bool_()), *own])

    def parts(self) -> Iterator[Part]:
        """The rows, some thousands at a time."""
        schema = self.schema()
        for cells in _joined(self._whole() if self.why is not None else self._changed()):
            present = [row for row in cells if row[1] is not None]
            gone = [row[0] for row in cells if row[1] is None]
            if present:
                yield self._part(schema, self._sheet.values([row[1] for row in present]), len(present), 0)
            if gone:
                nothing: list[Sequence[Any]] = [[None] * len(gone) for _ in self._sheet.names]
                nothing[self._sheet.names.index("id")] = gone
                yield self._part(schema, nothing, len(gone), len(gone))

    def _part(self, schema: Any, columns: list[Sequence[Any]], count: int, deleted: int) -> Part:
        own = [[value] * count for _, value in self._added.values()]
        batch = arrow.batch(schema, [*columns, [deleted > 0] * count, *own])
        return Part(batch, count, deleted)

    def _columns(self) -> str:
        """A digest of the columns' names and types."""
        told = rewrite([(name, kind.name) for name, kind in self._sheet.columns])
        return blake2b(told, digest_size=8).hexdigest()

    # --- which rows ---------------------------------------------------------------------------------------

    def _has_changed_much(self) -> bool:
        changed = self._changes().subquery()
        count = self._connection.execute(select(func.count()).select_from(changed)).scalar_one()
        return count > _MOST_CHANGED * state.live_rows(self._connection, self.layout) > 0

    def _changes(self) -> Any:
        """The ids of the records that changed since the cursor."""
        log, names = tables.changes.c, tables.names.c
        ids = select(names.id).distinct().join(tables.changes, log.rid == names.rid)
        known = names.id.not_like(f"{TEMPORARY}%")
        return ids.where(log.resource == self.layout.table, log.seq > self._since, known)

    def _whole(self) -> Iterator[list[tuple[str, Cells | None]]]:
        """All records that the server has, with their ids."""
        place = self._sheet.id_place
        for part in self._sheet.rows():
            ids = [row[place] for row in part]
            yield [
                (id, row)
                for id, row in zip(ids, part, strict=True)
                if id not in self._apart and not id.startswith(TEMPORARY)
            ]
        for rows in self._read_apart():
            yield [(id, row) for id, row in rows if row is not None]

    def _changed(self) -> Iterator[list[tuple[str, Cells | None]]]:
        """The records that changed, None for one that is gone."""
        changed, table = self._changes().subquery(), tables.records(self.layout)
        statement = (
            select(changed.c.id, table.c.id, *self._sheet.cells())
            .select_from(changed.outerjoin(table, table.c.id == changed.c.id))
            .order_by(changed.c.id)
        )
        result = self._connection.execute(statement, execution_options={"yield_per": PART})
        for part in result.partitions():
            yield [(id, None if present is None else row) for id, present, *row in part if id not in self._apart]
        yield from self._read_apart()

    def _read_apart(self) -> Iterator[list[tuple[str, Cells | None]]]:
        """The records that writes wait for, or did the last time, as the server has them."""
        codec = RowCodec(self.layout, postgres=self._snapshot.postgres)
        shown = [codec.names.index(column.name) for column in self.layout.columns] + [codec.names.index("_extra")]
        for ids in chunks(list(self._apart)):
            rows = self._snapshot.outbox.bottoms(self._connection, self.layout.table, ids)
            packed = ((id, None if raw is None else codec.encode_row(rewrite(raw))) for id, raw in rows.items())
            yield [(id, None if row is None else [row[place] for place in shown]) for id, row in packed]


def _joined(parts: Iterable[list[Any]]) -> Iterator[list[Any]]:
    """Small parts put together, so that each is worth a row group."""
    kept: list[Any] = []
    for part in parts:
        kept += part
        if len(kept) >= PART // 2:
            yield kept
            kept = []
    if kept:
        yield kept


class Snapshot:
    """The mirror at one moment, for readers of its feed."""

    def __init__(self, connection: Connection, database: Database, outbox: Outbox) -> None:
        self.connection = connection
        self.postgres = database.postgres
        self.outbox = outbox
        self.position: Position = position(connection)
        self.states = state.load_all(connection)

    def complete(self) -> list[str]:
        """The names of the models that the mirror holds all of."""
        return sorted(name for name, found in self.states.items() if found.complete)

    def feed(self, name: str, since: Cursor | None, anew: str | None = None, **added: tuple[str, Any]) -> ModelFeed:
        """What a reader with a cursor has to be given of a model: all of it where there is a reason to begin `anew`.

        `MirrorIncomplete` where the mirror lacks some of it.
        """
        found = self.states.get(name)
        if found is None or not found.complete:
            raise MirrorIncomplete(f"The mirror does not hold all of {name}: sync it, or leave it out.")
        return ModelFeed(self, layout_for(name), since, anew, added)


@contextmanager
def snapshot(database: Database, outbox: Outbox) -> Iterator[Snapshot]:
    """One moment of a mirror, as long as the block lasts."""
    with database.reading() as connection:
        yield Snapshot(connection, database, outbox)
