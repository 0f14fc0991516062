"""Packing: the JSON of many records as the columns of their table, column by column.

What a column cannot give back exactly is kept raw in `_extra`, by wire name: unknown keys, explicit nulls, odd
spellings, values of another type. Nearly all columns hold what is expected, which a look at the types of all their
values shows at once. One that holds anything else is read cell by cell, and ends up the same.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field
from functools import cache, lru_cache
from itertools import chain
from math import isfinite
from typing import Any

import msgspec
from msgspec import UNSET

from ...errors import BadAnswer
from ...json_encoding import rewrite
from ...query.kinds import DATETIME, EXACT, MOMENT, REFS
from ...wire.hierarchy import PATH, parent_in
from .layout import Column, Layout

Values = Sequence[Any]
_Reading = tuple[Callable[[bytes], list[Any]], list[str]]
"""A function that reads records and refuses any other key, and the wire names of the values."""
_DAYS = 100_000
_LENGTH = len("2021-07-28T16:15:50.772Z")
_are_moments = re.compile(rf"(?:{MOMENT}\n)*").fullmatch
_SPELT = {"text": (str,), "number": (int, float), "integer": (int, float), "boolean": (bool,)}
_NUL = b"\\u0000"
_MOST_LEARNT = 64
_MOST_IN_ORDER = 300
_FEW = 20
"""So many records show the order of keys."""
_NAME = re.compile(r'[^"\\\x00-\x1f]+').fullmatch
_GAPS = {type(None), type(UNSET)}
_FLOATS = {type(None), float}
_dicts = msgspec.json.Decoder(list[dict[str, Any]]).decode
_lines = msgspec.json.Encoder(order="deterministic").encode_lines
"""Writes the keys of dicts sorted, and fields in their order."""


class _Reader:
    """Reads records as tuples of the keys that it has seen, in the order in which they came.

    Records of a tenant have the same keys in the same order: so each is found where it is looked for first.
    """

    def __init__(self, layout: Layout) -> None:
        self._documented = dict.fromkeys(column.wire for column in layout.columns)
        self._now: _Reading | None = None

    def read(self, jsons: Sequence[bytes], body: bytes) -> dict[str, Values]:
        """Columns of records by wire name; `body` are all of them as an array."""
        now = self._now
        if now is None:
            records = _dicts(_array(jsons[:_FEW]))
            self._now = now = self._reading(_in_order(records))
        read, wires = now
        try:
            return dict(zip(wires, zip(*map(msgspec.structs.astuple, read(body)), strict=True), strict=True))
        except msgspec.ValidationError:
            records = _dicts(body)
        keys = dict.fromkeys((*_in_order(records[:_FEW]), *wires, *chain.from_iterable(records)))
        # A page that has more keys is read twice: with all that are documented, this is the only one for most lists.
        self._now = self._reading((*keys, *self._documented))
        return {wire: [record.get(wire, UNSET) for record in records] for wire in keys}

    def _reading(self, keys: Iterable[str]) -> _Reading:
        wires = [key for key in dict.fromkeys(keys) if _NAME(key)]
        others = [key for key in wires if key not in self._documented]
        if len(others) > _MOST_LEARNT:
            left_out = {*others[_MOST_LEARNT:]}
            wires = [key for key in wires if key not in left_out]
        known = msgspec.defstruct("CustomRecord", _fields(wires), forbid_unknown_fields=True, gc=False)
        return msgspec.json.Decoder(list[known]).decode, wires  # type: ignore[valid-type]


def _in_order(records: Iterable[dict[str, Any]]) -> list[str]:
    """The keys of records, each where it stands among the others."""
    order = list(dict.fromkeys(chain.from_iterable(records)))
    if len(order) > _MOST_IN_ORDER:
        return order
    order.clear()
    for keys in dict.fromkeys(map(tuple, records)):
        place = 0
        for key in keys:
            if key not in order:
                order.insert(place, key)
            place = order.index(key) + 1
    return order


def _fields(wires: Iterable[str]) -> list[tuple[str, Any, Any]]:
    return [(f"field{place}", Any, msgspec.field(name=wire, default=UNSET)) for place, wire in enumerate(wires)]


def _array(jsons: Iterable[bytes]) -> bytes:
    return b"[" + b",".join(jsons) + b"]"


@cache
def _reader(layout: Layout) -> _Reader:
    return _Reader(layout)


@dataclass(frozen=True, slots=True)
class Packed:
    """Rows as columns, by name: those that any row fills. The `sparse` ones may hold None."""

    columns: dict[str, Values] = field(default_factory=dict, repr=False)
    sparse: set[str] = field(default_factory=set)


class Packer:
    """Packs the records of one table."""

    def __init__(self, layout: Layout, *, postgres: bool) -> None:
        self._layout = layout
        self._postgres = postgres
        self._reader = _reader(layout)
        self._documented = {column.wire for column in layout.columns}

    def pack(self, jsons: Sequence[bytes]) -> Packed:
        """The rows of some records, `_extra` among their columns."""
        packed = Packed()
        if not jsons:
            return packed
        body = _array(jsons)
        try:
            came = self._reader.read(jsons, body)
        except (msgspec.DecodeError, RecursionError) as wrong:
            raise BadAnswer(f"A record of {self._layout.table} cannot be read: {wrong}.") from None
        is_odd = self._postgres and _NUL in body
        extra = {wire: values for wire, values in came.items() if wire not in self._documented}
        for column in self._layout.columns:
            values = came.get(column.wire, ())
            if not values or (values[0] is UNSET and values.count(UNSET) == len(values)):
                continue
            types = set(map(type, values))
            gaps = types & _GAPS
            types -= gaps
            present = values
            if gaps and not _is_told_by_types(column):
                present = [value for value in values if value is not None and value is not UNSET]
            if is_odd or not _fits(column, present, types):
                self._pack_cells(packed, extra, column, values)
                continue
            if type(None) in gaps:
                extra[column.wire] = [None if value is None else UNSET for value in values]
            if types:
                _pack_column(packed, column, values, present, has_gaps=bool(gaps))
        if self._layout.derived:
            self._derive(packed, came)
        texts = _extras(extra)
        if texts is not None:
            packed.columns["_extra"] = texts
            packed.sparse.add("_extra")
        return packed

    def _derive(self, packed: Packed, came: dict[str, Values]) -> None:
        """Fill the columns that are worked out of others."""
        if PATH not in came:
            return
        for column in self._layout.derived:
            parents = derived(came[PATH], came["_id"])
            if parents is not None:
                packed.columns[column.name] = parents
                packed.sparse.add(column.name)

    def _pack_cells(self, packed: Packed, extra: dict[str, Values], column: Column, came: Values) -> None:
        """Pack a column that holds anything else than what is expected."""
        values, kept = list[Any](), list[Any]()
        for value in came:
            stored, is_kept = (None, value is UNSET) if value is None or value is UNSET else self._stored(column, value)
            values.append(stored)
            kept.append(UNSET if is_kept else value)
        packed.columns[column.name] = plain_numbers(values) if column.storage == "number" else values
        packed.sparse.add(column.name)
        extra[column.wire] = kept

    def _stored(self, column: Column, value: Any) -> tuple[Any, bool]:
        """What a column holds of a value, and whether it gives the value back as it was."""
        if column.storage == "json":
            shown, nul = column.kind.load(value), "\\u0000"
            stored, kept = rewrite(shown).decode(), shown is value
        else:
            stored, nul = column.kind.comparable(value), "\0"
            kept = type(value) in _SPELT[column.storage] and stored == value
        if self._postgres and isinstance(stored, str) and nul in stored:
            # PostgreSQL stores no such character.
            return None, False
        return stored, kept


def derived(paths: Values, ids: Values) -> list[str | None] | None:
    """The ids of parents, by the paths and the own ids of records; None where none has any."""
    if list(paths) == list(ids):
        return None  # most companies are in no group: their path is their id
    parents = [parent_in(path, id) for path, id in zip(paths, ids, strict=True)]
    return parents if any(parents) else None


def _pack_column(packed: Packed, column: Column, came: Values, present: Values, *, has_gaps: bool) -> None:
    """Pack a column whose values, those that are `present`, fit."""
    values: Values = json_texts(present) if column.storage == "json" else present
    if column.storage == "number":
        values = plain_numbers(values)
    if has_gaps and values is present:
        values = [None if value is UNSET else value for value in came]
    elif has_gaps:
        rest = iter(values)
        values = [None if value is None or value is UNSET else next(rest) for value in came]
    if has_gaps:
        packed.sparse.add(column.name)
    packed.columns[column.name] = values


def _is_told_by_types(column: Column) -> bool:
    """Whether the types of a column's values tell that all fit, so that nobody looks at the values."""
    return column.storage == "boolean" or (column.storage == "text" and column.kind is not DATETIME)


def _fits(column: Column, present: Values, types: set[type]) -> bool:
    """Whether a column gives all of these values back as they are, and each equals its comparable."""
    if not types:
        return True
    if column.storage == "json":
        return column.kind is not REFS or (types == {list} and set(map(type, chain.from_iterable(present))) <= {str})
    if column.storage == "text":
        return types == {str} and (column.kind is not DATETIME or _is_all_moments(present))
    if column.storage == "boolean":
        return types == {bool}
    if column.storage == "integer":
        return types == {int} and min(present) >= -_DAYS and max(present) <= _DAYS
    return types <= {int, float} and (int not in types or (min(present) > -EXACT and max(present) < EXACT))


def _is_all_moments(texts: Values) -> bool:
    joined = "\n".join(texts)
    # By the length no text has a line break of its own.
    return len(joined) == (_LENGTH + 1) * len(texts) - 1 and _are_moments(joined + "\n") is not None


def json_texts(values: Iterable[Any]) -> list[str]:
    """Each value as JSON."""
    return _lines(values).decode().split("\n")[:-1]


def plain_numbers(values: Values) -> Values:
    """Numbers as SQLite gives them back: whole ones are ints, up to where a float tells them apart."""
    if values[0] is None and values.count(None) == len(values):
        return values
    types = set(map(type, values))
    if types == {int} and min(values) > -EXACT and max(values) < EXACT:
        return values
    if types <= _FLOATS:
        return filled(values, _plain_floats)
    return [plain_number(value) for value in values]


def filled(values: Values, change: Callable[[Values], Values]) -> Values:
    """Values of a column, some but not all of which are None, with the others changed all at once."""
    if None not in values:
        return change(values)
    rest = iter(change([value for value in values if value is not None]))
    return [None if value is None else next(rest) for value in values]


def _plain_floats(floats: Values) -> Values:
    if not (all(map(isfinite, floats)) and min(floats) > -EXACT and max(floats) < EXACT):
        return [plain_number(number) for number in floats]
    whole = list(map(int, floats))
    if whole == list(floats):
        return whole
    return [number if number == came else came for number, came in zip(whole, floats, strict=True)]


def plain_number(number: Any) -> Any:
    """A number as SQLite gives it back."""
    kind = type(number)
    if kind is int:
        return number if -EXACT < number < EXACT else float(number)
    return int(number) if kind is float and number.is_integer() and abs(number) < EXACT else number


def _extras(columns: dict[str, Values]) -> list[str | None] | None:
    """What `_extra` holds of each record, by the columns of what it keeps; None where none keeps anything."""
    if not columns:
        return None
    kept: Iterable[object]
    if len(columns) <= _MOST_IN_ORDER and all(map(_NAME, columns)):
        wires = tuple(sorted(columns))
        kept = map(_kept(wires), *(columns[wire] for wire in wires))
    else:
        rows = zip(*columns.values(), strict=True)
        kept = ({key: cell for key, cell in zip(columns, row, strict=True) if cell is not UNSET} for row in rows)
    texts = [None if text == "{}" else text for text in json_texts(kept)]
    return texts if any(texts) else None


@lru_cache(_MOST_LEARNT)
def _kept(wires: tuple[str, ...]) -> Callable[..., object]:
    """What makes an object of values by wire names, which is written without those that are UNSET."""
    return msgspec.defstruct("Kept", _fields(wires), gc=False)
