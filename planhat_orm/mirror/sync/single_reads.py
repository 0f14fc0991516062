"""Records that are read one by one: the mirror learns what they are by now, and loses those that are gone."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from functools import partial
from typing import TYPE_CHECKING

from ...errors import NotFound, PermissionDenied, ValidationError
from ...http.effects import Flow, RunBlocking
from ...wire import records
from ...wire.list_page import full_select
from ...wire.resources import Resource
from ..db import clock, guards, state
from ..db.changes import Raw
from ..db.clock import Instant
from ..db.layout import layout_for, layouts
from ..outbox.outbox import Outbox

if TYPE_CHECKING:
    from ..db.database import Database

_TRIES = 3
"""How often a record is asked for that is written all the time."""


def asked_at(database: Database, resource: Resource) -> Instant | None:
    """The instant at which a record is asked for; None where there is nothing to learn from it.

    That is where the mirror does not hold the resource whole, cannot be written, or holds it in another shape.
    """
    if resource.read_as or resource.name not in layouts() or not database.is_writable:
        return None
    with database.reading() as connection:
        is_held = state.load(connection, layout_for(resource.name).table).complete
        return clock.present(connection) if is_held else None


def learn(
    database: Database, resource: Resource, rows: Mapping[str, Raw | None], asked: Instant, *, history: bool
) -> list[str]:
    """Take over records as they were read by id, None for one that Planhat does not find; one transaction.

    Returns those passed over, as a write of them was acknowledged after they were asked for. One that was made here so
    lately that Planhat may not find it yet stays.
    """
    table, shown = layout_for(resource.name).table, full_select(resource)
    with database.writing() as connection:
        known = guards.load(connection, table, list(rows))
        late = [id for id in rows if id in known and known[id].is_after(asked)]
        fresh = guards.made_lately(connection, table, [id for id, row in rows.items() if row is None])
        taken = {
            id: row if row is None or shown is None else {wire: row[wire] for wire in row if wire in shown}
            for id, row in rows.items()
            if id not in late and id not in fresh
        }
        if taken:
            Outbox(database, history=history).wrote(connection, table, taken, {}, whole=True)
    return late


def pull(
    opened: Callable[[], Database], resource: Resource, ids: Iterable[str], *, history: bool
) -> Flow[dict[str, Raw | None]]:
    """Read records by id and take them over, None for one that is gone; return what was read. One GET each."""
    if "get_by_id" not in resource.operations:
        raise ValidationError(f"/{resource.path} has no reading by id: planhat.sync() brings its records up to date.")
    database: Database = yield RunBlocking(opened)
    found = dict[str, Raw | None]()
    for id in dict.fromkeys(ids):
        for _ in range(_TRIES):
            asked: Instant | None = yield RunBlocking(lambda: asked_at(database, resource))
            try:
                found[id] = yield from records.find(resource, id)
            except PermissionDenied:
                break  # not to be seen is not to be deleted
            if asked is None:
                break
            rows = {id: found[id]}
            late: list[str] = yield RunBlocking(partial(learn, database, resource, rows, asked, history=history))
            if not late:
                break
    return found


def noting(
    opened: Callable[[], Database], resource: Resource, id: str, read: Flow[Raw | None], *, history: bool
) -> Flow[Raw | None]:
    """Run a flow that reads one record by its id, and let the mirror learn of it."""
    database: Database = yield RunBlocking(opened)
    asked: Instant | None = yield RunBlocking(lambda: asked_at(database, resource))
    if asked is None:
        return (yield from read)
    try:
        row = yield from read
    except NotFound:
        yield RunBlocking(lambda: learn(database, resource, {id: None}, asked, history=history))
        raise
    yield RunBlocking(lambda: learn(database, resource, {id: row}, asked, history=history))
    return row
