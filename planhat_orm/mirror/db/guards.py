"""What the server told of single records, held against lists that were read before, or that lag behind.

A page of a list is computed when it is asked for, and may be applied much later; and for some seconds a list may not
show what is stored. So each acknowledged write, and each record that was read by its id, leaves a guard: the clock's
instant after the answer. A page from before cannot take it back; one from shortly after is believed only where it says
the same, or shows a later time of change.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

from sqlalchemy import Connection, delete, insert, select

from . import clock, tables
from .changes import chunks
from .clock import Instant

LAG = 10_000_000
"""How long a list may not show what is stored, in microseconds."""


@dataclass(frozen=True, slots=True)
class Guard:
    """What is known of one record since `ack`. `whole`: the mirror's row of it was the whole record then."""

    ack: int
    at: int
    whole: bool

    def is_after(self, page: Instant) -> bool:
        """Whether a page was asked for before the guard, so that it may show what was before."""
        return page.n < self.ack

    def may_lag(self, page: Instant) -> bool:
        """Whether a list that was asked at an instant may not show yet what the guard knows."""
        return page.at <= self.at + LAG


def put(connection: Connection, resource: str, told: Mapping[str, bool]) -> None:
    """Guard records of which the server just told something; the value says whether that was the whole record."""
    if not told:
        return
    instant, guards = clock.tick(connection), tables.guards
    for part in chunks(list(told)):
        connection.execute(delete(guards).where(guards.c.resource == resource, guards.c.record.in_(part)))
    connection.execute(
        insert(guards),
        [
            {"resource": resource, "record": id, "ack": instant.n, "at": instant.at, "whole": whole}
            for id, whole in told.items()
        ],
    )


def load(connection: Connection, resource: str, ids: Sequence[str] | None = None) -> dict[str, Guard]:
    """The guards of a table's records, or of some of them."""
    guards, found = tables.guards.c, dict[str, Guard]()
    statement = select(guards.record, guards.ack, guards.at, guards.whole).where(guards.resource == resource)
    for part in [None] if ids is None else chunks(ids):
        rows = connection.execute(statement if part is None else statement.where(guards.record.in_(part)))
        found.update((id, Guard(ack, at, whole)) for id, ack, at, whole in rows)
    return found


def drop(connection: Connection, resource: str, pages: Instant) -> None:
    """Forget the guards that no page needs that is asked for from an instant on."""
    guards = tables.guards.c
    needless = (guards.resource == resource) & (guards.ack <= pages.n) & (guards.at + LAG < pages.at)
    connection.execute(delete(tables.guards).where(needless))


def remember_made(connection: Connection, resource: str, ids: Iterable[str]) -> None:
    """Note that records were made through this mirror."""
    made, at = tables.made, clock.tick(connection).at
    wanted = list(dict.fromkeys(ids))
    known: set[str] = set()
    for part in chunks(wanted):
        known.update(
            connection.execute(select(made.c.id).where(made.c.resource == resource, made.c.id.in_(part))).scalars()
        )
    values = [{"resource": resource, "id": id, "at": at} for id in wanted if id not in known]
    if values:
        connection.execute(insert(made), values)


def made_lately(connection: Connection, resource: str, ids: Sequence[str]) -> set[str]:
    """Those of some records that were made through this mirror so lately that the server may not find them yet."""
    made, since = tables.made.c, clock.wall() - LAG
    found: set[str] = set()
    for part in chunks(ids):
        statement = select(made.id).where(made.resource == resource, made.id.in_(part), made.at > since)
        found.update(connection.execute(statement).scalars())
    return found
