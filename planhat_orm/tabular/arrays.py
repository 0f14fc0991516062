"""Arrow arrays of columns of raw values, made as a whole where all values are what their kind expects.

A column with anything else is made value by value, and of the same values comes the same array.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from itertools import chain
from typing import TYPE_CHECKING, Any

import msgspec

from ..query.kinds import EXACT, Kind
from ..query.loading import load_column
from .typed import TYPES

if TYPE_CHECKING:
    import pyarrow as pa

_LENGTH = len("2021-07-28T16:15:50.772Z")
_FIRST = -62_135_596_800_000
"""The first moment that Python knows, in milliseconds."""
_lines = msgspec.json.Encoder(order="sorted").encode_lines


def filled(pyarrow: Any, values: Sequence[Any], arrow: Any) -> pa.Array:
    """An array of a type. Its memory is the system's: Arrow's allocators keep a part of what was made for each page."""
    return pyarrow.array(values, type=arrow, memory_pool=pyarrow.system_memory_pool())


def missing(pyarrow: Any, rows: int, arrow: Any) -> pa.Array:
    """An array of a type in which every value is missing."""
    return pyarrow.nulls(rows, arrow, memory_pool=pyarrow.system_memory_pool())


def array_of(pyarrow: Any, kind: Kind, raw: Sequence[Any]) -> pa.Array:
    """The Arrow array of a kind of raw values; a value that does not fit is missing."""
    make, value = TYPES[kind.name]
    types = set(map(type, raw)) - {type(None)}
    whole = _WHOLE.get(kind.name)
    if not types:
        return missing(pyarrow, len(raw), make(pyarrow))
    made = None if whole is None else whole(pyarrow, make(pyarrow), raw, types)
    if made is not None:
        return made
    loaded = load_column(kind, raw)
    return filled(pyarrow, [None if item is None else value(item) for item in loaded], make(pyarrow))


def _texts(pyarrow: Any, arrow: Any, raw: Sequence[Any], types: set[type]) -> Any:
    return filled(pyarrow, raw, arrow) if types == {str} else None


def _flags(pyarrow: Any, arrow: Any, raw: Sequence[Any], types: set[type]) -> Any:
    return filled(pyarrow, raw, arrow) if types == {bool} else None


def _numbers(pyarrow: Any, arrow: Any, raw: Sequence[Any], types: set[type]) -> Any:
    fits = types == {float} or (types <= {int, float} and are_exact(raw))
    return filled(pyarrow, raw, arrow) if fits else None


def _integers(pyarrow: Any, arrow: Any, raw: Sequence[Any], types: set[type]) -> Any:
    return filled(pyarrow, raw, arrow) if types == {int} and are_exact(raw) else None


def are_exact(raw: Sequence[Any]) -> bool:
    """Whether a double holds each of the numbers, None aside; there must be one."""
    present = [value for value in raw if value is not None]
    return bool(min(present) > -EXACT and max(present) < EXACT)


def _moments(pyarrow: Any, arrow: Any, raw: Sequence[Any], types: set[type]) -> Any:
    if types != {str}:
        return None
    import pyarrow.compute as compute

    texts = filled(pyarrow, raw, pyarrow.string())
    lengths = compute.min_max(compute.binary_length(texts)).as_py()
    if lengths != {"min": _LENGTH, "max": _LENGTH} or not compute.all(compute.ends_with(texts, "Z")).as_py():
        return None
    try:
        moments = texts.cast(arrow, memory_pool=pyarrow.system_memory_pool())
    except pyarrow.ArrowInvalid:
        return None
    return moments if compute.min(moments.cast(pyarrow.int64())).as_py() >= _FIRST else None


def _lists(pyarrow: Any, arrow: Any, raw: Sequence[Any], types: set[type]) -> Any:
    return filled(pyarrow, raw, arrow) if types == {list} and are_texts(raw) else None


def are_texts(lists: Sequence[list[Any] | None]) -> bool:
    """Whether lists hold nothing but text."""
    return set(map(type, chain.from_iterable(filter(None, lists)))) <= {str}


def _objects(pyarrow: Any, arrow: Any, raw: Sequence[Any], types: set[type]) -> Any:
    if types != {dict}:
        return None
    present = iter(_lines([value for value in raw if value is not None]).decode().split("\n"))
    return filled(pyarrow, [None if value is None else next(present) for value in raw], arrow)


_WHOLE: dict[str, Callable[[Any, Any, Sequence[Any], set[type]], Any]] = {
    "text": _texts,
    "id": _texts,
    "ref": _texts,
    "number": _numbers,
    "integer": _integers,
    "boolean": _flags,
    "datetime": _moments,
    "list": _lists,
    "refs": _lists,
    "object": _objects,
}
"""By the name of a kind: what makes an array of a whole column, or None where it is to be made value by value."""
