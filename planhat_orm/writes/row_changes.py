"""A row and the record it is about: which one, and what of the row differs from it."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import msgspec

from ..errors import ValidationError
from ..fields import Custom, CustomFields
from ..json_decoding import decode
from ..models.base import Model
from ..query import kinds
from ..query.raw_values import fetch
from ..queryset.columns import Binding, RowValues
from ..tabular.cells import guard, is_empty, plain_text
from ..tabular.table import Table
from ..tabular.typed import typed
from ..wire.patches import same


def fill(record: Any, row: RowValues, table: Table) -> None:
    """Set on a record what its row says, but for cells that hold what an export would write of it.

    So a table that was exported and not edited changes nothing, however a value had to be shown.
    """
    for binding, value in row.values.items():
        field = binding.target.field
        if binding.target.is_readonly or is_shown(record, binding, row.cells[binding], table):
            continue
        if isinstance(field, CustomFields):
            _fill_custom(record, value or {}, row, binding, table)
        elif field is None:
            kind = binding.target.kind
            record.custom[binding.target.label] = value if kind is kinds.ANY else kind.dump(value)
        else:
            setattr(record, field.name, _elements(value, raw_value(record, binding)))


def _elements(value: Any, raw: Any) -> Any:
    """A list with its elements as the record has them: a column of texts holds objects as JSON."""
    if not isinstance(value, list) or not isinstance(raw, list) or all(isinstance(item, str) for item in raw):
        return value
    return [item if (decoded := _json(item)) is None else decoded for item in value]


def _json(text: Any) -> Any:
    """What a text is in JSON; None where it is no JSON."""
    try:
        return decode(text) if isinstance(text, str) else None
    except msgspec.DecodeError:
        return None


def raw_value(record: Model, binding: Binding) -> Any:
    """What a record holds on the wire where a column goes."""
    field = binding.target.field
    return fetch(record._wire, ("custom", binding.target.label) if field is None else field.keys)


def is_shown(record: Model, binding: Binding, cell: Any, table: Table) -> bool:
    """Whether a cell is what an export shows of the record's value."""
    raw = raw_value(record, binding)
    if is_empty(cell) and raw in (None, "", [], {}):
        return True
    if binding.target.related is not None or isinstance(cell, Model):
        return False
    if table.is_wire or binding.target.is_wire:
        return same(cell, raw)
    kind = binding.target.kind
    shown = typed(kind, raw)
    if is_empty(cell) or shown is None:
        return is_empty(cell) and shown is None
    cell = cell.tolist() if hasattr(cell, "tolist") else cell
    if isinstance(cell, str) and not isinstance(shown, str):
        return cell == plain_text(shown) or (isinstance(shown, list) and _alike(_json(cell), shown))
    return _alike(cell, shown) or cell == guard(shown) if isinstance(shown, str) else _alike(cell, shown)


def _alike(cell: Any, shown: Any) -> bool:
    """Whether two values are one, also where JSON in them has its keys in another order."""
    if isinstance(cell, list) and isinstance(shown, list):
        return len(cell) == len(shown) and all(map(_alike, cell, shown))
    if same(cell, shown):
        return True
    left, right = _json(cell), _json(shown)
    return isinstance(left, (dict, list)) and same(left, right)


def _fill_custom(record: Any, labels: Mapping[str, Any], row: RowValues, own: Binding, table: Table) -> None:
    """Set the labels of a cell that holds the whole of `custom`.

    A label that has a column of its own is said twice: the one that was edited counts, and two edits must agree.
    """
    columns = {_label(binding): binding for binding in row.values if binding is not own}
    before = fetch(record._wire, ("custom",))
    current = before if isinstance(before, dict) else {}
    for label, value in labels.items():
        if same(value, current.get(label)):
            continue
        binding = columns.get(label)
        if binding is None or is_shown(record, binding, row.cells[binding], table):
            record.custom[label] = value
        elif not same(_wire(binding, row.values[binding]), value):
            raise ValidationError(f"the columns {own.column!r} and {binding.column!r} say two things of {label!r}")


def _label(binding: Binding) -> str:
    field = binding.target.field
    return field.label if isinstance(field, Custom) else binding.target.label


def _wire(binding: Binding, value: Any) -> Any:
    return binding.target.kind.dump(value)
