"""Records of one account in memory: current and past versions, found by key, read in any order."""

from __future__ import annotations

import pickle
import zlib
from collections import defaultdict, deque
from collections.abc import Callable, Iterable
from typing import Any, TypeVar

T = TypeVar("T")
Record = dict[str, Any]
KEYS = ("_id", "externalId", "sourceId", "extId", "email", "companyId", "cId")


def copied(data: T) -> T:
    """A deep copy, much faster than `copy.deepcopy`."""
    copy: T = pickle.loads(pickle.dumps(data, pickle.HIGHEST_PROTOCOL))
    return copy


class Row:
    """A record over time. A version is (when it was stored, what it was; None once deleted); it is never changed."""

    __slots__ = ("number", "versions")

    def __init__(self, number: int, at: float, record: Record) -> None:
        self.number = number
        self.versions: list[tuple[float, Record | None]] = [(at, record)]

    @property
    def record(self) -> Record | None:
        return self.versions[-1][1]

    def as_of(self, at: float) -> Record | None:
        return next((record for since, record in reversed(self.versions) if since <= at), None)


class Collection:
    """The records of one resource. `keeps()` is how many seconds the past is kept for lists that lag."""

    def __init__(self, now: Callable[[], float], keeps: Callable[[], float]) -> None:
        self._now, self._keeps = now, keeps
        self._rows: dict[int, Row] = {}
        self._deleted: deque[Row] = deque()
        self._index: dict[tuple[str, str], dict[int, Row]] = defaultdict(dict)
        self._sorted: dict[tuple[str, bool], list[Record]] = {}
        self._count = 0

    def insert(self, record: Record) -> Row:
        """Add a record as it is, also where its `_id` is missing, empty or taken."""
        self._count += 1
        row = self._rows[self._count] = Row(self._count, self._now(), record)
        self._note(row, record)
        return row

    def replace(self, row: Row, record: Record | None) -> None:
        """Store the next version of a record; None deletes it."""
        self._forget(row, row.record)
        row.versions.append((self._now(), record))
        self._prune(row)
        self._note(row, record)
        if record is None:
            self._deleted.append(row)
        self._sweep()

    def find(self, key: str, value: object) -> list[Row]:
        """The rows that have this value of a key; ids are compared as text."""
        return list(self._index.get((key, str(value)), {}).values())

    def get(self, record_id: object) -> Row | None:
        return next(iter(self.find("_id", record_id)), None)

    def records(self, at: float | None = None) -> list[Record]:
        """All records in the order of their insertion, now or as they were at a moment."""
        if at is None:
            return [row.record for row in self._rows.values() if row.record is not None]
        return [record for row in self._rows.values() if (record := row.as_of(at)) is not None]

    def ordered(self, key: str, descending: bool) -> list[Record]:
        """All records as they are now, sorted; kept until something changes."""
        if (key, descending) not in self._sorted:
            self._sorted[key, descending] = in_order(self.records(), key, descending)
        return self._sorted[key, descending]

    def _note(self, row: Row, record: Record | None) -> None:
        self._sorted.clear()
        for key in KEYS:
            if record is not None and record.get(key) not in (None, ""):
                self._index[key, str(record[key])][row.number] = row

    def _forget(self, row: Row, record: Record | None) -> None:
        for key in KEYS:
            if record is not None:
                self._index.get((key, str(record.get(key))), {}).pop(row.number, None)

    def _prune(self, row: Row) -> None:
        horizon = self._now() - self._keeps()
        while len(row.versions) > 1 and row.versions[1][0] <= horizon:
            del row.versions[0]

    def _sweep(self) -> None:
        horizon = self._now() - self._keeps()
        while self._deleted and self._deleted[0].versions[-1][0] <= horizon:
            self._rows.pop(self._deleted.popleft().number, None)


def in_order(records: Iterable[Record], key: str, descending: bool) -> list[Record]:
    """Sort as MongoDB does: absent and null first, then numbers, texts, objects, arrays, booleans."""
    return sorted(records, key=lambda record: _rank(record.get(key)), reverse=descending)


def _rank(value: Any) -> tuple[int, Any]:
    if value is None:
        return 0, 0
    if isinstance(value, bool):
        return 5, value
    if isinstance(value, int | float):
        return 1, value
    return (2, value) if isinstance(value, str) else (4 if isinstance(value, list) else 3, repr(value))


def fixed_order(records: Iterable[Record], salt: int) -> list[Record]:
    """An order of the server's own: always the same, and none of `_id`."""
    return sorted(records, key=lambda record: zlib.crc32(f"{salt}{record.get('_id')}".encode()))
