"""Metric values, mirrored by day: dimension data is the one list with real date filters.

A window of days is read whole and replaces what was stored of those days. Values of past days seldom change, so a
sync reads again only the last days before the newest one it has.
"""

from __future__ import annotations

from datetime import UTC, date, timedelta
from functools import partial
from typing import TYPE_CHECKING, Any

from sqlalchemy import Connection, select

from ...errors import BadAnswer
from ...http.effects import Flow, Request, RunBlocking
from ...wire.list_page import rows_of
from ...wire.paths import collection
from ...wire.unordered import READINGS
from ..db import state, tables
from ..db.changes import write_reset
from ..db.state import ListTraits

if TYPE_CHECKING:
    from .job import Finish, ModelSync

AGAIN_DAYS = 3
WINDOW_DAYS = 30
_EPOCH = date(1970, 1, 1)

Raw = dict[str, Any]


def metrics(job: ModelSync, days: int) -> Flow[Finish]:
    """Bring the metric values of all days up to today, as the server counts days, up to date.

    The first sync reads so many `days` back; a later one that asks for more reads those before, too.
    """
    job.traffic.mark()
    traits = job.state.traits
    rows = yield from _page(job, 0, 0, 0)  # nothing is that old: this asks for the server's clock
    if rows:
        raise BadAnswer("GET /dimensiondata ignores from and to, so its days cannot be told apart.")
    started = job.traffic.first_date or state.now()
    today = (state.moment(started).astimezone(UTC).date() - _EPOCH).days
    wanted = spans(traits, today, days, full=job.forced)
    if traits.from_day is None:
        traits.from_day = today - days
    first = min(today - days, traits.from_day)
    asked = sum(end - start + 1 for start, end in wanted)
    job.report.why = f"{asked} days since {_EPOCH + timedelta(days=wanted[0][0])}"
    read = 0
    for start, end in wanted:
        for day in range(start, end + 1, WINDOW_DAYS):
            last = min(end, day + WINDOW_DAYS - 1)
            found = yield from _window(job, day, last)
            read += len(found)
            yield RunBlocking(partial(_replace, job, day, last, found))
            yield job.progress(read, "reading days")
    traits.from_day = first
    job.report.method = "by day"
    return lambda connection: _finish(job, connection)


def spans(traits: ListTraits, today: int, days: int, *, full: bool) -> list[tuple[int, int]]:
    """The days that a sync reads: those before what is held, and from the last ones on."""
    first = today - days
    held, newest = first if traits.from_day is None else traits.from_day, traits.to_day
    if newest is None or full:
        return [(min(first, held), today)]
    again = (max(held, newest - AGAIN_DAYS), today)
    return [(first, held - 1), again] if first < held else [again]


def windows(traits: ListTraits, today: int, days: int, *, full: bool) -> int:
    """How many windows of days a sync reads."""
    return sum(-(-(end - start + 1) // WINDOW_DAYS) for start, end in spans(traits, today, days, full=full))


def _window(job: ModelSync, first: int, last: int) -> Flow[list[Raw]]:
    """All values of some days.

    Its order cannot be asked for. Each page begins with the last value of the one before; where it does not,
    something moved, and the days are read again. The end is a page that shows nothing else.
    """
    for _ in range(READINGS):
        found: dict[str, Raw] = {}
        offset, before = 0, None
        while True:
            rows = yield from _page(job, first, last, offset)
            if before is not None and (not rows or _key(rows[0]) != before):
                break
            found.update((_key(row), row) for row in rows)
            if len(rows) <= (before is not None):
                return list(found.values())
            before = _key(rows[-1]) if len(rows) > 1 else None
            offset += len(rows) - (before is not None)
    raise BadAnswer(
        f"GET /dimensiondata ignores the offset, or gave another order in each of {READINGS} readings of the same days."
    )


def _page(job: ModelSync, first: int, last: int, offset: int) -> Flow[list[Raw]]:
    resource = job.layout.resource
    params = {"from": first, "to": last, "limit": resource.max_limit, "offset": offset}
    request = Request(
        "GET", collection(resource), params=tuple((key, str(value)) for key, value in params.items()), shape=list
    )
    return rows_of((yield from job.traffic.ask(request)), resource)


def _key(row: Raw) -> str:
    """A value's id, or what makes it one where the server gives none."""
    return str(row.get("_id") or f"{row.get('dimensionId')}|{row.get('parentId')}|{row.get('time')}")


def _replace(job: ModelSync, first: int, last: int, found: list[Raw]) -> None:
    table = tables.records(job.layout)
    begin, end = (f"{_EPOCH + timedelta(days=day)}T00:00:00.000Z" for day in (first, last + 1))
    rows = [{**row, "_id": _key(row)} for row in found]
    with job.writing() as connection:
        store = job.store(connection)
        stored = connection.execute(select(table.c.id).where(table.c.time >= begin, table.c.time < end)).scalars().all()
        there = {row["_id"] for row in rows}
        job.count(store.put(rows, [id for id in stored if id not in there]))
        job.state.traits.to_day = max(last, job.state.traits.to_day or last)
        state.save(connection, job.state)


def _finish(job: ModelSync, connection: Connection) -> None:
    found = job.state
    found.complete = True
    found.as_of = found.full_as_of = job.traffic.first_date
    found.synced_at = job.traffic.first_sent
    found.first_as_of = found.first_as_of or found.synced_at
    # Days replace each other without being noted.
    write_reset(connection, job.layout.table, job.run)
