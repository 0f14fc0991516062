"""Rows of one resource: kept by `_id`, found by key, ordered by insertion or by any field.

A stored record is never changed in place: an update puts a new dict there. So whatever was handed out
stays what it was, and the encoded form of a row can be kept with it.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from datetime import datetime
from operator import itemgetter
from typing import Any

Record = dict[str, Any]

_CACHED_ORDERS = 8


class Row:
    """A record, the number of its insertion, and its JSON in the shape last asked for."""

    __slots__ = ("encoded", "number", "record", "shape")

    def __init__(self, record: Record, number: int) -> None:
        self.record = record
        self.number = number
        self.shape: object = None
        self.encoded = b""


class Table:
    """The rows of a resource, with an index for each name in `indexed`.

    With `now` it knows what it held at any moment: `now()` is when a row changes, None for a change that was always so.
    """

    def __init__(self, indexed: Iterable[str], now: Callable[[], datetime | None] | None = None) -> None:
        self._now = now
        self._past: list[tuple[datetime, str, int, Record | None]] = []
        self._rows: dict[str, Row] = {}
        self._indexes: dict[str, dict[str, list[str]]] = {name: {} for name in indexed}
        self._order: list[str] | None = []
        self._cache: dict[object, list[str]] = {}
        self._inserted = 0

    def __len__(self) -> int:
        return len(self._rows)

    def __contains__(self, id: object) -> bool:
        return id in self._rows

    def __iter__(self) -> Iterator[Record]:
        return (row.record for row in self._rows.values())

    def row(self, id: str) -> Row:
        """Return the row of an id that exists."""
        return self._rows[id]

    def get(self, id: object) -> Record | None:
        """Return a record, or None; a reference may be anything that a client sent."""
        row = self._rows.get(id) if isinstance(id, str) else None
        return row.record if row else None

    def add(self, record: Record) -> None:
        """Insert a record whose `_id` is new."""
        id = record["_id"]
        self._remember(id, self._inserted, None)
        self._rows[id] = Row(record, self._inserted)
        self._inserted += 1
        if self._order is not None:
            self._order.append(id)
        if self._cache:
            self._cache.clear()
        for name, index in self._indexes.items():
            value = record.get(name)
            if type(value) is str and value:  # nearly always
                if value in index:
                    index[value].append(id)
                else:
                    index[value] = [id]
            elif value is not None:
                for entry in _entries(value):
                    index.setdefault(entry, []).append(id)

    def replace(self, record: Record) -> None:
        """Put a new record in the place of the one with its `_id`."""
        row = self._rows[record["_id"]]
        self._remember(record["_id"], row.number, row.record)
        old, row.record, row.shape = row.record, record, None
        self._cache.clear()
        for name in self._indexes:
            if old.get(name) != record.get(name):
                self._unindex(name, old)
                for value in _entries(record.get(name)):
                    self._indexes[name].setdefault(value, []).append(record["_id"])

    def remove(self, id: str) -> Record | None:
        """Take a record out and return it."""
        row = self._rows.pop(id, None)
        if row is None:
            return None
        self._remember(id, row.number, row.record)
        self._order = None
        self._cache.clear()
        for name in self._indexes:
            self._unindex(name, row.record)
        return row.record

    def forget(self, id: str) -> None:
        """Drop the encoded form of a row whose neighbours changed."""
        if id in self._rows:
            self._rows[id].shape = None

    def ids(self) -> list[str]:
        """Return all ids by insertion. The list is the table's own: read it only."""
        if self._order is None:
            self._order = list(self._rows)
        return self._order

    def having(self, name: str, value: object) -> list[str]:
        """Return the ids of rows whose indexed field is, or contains, `value`; by insertion."""
        found = self._indexes[name].get(str(value), [])
        return found if len(found) < 2 else sorted(found, key=lambda id: self._rows[id].number)

    def first(self, name: str, value: object) -> Record | None:
        """Return the oldest record whose indexed field is `value`."""
        if name == "_id":
            return self.get(str(value))
        found = self.having(name, value)
        return self._rows[found[0]].record if found else None

    def cached(self, key: object, make: Callable[[], list[str]]) -> list[str]:
        """Return an order of ids, made again only after the table changed."""
        if key not in self._cache:
            if len(self._cache) >= _CACHED_ORDERS:
                self._cache.clear()
            self._cache[key] = make()
        return self._cache[key]

    def by_insertion(self, ids: Iterable[str]) -> list[str]:
        """Return those ids that exist, each once, by insertion."""
        return sorted({id for id in ids if id in self._rows}, key=lambda id: self._rows[id].number)

    def sorted(self, ids: list[str], sort: str) -> list[str]:
        """Order ids by a field, `-` for descending, ties by insertion."""
        descending = sort.startswith("-")
        name = sort.lstrip("-")
        rows = self._rows
        keys = {id: mongo_key(value_at(rows[id].record, name), descending) for id in ids}
        return sorted(ids, key=keys.__getitem__, reverse=descending)

    def at(self, moment: datetime) -> Table:
        """Return the table as it was at a moment: itself where nothing has changed since."""
        rows = {id: (row.number, row.record) for id, row in self._rows.items()}
        changed = [change for change in self._past if change[0] > moment]
        if not changed:
            return self
        undone: dict[str, tuple[int, Record | None]] = {id: (number, was) for _, id, number, was in changed[::-1]}
        then = Table(self._indexes)
        for _, record in sorted({**rows, **undone}.values(), key=itemgetter(0)):
            if record is not None:
                then.add(record)
        return then

    def _remember(self, id: str, number: int, was: Record | None) -> None:
        if self._now is not None and (now := self._now()) is not None:
            self._past.append((now, id, number, was))

    def _unindex(self, name: str, record: Record) -> None:
        index = self._indexes[name]
        for value in _entries(record.get(name)):
            ids = index[value]
            ids.remove(record["_id"])
            if not ids:
                del index[value]


def value_at(record: Record, name: str) -> Any:
    """Return a field, or one level into an object for a dotted name."""
    if name in record or "." not in name:
        return record.get(name)
    outer, inner = name.split(".", 1)
    held = record.get(outer)
    return held.get(inner) if isinstance(held, dict) else None


def mongo_key(value: Any, descending: bool = False) -> tuple[int, Any]:
    """Return a key that sorts as Mongo does: missing and null, numbers, text, objects, booleans.

    An array stands for its least element, or its greatest when descending; an empty one precedes null.
    """
    if value is None:
        return (1, 0)
    if isinstance(value, bool):
        return (5, value)
    if isinstance(value, (int, float)):
        return (2, value)
    if isinstance(value, str):
        return (3, value)
    if isinstance(value, (list, tuple)):
        if not value:
            return (0, 0)
        keys = [mongo_key(item, descending) for item in value]
        return max(keys) if descending else min(keys)
    return (4, repr(value))


def _entries(value: Any) -> Iterable[str]:
    if value is None or value == "":
        return ()
    if isinstance(value, (list, tuple)):
        return dict.fromkeys(map(str, value))
    return (value if type(value) is str else str(value),)
