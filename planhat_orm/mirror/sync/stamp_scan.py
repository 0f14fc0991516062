"""The scan: every record's id and stamp, and then only the records whose stamp differs, or may say too little.

For lists that do not sort by stamp. It takes as many requests as a full pass and a fortieth of the bytes; where
more records differ than are worth asking for one by one, the full pass follows.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from sqlalchemy import Connection, select

from ...errors import NotFound
from ...http.effects import Flow, RunBlocking
from ...query.kinds import DATETIME
from ...runtime import TEMPORARY
from ...wire import records
from ...wire.list_page import full_select
from ...wire.proved_page import Page
from ...wire.raw_records import RawRecord
from ..db import tables
from .paging import walk_ahead
from .thresholds import SINGLY

if TYPE_CHECKING:
    from .job import Finish, ModelSync


class TooMany(Exception):
    """More records differ than a scan should fetch."""


def scan(job: ModelSync) -> Flow[Finish]:
    """Bring in what differs by its stamp; what is returned publishes it.

    Raises `TooMany` as soon as that is certain, or `NotSortedById` like any walk along the ids.
    """
    resource, stamp = job.layout.resource, str(job.stamp)
    hidden = resource.hidden_by
    changed: list[str] = []
    gone: list[str] = []
    looked = 0
    job.traffic.mark()
    tied_from = job.state.tied_from

    def newest_stored() -> str | None:
        with job.reading() as connection:
            return job.store(connection).newest(stamp)

    newest: str | None = yield RunBlocking(newest_stored)
    walk = walk_ahead(
        resource,
        job.traffic,
        {hidden.name: "true"} if hidden is not None else {},
        select=("_id", stamp),
        expected=job.rows_before,
    )

    def compare(page: Page[RawRecord]) -> None:
        stored = _stamps(job, page)
        there = {row["_id"]: DATETIME.comparable(row.get(stamp)) for row in page.rows}
        changed.extend(
            id
            for id, value in there.items()
            if stored.get(id) != value or (tied_from is not None and value is not None and value >= tied_from)
        )
        if len(changed) > SINGLY or any(value is None for value in there.values()):
            raise TooMany
        if page.proved:
            gone.extend(id for id in stored if id not in there)

    def apply(page: Page[RawRecord]) -> Flow[None]:
        nonlocal looked
        yield RunBlocking(lambda: compare(page))
        looked += len(page.rows)
        yield job.progress(looked, "scanning")

    yield from walk.run(apply)
    rows: list[dict[str, Any]] = []
    shown = full_select(resource)
    for id in changed:
        try:
            row = yield from job.traffic.counting(records.get(resource, id, select=shown))
        except NotFound:
            gone.append(id)
        else:
            # One record may hold more than a list shows; a full pass would take that for a change.
            rows.append(row if shown is None else {wire: row[wire] for wire in row if wire in shown})

    def stage() -> None:
        with job.writing() as connection:
            job.clear_stage(connection)
            store = job.store(connection)
            job.take(connection, store, rows, store.hashes([row["_id"] for row in rows]), gone)

    yield RunBlocking(stage)
    yield from job.look_twice()
    job.report.unchanged += looked - len(changed)
    job.report.method = "scan"
    job.state.traits.scanned_from = newest
    return lambda connection: _finish(job, connection)


def _stamps(job: ModelSync, page: Page[RawRecord]) -> dict[str, Any]:
    table = tables.records(job.layout)
    value = tables.value_of(job.layout, str(job.stamp), job.database.postgres)
    statement = select(table.c.id, value)
    if page.proved:
        statement = statement.where(table.c.id > page.after)
        if page.last is not None:
            statement = statement.where(table.c.id <= page.last)
    else:
        statement = statement.where(table.c.id.in_([row["_id"] for row in page.rows]))
    with job.reading() as connection:
        found = connection.execute(statement)
        return {id: DATETIME.comparable(text) for id, text in found if not id.startswith(TEMPORARY)}


def _finish(job: ModelSync, connection: Connection) -> None:
    """A scan goes by the ids, so it has no say in how far the list by stamps is read."""
    job.publish(connection)
    job.state.as_of = job.traffic.first_date
    job.state.synced_at = job.traffic.first_sent
