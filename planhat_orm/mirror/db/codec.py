"""RowCodec: a record's JSON as the values of a table's columns, and back, without losing anything.

What a column cannot give back exactly is kept raw in `extra`, by wire name: unknown keys, explicit nulls, odd
spellings, values of another type. A key that is in neither was absent. Unpacked, any JSON is what was packed.

Nearly all records hold what is expected: those are read straight into a row, by a decoder that knows each column's
type. It refuses one that holds anything else, which is then read key by key.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Sequence
from decimal import Decimal
from functools import cache
from hashlib import blake2b
from typing import Annotated, Any

import msgspec
from msgspec import UNSET, Meta, UnsetType

from ...errors import BadAnswer
from ...json_encoding import rewrite
from ...query.kinds import DATETIME, REFS, Kind
from .json_text import unreadable
from .layout import Column, Layout

decode = msgspec.json.Decoder().decode
_encode = msgspec.json.Encoder().encode
_sorted = msgspec.json.Encoder(order="sorted").encode

_EXACT = 2**53
_DIGEST = 16
_MOMENT = (
    r"^(?!0000)[0-9]{4}-"
    r"(?:(?:0[1-9]|1[0-2])-(?:0[1-9]|1[0-9]|2[0-8])|(?:0[13-9]|1[0-2])-(?:29|30)|(?:0[13578]|1[02])-31)"
    r"T(?:[01][0-9]|2[0-3]):[0-5][0-9]:[0-5][0-9]\.[0-9]{3}Z\Z"
)
"""Moments that are their own comparable, all but those of a leap day."""
_DAYS = 100_000
_FITS: dict[str, Any] = {
    "text": str,
    "number": Annotated[int, Meta(ge=-_EXACT, le=_EXACT)] | float,
    "integer": Annotated[int, Meta(ge=-_DAYS, le=_DAYS)],
    "boolean": bool,
    "json": Any,
}
"""By storage: what a column gives back as it was, and what equals its comparable."""
_FITS_KIND: dict[Kind, Any] = {DATETIME: Annotated[str, Meta(pattern=_MOMENT)], REFS: list[str]}
"""The same, for kinds that take less than their column does."""
_is_moment = re.compile(_MOMENT).search
_PLAIN, _JSON, _UNDOCUMENTED = range(3)
_MOST_LEARNT = 64
_SPELT = {"text": (str,), "number": (int, float), "integer": (int, float), "boolean": (bool,)}
_NUL = b"\\u0000"
_LARGE = re.compile(r"[0-9]e\+?[0-9]").search


def digest(json: bytes) -> bytes:
    """What tells whether a record is the one that is stored."""
    return blake2b(json, digest_size=_DIGEST).digest()


def of_json(hash: bytes) -> bytes:
    """The part of a row's hash that is of its record's JSON; the rest is the seal of what the columns hold of it."""
    return bytes(hash[:_DIGEST])


def _spelt_out(value: Any) -> Any:
    """A JSON value with large floats written in full: JSONB would turn 1e20 into a whole number, but keeps a `.0`."""
    if isinstance(value, dict):
        return {key: _spelt_out(element) for key, element in value.items()}
    if isinstance(value, list):
        return [_spelt_out(element) for element in value]
    if isinstance(value, float) and abs(value) >= 1e15:
        return msgspec.Raw(f"{Decimal(value):f}.0".encode())
    return value


class _Reader:
    """Reads the records of a table that hold what is documented, and nothing undocumented but what was `learnt`.

    `now` is how it reads at present: the function, the wire names of the values that it returns, and for each
    whether it is plain, or JSON, or undocumented. Records of a tenant have the same undocumented keys.
    """

    def __init__(self, layout: Layout) -> None:
        self._layout = layout
        self._learnt: tuple[str, ...] = ()
        self.now = self._made()

    def learn(self, keys: Iterable[str]) -> None:
        """Read the records that hold these undocumented keys, too, from now on, if they look like names."""
        learnt = tuple(dict.fromkeys((*self._learnt, *filter(str.isidentifier, keys))))
        if len(self._learnt) < len(learnt) <= _MOST_LEARNT:
            self._learnt = learnt
            self.now = self._made()

    def _made(self) -> tuple[Callable[[bytes], Any], list[str], list[int]]:
        columns = self._layout.columns
        fits = [_FITS_KIND[column.kind] if column.kind in _FITS_KIND else _FITS[column.storage] for column in columns]
        wires = [*(column.wire for column in columns), *self._learnt]
        codes = [_JSON if column.storage == "json" else _PLAIN for column in columns]
        fields = [
            (f"field{place}", fit | None | UnsetType, msgspec.field(name=wire, default=UNSET))
            for place, (wire, fit) in enumerate(zip(wires, [*fits, *[Any] * len(self._learnt)], strict=True))
        ]
        known = msgspec.defstruct("CustomColumn", fields, forbid_unknown_fields=True, gc=False)
        return msgspec.json.Decoder(known).decode, wires, codes + [_UNDOCUMENTED] * len(self._learnt)


@cache
def _reader(layout: Layout) -> _Reader:
    return _Reader(layout)


class RowCodec:
    """The conversion for one table. `names` are its columns in the order of a packed row."""

    def __init__(self, layout: Layout, *, postgres: bool = False) -> None:
        self.layout = layout
        self.names = (*(column.name for column in layout.columns), "_extra", "_hash")
        self._postgres = postgres
        self._reader = _reader(layout)
        self._places = {column.wire: place for place, column in enumerate(layout.columns)}
        self._numbers = [place for place, column in enumerate(layout.columns) if column.storage == "number"]
        self._cells = [place for place, column in enumerate(layout.columns) if column.storage == "json"]

    def encode_row(self, json: bytes) -> list[Any]:
        """The values of the row of a record, its hash last."""
        if self._postgres and _NUL in bytes(json):
            return self.pack_odd(json)
        read, wires, codes = self._reader.now
        try:
            values = list(msgspec.structs.astuple(read(json)))
        except msgspec.ValidationError:
            return self.pack_odd(json)
        extra: dict[str, Any] = {}
        for place, value in enumerate(values):
            if value is UNSET:
                values[place] = None
            elif value is None:
                extra[wires[place]] = None
            elif code := codes[place]:
                if code == _JSON:
                    values[place] = self._cell(value)
                else:
                    extra[wires[place]] = value
        return self._sealed(values[: len(self._places)], extra, json)

    def pack_odd(self, json: bytes) -> list[Any]:
        """The same, for any record."""
        try:
            raw: dict[str, Any] = decode(json)
        except (msgspec.DecodeError, RecursionError) as wrong:
            raise BadAnswer(f"A record of {self.layout.table} cannot be read: {wrong}.") from None
        values: list[Any] = [None] * len(self._places)
        extra: dict[str, Any] = {}
        for key, value in raw.items():
            place = self._places.get(key)
            if place is None or value is None:
                extra[key] = value
                continue
            stored, kept = self._stored(self.layout.columns[place], value)
            values[place] = stored
            if not kept:
                extra[key] = value
        self._reader.learn(raw.keys() - self._places.keys())
        return self._sealed(values, extra, json)

    def _sealed(self, values: list[Any], extra: dict[str, Any], json: bytes) -> list[Any]:
        values.append(rewrite(extra).decode() if extra else None)
        return [*values, digest(json) + self.seal(values)]

    def seal(self, values: Sequence[Any]) -> bytes:
        """What tells whether a row's columns and `_extra` still hold what was written, as they are read or written."""
        held = list(values)
        for place in self._numbers:
            if type(number := held[place]) is float and number.is_integer() and abs(number) < _EXACT:
                held[place] = int(number)
            elif number is not None and abs(number) >= _EXACT:
                held[place] = float(number)
        if self._postgres:
            # JSONB keeps neither the order of keys nor spaces.
            for place in self._cells:
                if held[place] is not None:
                    held[place] = _sorted(decode(held[place])).decode()
        filled = {name: value for name, value in zip(self.names, held, strict=False) if value is not None}
        return digest(_encode(filled))

    def is_sealed(self, values: Sequence[Any], hash: bytes) -> bool:
        """Whether a row holds what was written, by its hash; not for one without a seal."""
        return hash[_DIGEST:] == self.seal(values)

    @staticmethod
    def has_seal(hash: bytes) -> bool:
        """Whether a row's hash has a seal: releases before this one wrote none."""
        return len(hash) > _DIGEST

    def _stored(self, column: Column, value: Any) -> tuple[Any, bool]:
        """What a column holds of a value, and whether it gives the value back as it was."""
        if column.storage == "json":
            shown, nul = column.kind.load(value), "\\u0000"
            stored, kept = self._cell(shown), shown is value
        elif column.kind is DATETIME and type(value) is str and _is_moment(value):
            return value, True
        else:
            stored, nul = column.kind.comparable(value), "\0"
            kept = type(value) in _SPELT[column.storage] and stored == value
        if self._postgres and isinstance(stored, str) and nul in stored:
            # PostgreSQL stores no such character.
            return None, False
        return stored, kept

    def _cell(self, value: Any) -> str:
        text = rewrite(value).decode()
        if self._postgres and _LARGE(text):
            return rewrite(_spelt_out(value)).decode()
        return text

    def decode_rows(
        self, columns: Sequence[Column], rows: Iterable[Sequence[Any]], select: frozenset[str] | None = None
    ) -> list[dict[str, Any]]:
        """The wire records of rows that hold `columns` and then `_extra`, cut down to the keys of `select`.

        Raises `MirrorError` for a cell that is no JSON.
        """
        try:
            return self._decode_rows(columns, rows, select)
        except (msgspec.DecodeError, RecursionError) as wrong:
            raise unreadable(wrong) from None

    def _decode_rows(
        self, columns: Sequence[Column], rows: Iterable[Sequence[Any]], select: frozenset[str] | None
    ) -> list[dict[str, Any]]:
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
                raw.update(more if select is None else {key: item for key, item in more.items() if key in select})
            found.append(raw)
        return found
