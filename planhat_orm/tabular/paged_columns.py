"""Arrow columns that are made page by page: of a page that was added only its arrays stay in memory.

Rows of a column that nothing was added for are missing: a custom field may first occur in a later page.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from itertools import repeat
from typing import TYPE_CHECKING, Any

import msgspec

from ..query import kinds
from ..query.kinds import Kind
from .arrays import are_exact, are_texts, array_of, filled, missing
from .typed import TYPES

if TYPE_CHECKING:
    import pyarrow as pa


class PagedColumn:
    """A column of raw values of a kind; what does not fit is missing.

    The kind `ANY` stands for that of the values where they agree, and text where they do not.
    """

    def __init__(self, pyarrow: Any, kind: Kind) -> None:
        self._pyarrow = pyarrow
        self._kind = kind
        self._types: set[type] = set()
        self._pages: list[tuple[int, int, Any]] = []

    def add(self, start: int, raw: Sequence[Any]) -> None:
        """Add the values of a page whose first row is `start`."""
        types = set(map(type, raw)) - {type(None)}
        if not types:
            return
        self._types |= types
        if self._kind is kinds.ANY and kind_of_types(self._types) is not kinds.ANY:
            page = _held(self._pyarrow, raw, types)
        else:
            page = array_of(self._pyarrow, self._kind, raw)
        self._pages.append((start, len(raw), page))

    def array(self, rows: int) -> pa.ChunkedArray:
        """The column of so many rows. The pages are given up: it can be had once."""
        kind = kind_of_types(self._types) if self._kind is kinds.ANY else self._kind
        arrow = TYPES[kind.name][0](self._pyarrow)
        chunks = self._chunks(kind, arrow, rows)
        return self._pyarrow.chunked_array(list(chunks), type=arrow)

    def _chunks(self, kind: Kind, arrow: Any, rows: int) -> Iterator[Any]:
        pages, self._pages = self._pages[::-1], []
        end = 0
        while pages:
            start, length, page = pages.pop()
            if start > end:
                yield missing(self._pyarrow, start - end, arrow)
            yield _released(self._pyarrow, page, kind, arrow)
            end = start + length
        if rows > end:
            yield missing(self._pyarrow, rows - end, arrow)


class PagedCustoms:
    """A column for each label that occurs in the custom fields of records, or that `labels` has from the beginning."""

    def __init__(self, pyarrow: Any, kind_of: Callable[[str], Kind], labels: Iterable[str], without: Iterable[str]):
        self._pyarrow = pyarrow
        self._kind_of = kind_of
        self._without = frozenset(without)
        self._columns: dict[str, PagedColumn] = {}
        self._join(labels)

    def add(self, start: int, customs: Sequence[Any]) -> None:
        """Add the custom fields of a page whose first row is `start`; what is no object has none."""
        dicts: list[dict[str, Any]] = [custom if isinstance(custom, dict) else {} for custom in customs]
        labels = {label: None for custom in dicts for label in custom}
        self._join(labels)
        for label in labels:
            if label not in self._without:
                self._columns[label].add(start, list(map(dict.get, dicts, repeat(label))))

    def arrays(self, rows: int) -> dict[str, pa.ChunkedArray]:
        """The columns of so many rows by label, in the order of labels."""
        return {label: self._columns.pop(label).array(rows) for label in sorted(self._columns)}

    def _join(self, labels: Iterable[str]) -> None:
        for label in labels:
            if label not in self._columns and label not in self._without:
                self._columns[label] = PagedColumn(self._pyarrow, self._kind_of(label))


def kind_of_types(types: set[type]) -> Kind:
    """The kind of values that nobody said the kind of, by their types: text where these do not agree."""
    if types == {bool}:
        return kinds.BOOLEAN
    if types and types <= {int, float}:
        return kinds.NUMBER
    return kinds.LIST if types == {list} else kinds.TEXT if types <= {str} else kinds.ANY


def _held(pyarrow: Any, raw: Sequence[Any], types: set[type]) -> Any:
    """The values of a page so that they can be had again: an array where Arrow has their type, else JSON."""
    if types <= {str}:
        return filled(pyarrow, raw, pyarrow.string())
    if types == {bool}:
        return filled(pyarrow, raw, pyarrow.bool_())
    if types == {float}:
        return filled(pyarrow, raw, pyarrow.float64())
    if types == {int} and are_exact(raw):
        return filled(pyarrow, raw, pyarrow.int64())
    if types == {list} and are_texts(raw):
        return filled(pyarrow, raw, pyarrow.list_(pyarrow.string()))
    return msgspec.json.encode(raw)


def _released(pyarrow: Any, page: Any, kind: Kind, arrow: Any) -> Any:
    """The array of a kind of the values of a page."""
    if isinstance(page, bytes):
        return array_of(pyarrow, kind, msgspec.json.decode(page))
    if page.type == arrow:
        return page
    if pyarrow.types.is_int64(page.type) and kind is kinds.NUMBER:
        return page.cast(arrow, memory_pool=pyarrow.system_memory_pool())
    return array_of(pyarrow, kind, page.to_pylist())
