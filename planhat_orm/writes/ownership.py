"""Which system a field belongs to: what Planhat owns is not taken from rows, but goes back to where they came from."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from msgspec import Struct

from .. import arguments
from ..errors import FieldError
from ..fields import CustomFields, ManyToMany
from ..fields.account import KnownFields
from ..fields.base import Field
from ..http.effects import Flow
from ..models.base import Model
from ..query import kinds
from ..queryset.columns import Binding, RelatedKey, RowValues, Target, normal, target_of
from ..runtime import Client
from ..tabular.cells import key_text
from ..tabular.table import Table, cell_at
from ..wire.keys import fold
from ..wire.references import reference, references
from .outgoing import Outgoing
from .references import keys_of
from .row_changes import is_shown, raw_value

PLANHAT = "planhat"
"""The owner whose values win over those of rows."""


def owned_by_planhat(
    model: type[Model],
    bindings: Iterable[Binding],
    owner: Mapping[str, str] | None,
    account: KnownFields | None,
    key: Field[Any],
) -> list[Binding]:
    """The columns of fields that Planhat owns. Raises `FieldError` for what cannot be owned so."""
    bindings = list(bindings)
    owned = []
    for name, system in arguments.mapping("owner", owner or {}).items():
        arguments.text(f"owner[{name!r}]", system)
        target = target_of(model, name, account)
        binding = next((item for item in bindings if _is_same(item.target, target)), None)
        if binding is None:
            raise FieldError(f"owner names {name!r}, but no column goes there: leave it out, or add it to mapping.")
        if system == PLANHAT:
            _check(binding, name, key)
            owned.append(binding)
    return owned


def _is_same(target: Target, other: Target) -> bool:
    return target.field is other.field and target.label == other.label


def _check(binding: Binding, name: str, key: Field[Any]) -> None:
    field = binding.target.field
    if field is key:
        raise FieldError(f"The key {name!r} tells which record a row is, so no system owns it: leave it out of owner.")
    if isinstance(field, CustomFields):
        raise FieldError(f"{name!r} is all custom fields: map and own them one by one, such as custom.Tier.")
    if binding.convert is not None:
        raise FieldError(
            f"Planhat owns {name!r}, and what a function makes of the column {binding.column!r} cannot be turned back: "
            f"map it without one."
        )


class Ownership(Struct, frozen=True):
    """The columns of a table that Planhat owns."""

    table: Table
    owned: Sequence[Binding]
    _given: dict[tuple[int, Binding], Any] = {}

    def set_aside(self, row: RowValues, *, is_new: bool) -> None:
        """Take from a row what it has no say in. A new record begins with the row's values, as Planhat has none yet."""
        for binding in self.owned:
            if not is_new or binding.target.is_readonly:
                self._given[row.number, binding] = row.values.pop(binding, None)

    def outgoing(self, client: Client, pairs: Sequence[tuple[RowValues, Model]], column: str) -> Flow[Outgoing]:
        """The rows that Planhat's values go out with. One list for each kind of key that no mirror holds."""
        keys: dict[Binding, Mapping[str, str]] = {}
        for binding in self.owned:
            if binding.target.related is not None:
                ids = {item for _, record in pairs for item in _ids(raw_value(record, binding))}
                keys[binding] = yield from keys_of(client, binding.target.related, ids)
        outgoing = Outgoing(column, [(item.column, _kind(item)) for item in self.owned])
        for row, record in pairs:
            values = [self._value(row, record, binding, keys.get(binding)) for binding in self.owned]
            if any(self._differs(row, record, *item) for item in zip(self.owned, values, strict=True)):
                outgoing._add([self._key(row, column), *values])
        return outgoing

    def _value(self, row: RowValues, record: Model, binding: Binding, keys: Mapping[str, str] | None) -> Any:
        """The record's value; for a reference, the key of the related record. One without a key says nothing new."""
        raw = raw_value(record, binding)
        if keys is None or binding.target.related is None:
            return raw
        ids = _ids(raw)
        if not keys.keys() >= set(ids):
            return self._given.get((row.number, binding))
        named = [keys[id] for id in ids]
        return named if isinstance(binding.target.related.relation, ManyToMany) else next(iter(named), None)

    def _key(self, row: RowValues, column: str) -> str:
        """The key as the other system writes it."""
        return str(key_text(cell_at(self.table.rows[row.number], column))).strip()

    def _differs(self, row: RowValues, record: Model, binding: Binding, value: Any) -> bool:
        if binding not in row.cells:
            return False
        related, cell = binding.target.related, row.cells[binding]
        if related is None:
            return not is_shown(record, binding, cell, self.table)
        return _folded(related, self._given.get((row.number, binding))) != _folded(related, value)


def _kind(binding: Binding) -> kinds.Kind:
    related = binding.target.related
    return kinds.LIST if related is not None and isinstance(related.relation, ManyToMany) else binding.target.kind


def _ids(raw: Any) -> list[str]:
    """The ids that a reference holds, or a list of them, also where the answer expanded them to objects."""
    ids = references(raw) if isinstance(raw, list) else [reference(raw)]
    return [id for id in ids if isinstance(id, str) and id]


def _folded(related: RelatedKey, value: Any) -> list[str]:
    given = value if isinstance(value, list) else [] if value is None else [value]
    return sorted(fold(related.field.wire, normal(str(item))) for item in given)
