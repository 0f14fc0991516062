"""JSON and JSON Lines: rows are objects, and every line that is none is named."""

from __future__ import annotations

from typing import Any

import msgspec

from ..errors import ValidationError
from ..json_decoding import decode
from .delimited import decoded
from .table import Row, Table, table_of


def read_lines(data: bytes, name: str, encoding: str | None = None) -> Table:
    """The table of a file with an object in each line."""
    rows: list[Row] = []
    lines: list[int] = []
    for number, line in enumerate(decoded(data, name, encoding).split("\n"), 1):
        if line.strip():
            rows.append(_object(line, f"{name}, line {number}"))
            lines.append(number)
    return table_of(rows, lines, is_wire=_is_wire(rows))


def read_document(data: bytes, name: str, encoding: str | None = None) -> Table:
    """The table of a file that holds a list of objects, alone or as the only list of an object, or one object."""
    value = _decoded(decoded(data, name, encoding), name)
    if isinstance(value, dict) and not any(isinstance(item, list) for item in value.values()):
        value = [value]
    if isinstance(value, dict):
        lists = [item for item in value.values() if isinstance(item, list) and any(map(_is_object, item))]
        if len(lists) != 1:
            raise ValidationError(f"{name} holds an object with {len(lists)} lists of objects: rows are one such list.")
        value = lists[0]
    if not isinstance(value, list):
        raise ValidationError(f"{name} holds no list of objects.")
    wrong = next((number for number, row in enumerate(value) if not _is_object(row)), None)
    if wrong is not None:
        raise ValidationError(f"{name}: row {wrong} is no object.")
    return table_of(value, is_wire=_is_wire(value))


def _is_object(value: Any) -> bool:
    return isinstance(value, dict)


def _is_wire(rows: list[Row]) -> bool:
    """Whether rows are records of Planhat's, as an export in JSON Lines has them."""
    return bool(rows) and all("_id" in row for row in rows)


def _object(line: str, where: str) -> Row:
    value = _decoded(line, where)
    if not isinstance(value, dict):
        raise ValidationError(f"{where} holds no JSON object.")
    return value


def _decoded(text: str, where: str) -> Any:
    try:
        return decode(text)
    except msgspec.DecodeError as wrong:
        raise ValidationError(f"{where} is no JSON: {wrong}.") from None
