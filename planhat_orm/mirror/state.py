"""What the mirror knows of each resource: how far it got, how current it is, what its list can do."""

from __future__ import annotations

from dataclasses import dataclass, field, fields
from datetime import UTC, datetime
from typing import Any

import msgspec
from sqlalchemy import Connection, delete, func, insert, select

from ..query.kinds import iso
from . import tables
from .layout import Layout


@dataclass(slots=True)
class State:
    """One resource's row in `mirror_model`.

    `as_of`: every change that the server committed before it, and stamped, is here. `full_as_of`: the same,
    whether stamped or not. Both are moments of the server's clock; `synced_at` is when that was, on ours.
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
    values = {one.name: getattr(state, one.name) for one in fields(state)}
    for name in _JSON:
        values[name] = None if values[name] is None else msgspec.json.encode(values[name]).decode()
    connection.execute(delete(tables.models).where(tables.models.c.resource == state.resource))
    connection.execute(insert(tables.models), [values])


def live_rows(connection: Connection, layout: Layout) -> int:
    """How many records of a resource there are."""
    return connection.execute(select(func.count()).select_from(tables.records(layout))).scalar_one()
