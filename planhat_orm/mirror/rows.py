"""Rows: a wire record as the values of a table's columns, and back, without losing anything.

What a column cannot give back exactly is kept raw in `extra`, by wire name: unknown keys, explicit nulls, odd
spellings, values of another type. A key that is in neither was absent. `unpack(pack(raw)) == raw` for any JSON.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from decimal import Decimal
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

_TEXT, _NUMBER, _MOMENT_CODE, _DAY, _BOOLEAN, _JSON = range(6)
_CODES = {"text": _TEXT, "number": _NUMBER, "integer": _DAY, "boolean": _BOOLEAN, "json": _JSON}
_SPELT = ((str,), (int, float), (str,), (int, float), (), ())
"""By code: the types whose values a column gives back as they were, if they equal their comparable."""


def digest(encoded: bytes) -> bytes:
    """What tells whether a record is the one that is stored."""
    return blake2b(encoded, digest_size=16).digest()


def _spelt_out(value: Any) -> Any:
    """A JSON value with large floats written in full: JSONB would turn 1e20 into a whole number, but keeps a `.0`."""
    if isinstance(value, dict):
        return {key: _spelt_out(one) for key, one in value.items()}
    if isinstance(value, list):
        return [_spelt_out(one) for one in value]
    if isinstance(value, float) and abs(value) >= 1e15:
        return msgspec.Raw(f"{Decimal(value):f}.0".encode())
    return value


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
                _MOMENT_CODE if column.kind is DATETIME else _CODES[column.storage],
                column.kind.comparable,
            )
            for place, column in enumerate(layout.columns)
        }

    def pack(self, raw: dict[str, Any], encoded: bytes | None = None) -> list[Any]:
        """The values of a record's row, its hash last."""
        encoded = encode(raw) if encoded is None else encoded
        values = self._blank.copy()
        extra: dict[str, Any] = {}
        slots = self._slots
        for key, value in raw.items():
            slot = slots.get(key)
            if slot is None or value is None:
                extra[key] = value
                continue
            # One loop without calls: this runs for every field of every record.
            place, code, comparable = slot
            kind = type(value)
            if code == _TEXT:
                if kind is str:
                    values[place] = value
                    continue
            elif code == _NUMBER:
                if kind is float or (kind is int and -_EXACT <= value <= _EXACT):
                    values[place] = value
                    continue
            elif code == _MOMENT_CODE:
                if kind is str and _MOMENT(value):
                    values[place] = value
                    continue
            elif code == _JSON:
                values[place] = encode(value).decode()
                continue
            elif code == _BOOLEAN and kind is bool:
                values[place] = value
                continue
            stored = values[place] = comparable(value)
            if kind not in _SPELT[code] or stored != value:
                extra[key] = value
        if self._postgres and _NOT_FOR_POSTGRES(encoded):
            self._spare_postgres(raw, values, extra)
        if extra:
            values[-2] = encode(extra).decode()
        values[-1] = digest(encoded)
        return values

    def _spare_postgres(self, raw: dict[str, Any], values: list[Any], extra: dict[str, Any]) -> None:
        """Keep in `extra` what PostgreSQL refuses, or would spell in another way."""
        for key, (place, code, _) in self._slots.items():
            stored = values[place]
            if isinstance(stored, str) and ("\\u0000" in stored if code == _JSON else "\0" in stored):
                values[place] = None
                extra[key] = raw[key]
            elif code == _JSON and stored is not None:
                values[place] = encode(_spelt_out(raw[key])).decode()

    def unpack(
        self, columns: Sequence[Column], rows: Iterable[Sequence[Any]], select: frozenset[str] | None = None
    ) -> list[dict[str, Any]]:
        """The wire records of rows that hold `columns` and then `_extra`, cut down to the keys of `select`."""
        wires = [column.wire for column in columns]
        cells = [column.wire for column in columns if column.storage == "json"]
        flags = [column.wire for column in columns if column.storage == "boolean"]
        numbers = [column.wire for column in columns if column.storage == "number"] if self._postgres else []
        found = []
        for row in rows:
            raw = {wire: value for wire, value in zip(wires, row, strict=False) if value is not None}
            for wire in cells:
                if wire in raw:
                    raw[wire] = decode(raw[wire])
            for wire in flags:
                if wire in raw:
                    raw[wire] = bool(raw[wire])
            for wire in numbers:
                # PostgreSQL gives every number as a float.
                value = raw.get(wire)
                if value is not None and abs(value) < _EXACT and value.is_integer():
                    raw[wire] = int(value)
            extra = row[-1]
            if extra is not None:
                more = decode(extra)
                raw.update(more if select is None else {key: one for key, one in more.items() if key in select})
            found.append(raw)
        return found
