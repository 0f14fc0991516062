"""What the mirror knows of each resource: how far it got, how current it is, what its list can do."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, fields
from datetime import UTC, datetime, timedelta
from typing import Any

import msgspec
from sqlalchemy import Connection, delete, func, insert, select

from ...query.kinds import iso
from ...wire.resources import Resource
from . import tables
from .layout import Layout

LATE = timedelta(minutes=10)
"""How long a change may take to show in a list after it got its stamp."""


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
    known: dict[str, Any] = field(default_factory=dict)
    cursor: dict[str, Any] | None = None

    def stamp(self, resource: Resource) -> str | None:
        """The wire name of the time of last change: as found in the records, or as documented."""
        found: str | None = self.known.get("stamp", resource.stamp)
        return found

    @property
    def floor(self) -> str | None:
        """Every change with a stamp below it is here: the watermark, less what becomes visible late."""
        return None if self.watermark is None else iso(moment(self.watermark) - LATE)

    def learn_delta(self, changes: int) -> None:
        """Remember how many records a sync finds changed, the last ones most."""
        self.known["delta"] = (self.known.get("delta", changes) + changes) // 2

    def learn_silent(self, fields: Mapping[str, int]) -> None:
        """Remember which fields change without a new stamp; one that stops doing so is forgotten in time."""
        volatile = self.known.get("volatile", {})
        now = {name: volatile.get(name, 0) // 2 + fields.get(name, 0) for name in {*volatile, *fields}}
        self.known["volatile"] = {name: count for name, count in sorted(now.items()) if count}


def now() -> str:
    """This machine's time, as Planhat writes it."""
    return iso(datetime.now(UTC))


def moment(text: str) -> datetime:
    """The moment that `now()` and the server's stamps write."""
    return datetime.fromisoformat(text)


_JSON = ("known", "cursor")


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
        values = {**row, **{name: msgspec.json.decode(row[name] or "null") for name in _JSON}}
        values["known"] = values["known"] or {}
        states[row["resource"]] = State(**values)
    return states


def save(connection: Connection, state: State) -> None:
    """Keep a state."""
    values = {field.name: getattr(state, field.name) for field in fields(state)}
    for name in _JSON:
        values[name] = None if values[name] is None else msgspec.json.encode(values[name]).decode()
    connection.execute(delete(tables.models).where(tables.models.c.resource == state.resource))
    connection.execute(insert(tables.models), [values])


def live_rows(connection: Connection, layout: Layout) -> int:
    """How many records of a resource there are."""
    return connection.execute(select(func.count()).select_from(tables.records(layout))).scalar_one()
