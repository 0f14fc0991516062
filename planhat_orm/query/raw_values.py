"""Where a wire record holds a value: at its keys, or worked out of other fields."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from typing import Any

from ..wire.hierarchy import PARENT, PATH, parent_of
from ..wire.values import Values

Row = Mapping[str, Any]

_DERIVED: Mapping[str, tuple[Callable[[Values], Any], frozenset[str]]] = {PARENT: (parent_of, frozenset({"_id", PATH}))}
"""Values that no record holds: how each is worked out, and of which fields."""


def fetch(row: Values, keys: tuple[str, ...]) -> Any:
    """The raw value at `keys` of a wire record; None where any step is missing."""
    if keys[0] in _DERIVED:
        return _DERIVED[keys[0]][0](row)
    value = row.get(keys[0])
    for key in keys[1:]:
        if not isinstance(value, Mapping):
            return None
        value = value.get(key)
    return value


def raw_at(keys: tuple[str, ...]) -> Callable[[Values], Any]:
    """The function that reads the raw value at `keys` of wire records."""
    if keys[0] in _DERIVED:
        return _DERIVED[keys[0]][0]
    if len(keys) == 1:
        (key,) = keys
        return lambda row: row.get(key)
    return lambda row: fetch(row, keys)


def on_the_wire(wires: Iterable[str]) -> frozenset[str]:
    """The fields to ask for, where some of `wires` are worked out of others."""
    return frozenset(name for wire in wires for name in (_DERIVED[wire][1] if wire in _DERIVED else (wire,)))


def column_at(wire: str, columns: Mapping[str, list[Any]]) -> list[Any]:
    """The values of a field, by those of the fields on the wire."""
    if wire not in _DERIVED:
        return columns[wire]
    read, wires = _DERIVED[wire]
    names = sorted(wires)
    return [read(dict(zip(names, row, strict=True))) for row in zip(*(columns[name] for name in names), strict=True)]


def columns_of(rows: Sequence[Row], wires: Collection[str]) -> dict[str, list[Any]]:
    """The values of fields of wire records, by wire name."""
    held = {wire: [row.get(wire) for row in rows] for wire in on_the_wire(wires)}
    return {wire: column_at(wire, held) for wire in wires}
