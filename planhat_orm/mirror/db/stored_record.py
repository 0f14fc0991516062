"""A record as its row came from the database. A value is converted when it is asked for, and most never are.

Making a dict of a row, and values of its JSON, takes longer than fetching it, and Python's collector looks at each
dict and list that is alive. A tuple of texts and numbers costs neither.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import msgspec

from .json_text import key_text, unreadable
from .layout import Column
from .packing import plain_number

_decode = msgspec.json.Decoder().decode
Load = Callable[[Any], Any]


class RowColumns:
    """What the columns of rows are, told once for all records of a query."""

    __slots__ = ("by_wire", "loads", "wires")

    def __init__(self, columns: Sequence[Column], *, postgres: bool) -> None:
        self.wires = tuple(column.wire for column in columns)
        self.loads: dict[str, Load] = {}
        self.by_wire: dict[str, tuple[int, Load | None, str]] = {}
        """Of each column its place, what converts it, and how `_extra` names its key."""
        for place, column in enumerate(columns):
            load: Load | None = None
            if column.storage == "json":
                load = _decode
            elif column.storage == "boolean":
                load = bool
            elif column.storage == "number" and postgres:
                # PostgreSQL gives every number as a float.
                load = plain_number
            if load is not None:
                self.loads[column.wire] = load
            self.by_wire[column.wire] = place, load, key_text(column.wire)


class StoredRecord:
    """The cells of one row: its columns, and last what none of them could hold. Reads as the dict of the wire does."""

    __slots__ = ("_cells", "_columns", "_loaded", "_whole")

    def __init__(self, cells: Sequence[Any], columns: RowColumns) -> None:
        self._cells: Sequence[Any] | None = cells
        self._columns = columns
        self._loaded: dict[str, Any] | None = None
        self._whole: dict[str, Any] | None = None
        """The dict, once it was made. Then the cells are needed no more."""

    def get(self, wire: str, default: Any = None, /) -> Any:
        """The value of a field by wire name. A list or dict is the same one each time.

        Raises `MirrorError` for a cell that is no JSON.
        """
        cells = self._cells
        if cells is None:
            return self.to_dict().get(wire, default)
        found, extra = self._columns.by_wire.get(wire), cells[-1]
        if found is not None:
            place, load, key = found
            if extra is None or key not in extra:
                cell = cells[place]
                if cell is None:
                    return default
                return cell if load is None else self._kept(wire, load, cell)
        return default if extra is None else self._with_extra(cells, wire, default)

    def to_dict(self) -> dict[str, Any]:
        """All of the record, with the lists and dicts that were read of it already. The same dict each time."""
        cells, loads = self._cells, self._columns.loads
        if cells is None:
            assert self._whole is not None  # it was set before
            return self._whole
        found: dict[str, Any] = {
            wire: cell for wire, cell in zip(self._columns.wires, cells, strict=False) if cell is not None
        }
        for wire in found.keys() & loads.keys():
            found[wire] = self._read(loads[wire], found[wire])
        if cells[-1] is not None:
            found.update(self._read(_decode, cells[-1]))
        if self._loaded is not None:
            found.update(self._loaded)
        # In this order, as another thread may ask meanwhile.
        self._whole = found
        self._cells = None
        return found

    def _with_extra(self, cells: Sequence[Any], wire: str, default: Any) -> Any:
        more = self._read(_decode, cells[-1])
        if wire in more:
            return self._keep(wire, more[wire])
        place, load, _ = self._columns.by_wire.get(wire, (None, None, ""))
        cell = None if place is None else cells[place]
        if cell is None:
            return default
        return cell if load is None else self._kept(wire, load, cell)

    def _kept(self, wire: str, load: Load, cell: Any) -> Any:
        kept = self._loaded
        if kept is not None and wire in kept:
            return kept[wire]
        return self._keep(wire, self._read(load, cell))

    def _keep(self, wire: str, value: Any) -> Any:
        if self._loaded is None:
            self._loaded = {}
        # Of two threads that read it at once both get the first one's value.
        return self._loaded.setdefault(wire, value)

    @staticmethod
    def _read(load: Load, cell: Any) -> Any:
        try:
            return load(cell)
        except (msgspec.DecodeError, RecursionError) as wrong:
            raise unreadable(wrong) from None
