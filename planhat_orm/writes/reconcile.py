"""Reconcile: rows of another system against what is there.

Rows are matched by a key, mapped to fields, and compared as values; what comes out is a plan of creates,
updates, and, only when asked for, deletions. A second run with the same rows finds nothing to send.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from typing import Any, Generic, TypeVar

from msgspec import Struct

from .. import arguments
from ..errors import FieldError, ReadOnlyError, ValidationError
from ..fields.account import KnownFields
from ..fields.base import Field
from ..http.effects import Flow, RunBlocking
from ..models.base import Model
from ..names import did_you_mean
from ..query.kinds import Kind
from ..queryset.columns import (
    Binding,
    RowOptions,
    RowReader,
    RowValues,
    bindings_of,
    fetch_account_fields,
    find_target,
    normal,
    refuse,
    target_of,
)
from ..queryset.duplicates import Duplicates, check_duplicates
from ..queryset.queryset import QuerySet
from ..queryset.writing import relate
from ..runtime import Client
from ..tabular.cells import is_empty
from ..tabular.sources import FileOptions, Rows, read
from ..tabular.table import Table
from ..wire.keys import fold
from .ownership import Ownership, owned_by_planhat
from .reconcile_plan import ReconcilePlan
from .references import resolve
from .row_changes import fill

M = TypeVar("M", bound=Model)
Mapped = str | tuple[str, Callable[[Any], Any] | Kind | type]
"""Where a column goes: a field's name, `custom.<label>`, a key of related records such as `company__source_id`, or
such a name with a function applied first, or a type that cells are read as, one of those that `Custom` takes."""


class ReconcileOptions(Struct, frozen=True):
    """How rows are compared: whether records without one go, what rows that share a key do, and whose a field is."""

    delete: bool
    duplicates: Duplicates
    rows: RowOptions
    file: FileOptions
    owner: Mapping[str, str] | None = None

    def check(self) -> None:
        """Raise `FieldError` for what is no such option."""
        self.rows.check()
        check_duplicates(self.duplicates)


def reconcile(
    client: Client,
    queryset: QuerySet[M],
    rows: Rows,
    key: str,
    mapping: Mapping[str, Mapped] | None,
    options: ReconcileOptions,
) -> Flow[ReconcilePlan[M]]:
    """Read what is there once, compare, and return the plan. Raises `ValidationError` naming every bad row."""
    model = queryset.model
    options.check()
    key_field = _key(model, key)
    file = FileOptions(options.file.encoding, options.file.delimiter, options.file.sheet, model._meta.resource.name)
    table: Table = yield RunBlocking(lambda: read(rows, file))
    bindings, unknown = yield from _bindings(client, model, table, mapping)
    account = client.account_fields.of(model._meta.resource.name)
    ownership = Ownership(table, owned_by_planhat(model, bindings, options.owner, account, key_field))
    left_alone = [
        binding.column
        for binding in bindings
        if binding.target.is_readonly and binding.target.field is not key_field and binding not in ownership.owned
    ]
    if mapping is not None and left_alone:
        raise FieldError(f"The column {left_alone[0]!r} goes to a field of {model.__name__} that is read-only.")
    bindings = [binding for binding in bindings if binding.column not in left_alone]
    wanted, twins = _rows(client, table, bindings, key_field, options)
    records = yield from _records(queryset, bindings, key_field)
    for folded, row in wanted.items():
        ownership.set_aside(row, is_new=folded not in records)
    unresolved = yield from resolve(client, wanted.values(), bindings)
    held_back = {item.row for item in unresolved}
    comparison: _Comparison[M] = _Comparison(queryset, table, key_field, records)
    for folded, row in wanted.items():
        if row.label not in held_back:
            comparison.add(folded, row)
    refuse(comparison.problems, "sent")
    pairs = [(wanted[folded], record) for folded, record in comparison.made.items() if folded in records]
    outgoing = yield from ownership.outgoing(client, pairs, _column(bindings, key_field))
    gone = [record for folded, some in records.items() if folded not in wanted for record in some]
    return ReconcilePlan(
        client, comparison.creates, comparison.updates, comparison.unchanged, gone if options.delete else [],
        unresolved=unresolved, merged=[comparison.made[folded] for folded in twins if folded in comparison.made],
        left_alone=[*left_alone, *unknown], outgoing=outgoing,
    )  # fmt: skip


def _column(bindings: Iterable[Binding], key: Field[Any]) -> str:
    """The column of the key; its name where there are no rows and no columns."""
    return next((binding.column for binding in bindings if binding.target.field is key), key.name)


def _key(model: type[Model], key: str) -> Field[Any]:
    names = {model._meta.by_wire[wire].name for wire in model._meta.resource.keys if wire in model._meta.by_wire}
    names.add("id")
    arguments.name(key, "The key")
    field = model._meta.fields.get(key) or model._meta.by_wire.get(key)
    if field is None or field.name not in names:
        raise FieldError(f"{model.__name__} cannot be matched by {key!r}.{did_you_mean(str(key), names)}")
    return field


# --- columns --------------------------------------------------------------------------------------------


def _bindings(
    client: Client, model: type[Model], table: Table, mapping: Mapping[str, Mapped] | None
) -> Flow[tuple[list[Binding], list[str]]]:
    """Where the columns go, and those of an export that no field stands for."""
    account = client.account_fields.of(model._meta.resource.name)
    if mapping is not None:
        _check_columns(table, mapping)
        _check_goals(model, mapping)
    if account is None and _needs_account(model, table, mapping):
        account = yield from fetch_account_fields(client, model)
    unknown = _unknown(model, table, account) if mapping is None else []
    columns = [column for column in table.columns if column not in unknown]
    return bindings_of(model, columns, mapping, account), unknown


def _needs_account(model: type[Model], table: Table, mapping: Mapping[str, Mapped] | None) -> bool:
    """Whether a column goes to a custom field that no class declares, or may go to one."""
    targets = [find_target(model, goal, None) for goal in (table.columns if mapping is None else _goals(mapping))]
    return any(target is None or target.field is None for target in targets)


def _unknown(model: type[Model], table: Table, account: KnownFields | None) -> list[str]:
    """The columns of an export that hold what the library does not know."""
    # Where a custom field has that name, the export calls the field's column `custom_extra`.
    if not table.is_wire and {"extra", "custom_extra"} <= set(table.columns):
        return ["extra"]
    candidates = table.columns if table.is_wire else {"extra"}.intersection(table.columns)
    return [column for column in candidates if find_target(model, column, account) is None]


def _check_columns(table: Table, mapping: Mapping[str, Mapped]) -> None:
    for column in mapping:
        head = column.split(".")[0] if isinstance(column, str) else column
        if table.rows and column not in table.columns and head not in table.columns:
            raise FieldError(f"No row has a column {column!r}.{did_you_mean(str(column), table.columns)}")


def _check_goals(model: type[Model], mapping: Mapping[str, Mapped]) -> None:
    """Raise `FieldError` for a field that does not exist, before a request. Labels are written as `custom.Label`."""
    for goal in _goals(mapping):
        target_of(model, goal, None)


def _goals(mapping: Mapping[str, Mapped]) -> list[str]:
    return [goal[0] if isinstance(goal, tuple) else goal for goal in mapping.values()]


# --- rows -----------------------------------------------------------------------------------------------


def _rows(
    client: Client, table: Table, bindings: list[Binding], key: Field[Any], options: ReconcileOptions
) -> tuple[dict[str, RowValues], list[str]]:
    """The rows by their key as it compares, and the keys of those that were merged into an earlier row."""
    own = next((binding for binding in bindings if binding.target.field is key), None)
    if own is None and not (table.columns or bindings):
        return {}, []  # an empty list of dicts
    if own is None:
        raise FieldError(f"No column is mapped to the key {key.name!r}: add it to mapping.")
    reader = RowReader(table, bindings, client.zone, options.rows)
    wanted: dict[str, RowValues] = {}
    merged: list[str] = []
    for row in reader.rows(key):
        value = row.values.pop(own, None)
        if value is None:
            if is_empty(row.cells.get(own)):
                reader.problems.append(f"{row.label} has no {key.name}")
            continue
        row.key = normal(value)
        folded = fold(key.wire, row.key)
        earlier = wanted.setdefault(folded, row)
        if earlier is row:
            continue
        if options.duplicates == "raise":
            reader.problems.append(f"{earlier.label} and {row.label} have the same {key.name}")
        earlier.values.update(row.values)
        earlier.cells.update(row.cells)
        merged.append(folded)
    reader.raise_for_problems()
    return wanted, merged


def _records(queryset: QuerySet[M], bindings: Iterable[Binding], key: Field[Any]) -> Flow[dict[str, list[M]]]:
    """The records that there are, by the key as it compares, with the fields that the columns go to."""
    model = queryset.model
    wires = {"custom" if binding.target.field is None else binding.target.field.wire for binding in bindings}
    names = [
        item.name for item in model._meta.by_wire.values() if item.wire in {*wires, key.wire} and item.name != "id"
    ]
    records: dict[str, list[M]] = {}
    for record in (yield from queryset.include_hidden().only(*names)._all()):
        value = getattr(record, key.name)
        if isinstance(value, str):
            records.setdefault(fold(key.wire, normal(value)), []).append(record)
    return records


def _values(wire: str, records: Mapping[str, Iterable[Model]]) -> set[str]:
    """The values of a key that records have, as they compare."""
    values = (record._wire.get(wire) for some in records.values() for record in some)
    return {fold(wire, normal(value)) for value in values if value not in (None, "")}


class _Comparison(Generic[M]):
    """Rows against records, row by row."""

    def __init__(self, queryset: QuerySet[M], table: Table, key: Field[Any], records: Mapping[str, list[M]]) -> None:
        self._queryset = queryset
        self._table = table
        self._key = key
        self._records = records
        wires = [wire for wire in queryset.model._meta.resource.keys if wire not in ("_id", key.wire)]
        self._taken = {wire: _values(wire, records) for wire in wires}
        self.creates: list[M] = []
        self.updates: list[M] = []
        self.unchanged = 0
        self.made: dict[str, M] = {}
        self.problems: list[str] = []

    def add(self, folded: str, row: RowValues) -> None:
        """Compare one row."""
        matches = self._records.get(folded, [])
        if len(matches) > 1:
            self.problems.append(f"{row.label}: {len(matches)} records have its {self._key.name} already")
            return
        try:
            record = matches[0] if matches else self._new(row)
            if not matches:
                self._refuse_taken(row)
            fill(record, row, self._table)
            if not matches:
                relate(self._queryset, [record])
                record.full_clean()
            is_changed = not matches or bool(record.changes())
            if is_changed:
                record._payload()  # raises for what a plan should not promise
        except (ValidationError, FieldError, ReadOnlyError) as wrong:
            self.problems.append(f"{row.label}: {wrong}")
            return
        self._sort(record, is_new=not matches, is_changed=is_changed)
        self.made[folded] = record

    def _refuse_taken(self, row: RowValues) -> None:
        """Refuse a new record with another key that is taken: Planhat may change the record that has it instead."""
        for binding, value in row.values.items():
            field = binding.target.field
            if field is None or binding.target.related is not None or field.wire not in self._taken or value is None:
                continue
            if fold(field.wire, normal(value)) in self._taken[field.wire]:
                raise ValidationError(
                    f"its {field.name} is that of a record with another {self._key.name}: leave it out, and send it "
                    f"when this one exists"
                )

    def _new(self, row: RowValues) -> M:
        model: type[M] = self._queryset.model
        if self._key.name == "id":
            raise ValidationError(f"there is no {model.__name__} with this id, and Planhat gives new ones theirs")
        return model(**{self._key.name: row.key})

    def _sort(self, record: M, *, is_new: bool, is_changed: bool) -> None:
        if is_new:
            self.creates.append(record)
        elif is_changed:
            self.updates.append(record)
        else:
            self.unchanged += 1
