"""Rows: a wire record as the values of a table's columns, and back, without losing anything.

What a column cannot give back exactly is kept raw in `extra`, by wire name: unknown keys, explicit nulls, odd
spellings, values of another type. A key that is in neither was absent. `unpack(pack(raw)) == raw` for any JSON.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Sequence
from hashlib import blake2b
from typing import Any

import msgspec

from ..query.kinds import DATETIME
from .layout import Column, Layout

encode = msgspec.json.Encoder(order="sorted").encode
decode = msgspec.json.Decoder().decode

_EXACT = 2**53
_MOMENT = re.compile(
    r"(?!0000)[0-9]{4}-(?:0[1-9]|1[0-2])-(?:0[1-9]|1[0-9]|2[0-8])T(?:[01][0-9]|2[0-3]):[0-5][0-9]:[0-5][0-9]\.[0-9]{3}Z"
).fullmatch
"""Moments that are their own comparable; the last days of months take the slow way."""
_NOT_FOR_POSTGRES = re.compile(rb"\\u0000|[0-9][eE]\+?[0-9]").search
"""PostgreSQL stores no NUL character, and its JSONB writes 1e22 as a whole number."""

Store = Callable[[Any], tuple[Any, bool]]
"""The value for the column, and whether the column alone gives the raw value back."""


def digest(encoded: bytes) -> bytes:
    """What tells whether a record is the one that is stored."""
    return blake2b(encoded, digest_size=16).digest()


def _text(column: Column) -> Store:
    comparable = column.kind.comparable

    def store(raw: Any) -> tuple[Any, bool]:
        return (raw, True) if type(raw) is str else (comparable(raw), False)

    return store


def _moment(column: Column) -> Store:
    comparable = column.kind.comparable

    def store(raw: Any) -> tuple[Any, bool]:
        if type(raw) is str and _MOMENT(raw):
            return raw, True
        value = comparable(raw)
        return value, type(raw) is str and value == raw

    return store


def _number(column: Column) -> Store:
    comparable = column.kind.comparable

    def store(raw: Any) -> tuple[Any, bool]:
        if type(raw) is int and -_EXACT <= raw <= _EXACT:
            return raw, True
        value = comparable(raw)
        return value, value is not None and type(raw) in (int, float) and value == raw

    return store


def _day(column: Column) -> Store:
    comparable = column.kind.comparable

    def store(raw: Any) -> tuple[Any, bool]:
        value = comparable(raw)
        return value, value is not None and type(raw) in (int, float) and value == raw

    return store


def _boolean(column: Column) -> Store:
    return lambda raw: (raw, True) if type(raw) is bool else (None, False)


def _json(column: Column) -> Store:
    return lambda raw: (encode(raw).decode(), True)


_STORES: dict[str, Callable[[Column], Store]] = {
    "text": _text,
    "number": _number,
    "integer": _day,
    "boolean": _boolean,
    "json": _json,
}


class Rows:
    """The conversion for one table. `names` are its columns in the order of a packed row."""

    def __init__(self, layout: Layout, *, postgres: bool = False) -> None:
        self.layout = layout
        self.names = (*(column.name for column in layout.columns), "_extra", "_hash")
        self._blank: list[Any] = [None] * len(self.names)
        self._postgres = postgres
        self._slots = {
            column.wire: (
                place,
                column.storage,
                _moment(column) if column.kind is DATETIME else _STORES[column.storage](column),
            )
            for place, column in enumerate(layout.columns)
        }

    def pack(self, raw: dict[str, Any], encoded: bytes | None = None) -> list[Any]:
        """The values of a record's row, its hash last."""
        encoded = encode(raw) if encoded is None else encoded
        if self._postgres and _NOT_FOR_POSTGRES(encoded):
            return self._pack_carefully(raw, encoded)
        values = self._blank.copy()
        extra: dict[str, Any] = {}
        slots = self._slots
        for key, value in raw.items():
            if value is None or key not in slots:
                extra[key] = value
                continue
            place, _, store = slots[key]
            values[place], exact = store(value)
            if not exact:
                extra[key] = value
        if extra:
            values[-2] = encode(extra).decode()
        values[-1] = digest(encoded)
        return values

    def _pack_carefully(self, raw: dict[str, Any], encoded: bytes) -> list[Any]:
        values = self._blank.copy()
        extra: dict[str, Any] = {}
        for key, value in raw.items():
            if value is None or key not in self._slots:
                extra[key] = value
                continue
            place, storage, store = self._slots[key]
            stored, exact = store(value)
            if isinstance(stored, str) and ("\\u0000" in stored if storage == "json" else "\0" in stored):
                stored, exact = None, False
            values[place] = stored
            if not exact or storage == "json":
                extra[key] = value
        values[-2] = encode(extra).decode()
        values[-1] = digest(encoded)
        return values

    def unpack(
        self, columns: Sequence[Column], rows: Iterable[Sequence[Any]], select: frozenset[str] | None = None
    ) -> list[dict[str, Any]]:
        """The wire records of rows that hold `columns` and then `_extra`, cut down to the keys of `select`."""
        plan = [(column.wire, column.storage) for column in columns]
        return [_unpack(plan, row, select) for row in rows]


def _unpack(plan: Sequence[tuple[str, str]], row: Sequence[Any], select: frozenset[str] | None) -> dict[str, Any]:
    raw: dict[str, Any] = {}
    for (wire, storage), value in zip(plan, row, strict=False):
        if value is None:
            continue
        if storage == "text":
            raw[wire] = value
        elif storage == "json":
            raw[wire] = decode(value)
        elif storage == "boolean":
            raw[wire] = bool(value)
        else:
            # PostgreSQL gives every number as a float.
            raw[wire] = int(value) if type(value) is float and abs(value) < _EXACT and value.is_integer() else value
    extra = row[len(plan)]
    if extra is not None:
        more = decode(extra)
        raw.update(more if select is None else {key: one for key, one in more.items() if key in select})
    return raw
