"""RowCodec: a record's JSON as the values of a table's columns, and back, without losing anything.

What a column cannot give back exactly is kept raw in `extra`, by wire name (see `packing`). A key that is in neither
was absent. Unpacked, any JSON is what was packed. A row's hash tells whether a record's JSON is the one that was
packed, and its second half, the seal, whether the row still holds what was packed then.

The seal is the hash of two JSON arrays, of the numbers and of all other columns. SQLite makes the second one in half
the time in which Python fetches its columns. Of numbers it shows fifteen digits, which are not all.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from decimal import Decimal
from hashlib import blake2b
from itertools import repeat
from math import isfinite
from typing import Any

import msgspec

from ...gc_pause import gc_paused
from ...json_encoding import rewrite
from .json_text import key_text, unreadable
from .layout import Column, Layout
from .packing import Packed, Packer, Values, filled, json_texts, plain_numbers

decode = msgspec.json.Decoder().decode
_lines = msgspec.json.Encoder().encode_lines

_DIGEST = 16
_FEW = 8
"""So many keys are sought in a page of texts one after the other faster than in each text at once."""
large_floats = re.compile(r"e(?<=[0-9]e)\+?[0-9]+(?:[],}\n]|$)").search
"""Finds large floats in JSON, and no ids, which a quotation mark ends; a search for a letter is the fastest."""


def digest(json: bytes) -> bytes:
    """What tells whether a record is the one that is stored."""
    return blake2b(json, digest_size=_DIGEST).digest()


def of_json(hash: bytes) -> bytes:
    """The part of a row's hash that is of its record's JSON; the rest is the seal of what the columns hold of it."""
    return bytes(hash[:_DIGEST])


class RowCodec:
    """The conversion for one table. `names` are its columns in the order of a packed row.

    `numbers` are those with numbers, `others` the others that a seal is made of.
    """

    def __init__(self, layout: Layout, *, postgres: bool = False) -> None:
        self.layout = layout
        self.names = (*(column.name for column in (*layout.columns, *layout.derived)), "_extra", "_hash")
        self._postgres = postgres
        self._packer = Packer(layout, postgres=postgres)
        self.numbers = [column.name for column in layout.columns if column.storage == "number"]
        self.others = [name for name in self.names[:-1] if name not in set(self.numbers)]
        # A seal is made of all columns: where a release adds one, it is known that those of before cannot be compared.
        self._made_of = digest("\n".join([*self.others, "", *self.numbers]).encode())[:2]
        self._flags = [column.name for column in layout.columns if column.storage == "boolean"]
        self._cells = [column.name for column in layout.columns if column.storage == "json"]

    def encode_rows(self, jsons: Sequence[bytes]) -> Packed:
        """The rows of records, their hashes last."""
        with gc_paused():
            packed = self._packer.pack(jsons)
            seals = self._seals(packed.columns, len(jsons))
            if self._postgres:
                self._spell_out(packed.columns)
            packed.columns["_hash"] = [digest(json) + seal for json, seal in zip(jsons, seals, strict=True)]
        return packed

    def encode_row(self, json: bytes) -> list[Any]:
        """The values of the row of a record, its hash last."""
        columns = self.encode_rows([json]).columns
        return [columns[name][0] if name in columns else None for name in self.names]

    def are_sealed(self, rows: Sequence[Sequence[Any]]) -> list[bool]:
        """Whether rows, as `names` has their columns, hold what was written; not those without a seal."""
        if not rows:
            return []
        with gc_paused():
            held: dict[str, Values] = dict(zip(self.names, zip(*rows, strict=True), strict=True))
            for name in self.numbers:
                held[name] = _as_packed(held[name])
            if self._postgres:
                self._put_in_order(held)
            else:
                _mark_bytes(held)
            seals = self._seals(held, len(rows))
        return [hash[_DIGEST:] == seal for hash, seal in zip(held["_hash"], seals, strict=True)]

    def _put_in_order(self, held: dict[str, Values]) -> None:
        """Write JSON as it was packed: JSONB keeps neither the order of keys nor spaces."""
        for name in self._cells:
            if held[name].count(None) < len(held[name]):
                held[name] = filled(held[name], lambda cells: json_texts(_decode_cells(cells)))

    def _seals(self, columns: Mapping[str, Values], count: int) -> list[bytes]:
        nothing = (None,) * count
        flags = {name: _as_numbers(columns[name]) for name in self._flags if name in columns}
        held = {**columns, **flags}
        others = _lines(zip(*(held.get(name, nothing) for name in self.others), strict=True))
        return self.seals(others.split(b"\n")[:-1], [held.get(name, nothing) for name in self.numbers])

    def seals(self, others: Sequence[bytes], numbers: Sequence[Values]) -> list[bytes]:
        """The seals of rows, by JSON arrays of what `others` hold, and the columns of `numbers`."""
        if not numbers:
            return [digest(line) + self._made_of for line in others]
        lines = _lines(zip(*numbers, strict=True))
        if lines.count(b"null") != sum(cells.count(None) for cells in numbers):
            # JSON has no infinite numbers, so no column of ours holds one, but somebody may have written it.
            lines = _lines(
                [[cell if _is_finite(cell) else [str(cell)] for cell in row] for row in zip(*numbers, strict=True)]
            )
        return [
            digest(line + number) + self._made_of for line, number in zip(others, lines.split(b"\n")[:-1], strict=True)
        ]

    def _spell_out(self, packed: dict[str, Values]) -> None:
        """Write large floats in full: JSONB would turn 1e20 into a whole number, but keeps a `.0`."""
        for name in self._cells:
            if name in packed and large_floats("\n".join(filter(None, packed[name]))):
                packed[name] = [
                    cell if cell is None else rewrite(_spelt_out(decode(cell))).decode() for cell in packed[name]
                ]

    def has_seal(self, hash: bytes) -> bool:
        """Whether a row's hash has a seal of the columns that there are: releases before this one wrote none."""
        return hash[2 * _DIGEST :] == self._made_of

    def decode_rows(
        self, columns: Sequence[Column], rows: Iterable[Sequence[Any]], select: frozenset[str] | None = None
    ) -> list[dict[str, Any]]:
        """The wire records of rows that hold `columns` and, last, `_extra`, cut down to the keys of `select`.

        Raises `MirrorError` for a cell that is no JSON.
        """
        try:
            return self._decode_rows(columns, rows, select)
        except (msgspec.DecodeError, RecursionError) as wrong:
            raise unreadable(wrong) from None

    def decode_columns(
        self, columns: Sequence[Column], rows: Sequence[Sequence[Any]], wires: Iterable[str]
    ) -> dict[str, list[Any]]:
        """The values of `wires` in rows that hold `columns` and then `_extra`; None for what is null or missing.

        Raises `MirrorError` for a cell that is no JSON.
        """
        *values, extras = zip(*rows, strict=True)
        found: dict[str, list[Any]] = {wire: [None] * len(rows) for wire in wires}
        try:
            for column, came in zip(columns, values, strict=True):
                found[column.wire] = list(self._decode_column(column, came))
            for place, text in _near(extras, found):
                for wire, value in decode(text).items():
                    if wire in found:
                        found[wire][place] = value
        except (msgspec.DecodeError, RecursionError) as wrong:
            raise unreadable(wrong) from None
        return found

    def _decode_column(self, column: Column, came: Values) -> Values:
        if column.storage == "json":
            return _decode_cells(came)
        if column.storage == "number" and self._postgres:
            # PostgreSQL gives every number as a float.
            return plain_numbers(came)
        if column.storage == "boolean":
            return [None if flag is None else bool(flag) for flag in came]
        return came

    def _decode_rows(
        self, columns: Sequence[Column], rows: Iterable[Sequence[Any]], select: frozenset[str] | None
    ) -> list[dict[str, Any]]:
        cells = list(zip(*rows, strict=True))
        if not cells:
            return []
        # Most columns of a table are NULL in all rows of a tenant.
        present = [came[0] is not None or came.count(None) < len(came) for came in cells[: len(columns)]]
        held = {
            column.wire: self._decode_column(column, came)
            for column, came, is_present in zip(columns, cells, present, strict=False)
            if is_present
        }
        found = _records(held, len(cells[-1]))
        if select is None:
            for record, more in zip(found, _decode_cells(cells[-1]), strict=True):
                if more is not None:
                    record.update(more)
            return found
        for place, text in _near(cells[-1], select):
            found[place].update((wire, value) for wire, value in decode(text).items() if wire in select)
        return found


def _as_packed(numbers: Values) -> Values:
    """Numbers as they are packed, but for those that somebody wrote with more digits than are packed."""
    packed = plain_numbers(numbers)
    if int not in set(map(type, numbers)):
        return packed
    return [
        came if type(came) is int and came != number else number for came, number in zip(numbers, packed, strict=True)
    ]


def _as_numbers(flags: Values) -> Values:
    types = set(map(type, flags))
    if bool not in types:
        return flags
    return list(map(int, flags)) if types == {bool} else [int(cell) if type(cell) is bool else cell for cell in flags]


def _mark_bytes(held: dict[str, Values]) -> None:
    """Show bytes as no column of ours holds them: JSON would show them as the text that another cell may be."""
    for name, cells in held.items():
        if name != "_hash" and bytes in set(map(type, cells)):
            held[name] = [(cell,) if type(cell) is bytes else cell for cell in cells]


def _is_finite(cell: Any) -> bool:
    return not isinstance(cell, float) or isfinite(cell)


def _records(columns: Mapping[str, Values], count: int) -> list[dict[str, Any]]:
    """The records of so many rows of columns, without the keys of what is None."""
    if not columns:
        return [{} for _ in range(count)]
    wires, rows = tuple(columns), zip(*columns.values(), strict=True)
    if not any(None in values for values in columns.values()):
        return list(map(dict, map(zip, repeat(wires), rows)))
    return [{wire: value for wire, value in zip(wires, row, strict=True) if value is not None} for row in rows]


def _near(texts: Sequence[str | None], wires: Iterable[str]) -> list[tuple[int, str]]:
    """The texts of `_extra` that may hold one of `wires`, with their places: most hold other fields only."""
    keys = [key_text(wire) for wire in wires]
    if len(keys) <= _FEW:
        page = "\n".join(filter(None, texts))
        keys = [key for key in keys if key in page]
    if not keys:
        return []
    is_near = re.compile("|".join(map(re.escape, keys))).search
    return [(place, text) for place, text in enumerate(texts) if text is not None and is_near(text)]


def _decode_cells(texts: Sequence[str | None]) -> list[Any]:
    """The values of cells of JSON, None where there is none: read all at once."""
    present = [text for text in texts if text is not None]
    values = decode(f"[{','.join(present)}]")
    if len(values) != len(present):
        raise msgspec.DecodeError("a cell holds several values")
    if len(present) == len(texts):
        return list(values)
    rest = iter(values)
    return [None if text is None else next(rest) for text in texts]


def _spelt_out(value: Any) -> Any:
    if isinstance(value, dict):
        return {key: _spelt_out(element) for key, element in value.items()}
    if isinstance(value, list):
        return [_spelt_out(element) for element in value]
    if isinstance(value, float) and abs(value) >= 1e15:
        return msgspec.Raw(f"{Decimal(value):f}.0".encode())
    return value
