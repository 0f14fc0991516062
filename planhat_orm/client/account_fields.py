"""What a client knows of its account's custom fields: from a list that it read whole, or from its mirror."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from typing import Any

import msgspec

from ..errors import PlanhatError
from ..fields.account import KnownFields, by_parent, fields_for
from ..http.effects import Emit, Flow, Request, Response
from ..http.flows import mapped
from ..json_decoding import decode
from ..wire import paths
from ..wire.resources import resource

RESOURCE = "custom_field"
_PATH = paths.collection(resource(RESOURCE))
_AGAIN = 60.0
"""Seconds after which the mirror is looked at again: another process may have synced it."""

Rows = Iterable[Mapping[str, Any]]


class AccountFields:
    """The custom fields of the account by model. Nothing is asked for: what came by is remembered."""

    def __init__(self, mirrored: Callable[[], Rows | None], now: Callable[[], float]) -> None:
        self._mirrored = mirrored
        self._now = now
        self._rows: dict[str, Mapping[str, Any]] = {}
        self._parents: dict[str, dict[str, Any]] = {}
        self._of_resource: dict[str, KnownFields] = {}
        self._from_mirror = True
        self._look_at: float | None = None

    def of(self, name: str) -> KnownFields | None:
        """The custom fields of a resource by label; None while they are not known."""
        if self._from_mirror:
            self._look()
        if not self._rows:
            return None
        if name not in self._of_resource:
            self._of_resource[name] = fields_for(name, self._parents)
        return self._of_resource[name]

    def learn(self, rows: Rows) -> None:
        """Remember the whole list."""
        self._remember({str(row.get("_id")): row for row in rows})
        self._from_mirror = False

    def learnt(self, flow: Flow[None]) -> Flow[None]:
        """Pass the pages of the whole list on, and remember it when they have all come."""
        rows: list[Mapping[str, Any]] = []

        def keep(page: list[dict[str, Any]]) -> Flow[None]:
            rows.extend(page)
            yield Emit(page)

        yield from mapped(flow, keep)
        self.learn(rows)

    def saw(self, request: Request, response: Response) -> None:
        """Take over what a write made of a field, where the list is known."""
        if not self._rows or not request.path.startswith(_PATH) or not 200 <= response.status < 300:
            return
        if request.method == "DELETE":
            gone = request.path.rpartition("/")[2]
            self._remember({id: row for id, row in self._rows.items() if id != gone})
        elif "_id" in (row := _object(response.body)):
            id = str(row["_id"])
            self._remember({**self._rows, id: {**self._rows.get(id, {}), **row}})

    def look_again(self) -> None:
        """Read the mirror's list at the next question: it was synced."""
        self._from_mirror, self._look_at = True, None

    def _remember(self, rows: dict[str, Mapping[str, Any]]) -> None:
        self._rows, self._parents, self._of_resource = rows, by_parent(rows.values()), {}

    def _look(self) -> None:
        now = self._now()
        if self._look_at is not None and now < self._look_at:
            return
        self._look_at = now + _AGAIN
        try:
            rows = self._mirrored()
        except PlanhatError:
            # A mirror that cannot be opened knows nothing; the first query of it says why.
            return
        if rows is not None:
            self._remember({str(row["_id"]): row for row in rows})


def _object(body: bytes) -> dict[str, Any]:
    """The record that an answer holds; an empty dict where it holds none."""
    try:
        found = decode(body)
    except msgspec.DecodeError:
        return {}
    return found if isinstance(found, dict) else {}
