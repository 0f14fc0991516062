"""The scan: every record's id and stamp, and then only the records whose stamp differs.

For lists that do not sort by stamp. It takes as many requests as a full pass and a fortieth of the bytes; where
more records differ than are worth asking for one by one, the full pass follows.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from sqlalchemy import select

from ..errors import NotFound
from ..http.effects import Flow, Work
from ..query.kinds import DATETIME
from ..wire import records
from ..wire.listing import full_select
from . import state, tables
from .pages import Page, Pass
from .store import TEMPORARY

if TYPE_CHECKING:
    from .job import Job

SINGLY = 20


class TooMany(Exception):
    """More records differ than a scan should fetch."""


def scan(job: Job) -> Flow[None]:
    """Bring in what differs by its stamp. Raises `TooMany`, or `Unsorted` like any walk along the ids."""
    resource, stamp = job.layout.resource, str(job.stamp)
    hidden = resource.hidden_by
    changed: list[str] = []
    gone: list[str] = []
    looked = 0
    job.traffic.mark()
    walk = Pass(
        resource,
        job.traffic,
        {hidden.name: "true"} if hidden is not None else {},
        select=("_id", stamp),
        expected=job.rows_before,
    )

    def compare(page: Page) -> None:
        stored = _stamps(job, page)
        there = {row["_id"]: DATETIME.comparable(row.get(stamp)) for row in page.rows}
        if any(value is None for value in there.values()):
            raise TooMany
        changed.extend(id for id, value in there.items() if stored.get(id) != value)
        if page.after != page.last:
            gone.extend(id for id in stored if id not in there)

    def apply(page: Page) -> Flow[None]:
        nonlocal looked
        yield Work(lambda: compare(page))
        looked += len(page.rows)
        yield job.progress(looked, "scanning")

    yield from walk.run(apply)
    if len(changed) > SINGLY:
        raise TooMany
    rows: list[dict[str, Any]] = []
    for id in changed:
        job.traffic.requests += 1
        try:
            rows.append((yield from records.get(resource, id, select=full_select(resource))))
        except NotFound:
            gone.append(id)
    yield Work(lambda: _finish(job, rows, gone))
    job.report.unchanged += looked - len(changed)
    job.report.method = "scan"


def _stamps(job: Job, page: Page) -> dict[str, str | None]:
    table = tables.records(job.layout)
    column = table.c[job.layout.by_wire[str(job.stamp)].name]
    statement = select(table.c.id, column)
    if page.after == page.last:
        statement = statement.where(table.c.id.in_([row["_id"] for row in page.rows]))
    else:
        statement = statement.where(table.c.id > page.after)
        if page.last is not None:
            statement = statement.where(table.c.id <= page.last)
    with job.reading() as connection:
        found = connection.execute(statement)
        return {id: value for id, value in found if not id.startswith(TEMPORARY)}


def _finish(job: Job, rows: list[dict[str, Any]], gone: list[str]) -> None:
    found, stamp = job.state, str(job.stamp)
    with job.writing() as connection:
        job.clear_stage(connection)
        store = job.store(connection)
        job.take(connection, store, rows, store.hashes([row["_id"] for row in rows]), gone)
        job.publish(connection)
        found.as_of = job.traffic.first_date or job.traffic.first_sent
        found.synced_at = job.traffic.first_sent
        tops = [value for row in rows if (value := DATETIME.comparable(row.get(stamp))) is not None]
        found.watermark = max([str(found.watermark), *tops])
        state.save(connection, found)
