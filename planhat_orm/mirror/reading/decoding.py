"""What the rows of a statement become: dicts of the wire, records that keep them as they are, groups."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import cache
from typing import Any

from ...query.kinds import Kind
from ...query.query import ANNOTATIONS, Named, Query
from ...query.raw_values import on_the_wire
from ..db.codec import RowCodec
from ..db.layout import Column, Layout, layout_for
from ..db.stored_record import RowColumns, StoredRecord
from .joins import decoded, width

Decode = Callable[[Sequence[Any]], Any]
"""Makes a page of the rows of a statement."""


def decoder(query: Query, *, postgres: bool) -> Callable[[Sequence[Any]], list[dict[str, Any]]]:
    """How rows become wire records with their annotations, or groups."""
    if query.groups is not None:
        return _named_values((*query.groups, *query.annotations))
    layout = layout_for(query.resource)
    columns = chosen_columns(layout, query)
    codec = codec_of(layout, postgres=postgres)
    keys = None if query.select is None else on_the_wire(query.select) | {"_id"}
    if not query.annotations:
        return lambda rows: codec.decode_rows(columns, rows, keys)
    values, width = _named_values(query.annotations), len(columns) + 1

    def annotated(rows: Sequence[Any]) -> list[dict[str, Any]]:
        records = codec.decode_rows(columns, [row[:width] for row in rows], keys)
        found = values([row[width:] for row in rows])
        for record, named in zip(records, found, strict=True):
            record[ANNOTATIONS] = named
        return records

    return annotated


def keeper(query: Query, *, postgres: bool) -> Decode:
    """How rows are kept as they are, to be read later; with some fields only, or annotations, they are read now."""
    if query.select is not None or query.annotations or query.groups is not None:
        return decoder(query, postgres=postgres)
    columns = _row_columns(layout_for(query.resource), postgres=postgres)
    return lambda rows: [StoredRecord(tuple(row), columns) for row in rows]


@cache
def _row_columns(layout: Layout, *, postgres: bool) -> RowColumns:
    return RowColumns(layout.columns, postgres=postgres)


@cache
def codec_of(layout: Layout, *, postgres: bool) -> RowCodec:
    """The codec of a table."""
    return RowCodec(layout, postgres=postgres)


def chosen_columns(layout: Layout, query: Query) -> list[Column]:
    """The columns of the fields that a query asks for."""
    if query.select is None:
        return list(layout.columns)
    wires = on_the_wire(query.select)
    return [column for column in layout.columns if column.wire in wires or column.wire == "_id"]


def _named_values(named: Named) -> Callable[[Sequence[Any]], list[dict[str, Any]]]:
    """How rows of the columns of some values become dicts of comparables."""
    places: list[tuple[str, Kind, slice]] = []
    first = 0
    for name, expr in named:
        places.append((name, expr.kind, slice(first, first + width(expr.kind))))
        first += width(expr.kind)

    def read(rows: Sequence[Any]) -> list[dict[str, Any]]:
        return [{name: decoded(kind, row[place]) for name, kind, place in places} for row in rows]

    return read
