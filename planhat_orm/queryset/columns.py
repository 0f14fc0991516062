"""Columns of a table as fields of a model: which field a name stands for, and what the cells of a row say of it."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from datetime import tzinfo
from typing import Any, Literal

from .. import arguments
from ..errors import ConfigurationError, FieldError, NotFound, PermissionDenied, ValidationError
from ..fields import Custom, ManyToMany, One
from ..fields.account import KIND_OF, KnownFields, spelled
from ..fields.base import Field
from ..fields.scalars import Refused, described
from ..http.effects import Flow
from ..http.flows import collected
from ..models.base import Model
from ..models.declared_customs import declared_customs, disputed, label_named
from ..models.generate import python_name
from ..names import did_you_mean
from ..query import kinds
from ..query.kinds import Kind
from ..query.query import Query
from ..runtime import Client
from ..tabular.cells import Dates, Unreadable, is_empty, read_cell
from ..tabular.dates import Ambiguous, reader
from ..tabular.table import ABSENT, Table, cell_at

Converter = Callable[[Any], Any]
Empty = Literal["skip", "clear"]
_SHOWN = 10
_CONVERTING = (ValueError, TypeError, LookupError, AttributeError, ArithmeticError)


@dataclass(frozen=True, slots=True, eq=False)
class RelatedKey:
    """A field of related records that cells name them by, such as the company's `source_id`."""

    relation: One[Any] | ManyToMany[Any]
    field: Field[Any]


@dataclass(frozen=True, slots=True, eq=False)
class Target:
    """What a column says of a record.

    `field` is None for a custom field that no class declares: its `label` names it. `is_wire` says that the name is
    Planhat's, and values are too. `related` is set where cells hold keys of other records, whose ids are looked up.
    """

    name: str
    kind: Kind
    field: Field[Any] | None
    related: RelatedKey | None = None
    label: str = ""
    is_wire: bool = False
    is_readonly: bool = False


@dataclass(frozen=True, slots=True, eq=False)
class Binding:
    """Where one column's cells go. What `convert` or reading as another kind makes of a cell is the field's cell."""

    column: str
    target: Target
    convert: Converter | None = None
    read_as: Kind | None = None


@dataclass(frozen=True, slots=True)
class RowOptions:
    """How rows are read. `dayfirst` and `format` are of dates in numbers, for all columns or, as a dict, for some."""

    empty: Empty = "skip"
    dayfirst: bool | None = None
    format: str | Mapping[str, str] | None = None

    def check(self) -> None:
        """Raise `FieldError` for what is no such option."""
        arguments.choice("empty", self.empty, ("skip", "clear"))
        if self.dayfirst is not None:
            arguments.flag("dayfirst", self.dayfirst)


@dataclass(slots=True)
class RowValues:
    """What a row says: its `values`, None for what it clears, and the `cells` as they were. Its `key` is set apart."""

    number: int
    label: str
    key: Any = None
    values: dict[Binding, Any] = field(default_factory=dict)
    cells: dict[Binding, Any] = field(default_factory=dict)


# --- the account's custom fields ------------------------------------------------------------------------


def fetch_account_fields(client: Client, model: type[Model]) -> Flow[KnownFields | None]:
    """The custom fields that the account has for a model: one request where they are not known yet.

    None where the model has none, and where they cannot be read: offline, or without permission.
    """
    if "custom" not in model._meta.fields:
        return None
    resource = model._meta.resource.name
    fields = client.account_fields.of(resource)
    if fields is None and not client.is_offline:
        try:
            yield from collected(client.source("api").pages(Query("custom_field")))
        except (PermissionDenied, NotFound):
            return None
        fields = client.account_fields.of(resource)
    return fields


# --- names ----------------------------------------------------------------------------------------------


def target_of(model: type[Model], name: str, account: KnownFields | None) -> Target:
    """What a name stands for: a field's name in Python or on the wire, a custom field, or a key of related records."""
    target = find_target(model, name, account)
    if target is None:
        raise model._meta.unknown(model, name)
    return target


def find_target(model: type[Model], name: str, account: KnownFields | None) -> Target | None:
    """What `target_of` says, or None where no field has that name."""
    if not isinstance(name, str):
        raise FieldError(f"A column goes to a field by its name, not to a {type(name).__name__}.")
    meta = model._meta
    path = spelled((*name.split("__"),), lookup=False)
    if path[0] == "custom" and len(path) == 2 and "custom" in meta.fields:
        return _custom(model, path[1], account, name)
    for fields, is_wire in ((meta.fields, False), (meta.by_wire, True)):
        if name in fields:
            return _of_field(fields[name], is_wire)
    relation = meta.relations.get(path[0])
    if isinstance(relation, (One, ManyToMany)):
        return _related(relation, path)
    label = _label(model, name, account)
    return None if label is None else _custom(model, label, account, name)


def _of_field(field: Field[Any], is_wire: bool) -> Target:
    return Target(field.name, field.kind, field, is_wire=is_wire, is_readonly=field.readonly)


def _custom(model: type[Model], label: str, account: KnownFields | None, name: str) -> Target:
    declared = model._meta.customs.get(label)
    if declared is not None:
        return _of_field(declared, False)
    resource = model._meta.resource.name
    listed, elsewhere = (account or {}).get(label), declared_customs(resource).get(label)
    typed_by = listed if listed is not None and label in disputed(resource) else elsewhere or listed
    return Target(
        name,
        typed_by.kind if typed_by is not None else kinds.ANY,
        None,
        label=label,
        is_readonly=listed is not None and listed.readonly,
    )


def _label(model: type[Model], name: str, account: KnownFields | None) -> str | None:
    """The custom field that a column is called after, by its label or by the name that exports give it."""
    if "custom" not in model._meta.fields:
        return None
    resource = model._meta.resource.name
    labels = {*(account or ()), *declared_customs(resource)}
    if name in labels:
        return name
    named = label_named(resource, name)
    if named is not None:
        return named
    bare = name.removeprefix("custom_")
    return next((label for label in sorted(labels) if python_name(label, ()) in (name, bare)), None)


def _related(relation: One[Any] | ManyToMany[Any], path: tuple[str, ...]) -> Target:
    via = relation.owner._meta.fields.get(relation.via)
    if len(path) == 1 and via is not None:
        return _of_field(via, False)
    far = relation.model._meta.fields.get(path[1]) if len(path) == 2 else None
    if far is None or via is None:
        names = [name for name, item in relation.model._meta.fields.items() if item.kind.name in ("text", "id")]
        raise FieldError(
            f"{'__'.join(path)!r} names no field of {relation.model.__name__}."
            f"{did_you_mean('__'.join(path[1:]), names, f'{path[0]}__')}"
        )
    return Target("__".join(path), far.kind, via, RelatedKey(relation, far), is_readonly=via.readonly)


# --- rows -----------------------------------------------------------------------------------------------


class RowReader:
    """Reads the rows of a table as values of fields; what is wrong with any is gathered in `problems`."""

    def __init__(self, table: Table, bindings: list[Binding], zone: tzinfo, options: RowOptions) -> None:
        options.check()
        self._table = table
        self._bindings = bindings
        self._zone = zone
        self._options = options
        self.problems: list[str] = []
        self._dates = {binding: self._reader(binding) for binding in bindings if _is_dated(binding)}

    def rows(self, key: Field[Any] | None = None) -> Iterator[RowValues]:
        """The values of each row. A cell of the `key` that is empty clears nothing."""
        for number, row in enumerate(self._table.rows):
            values = RowValues(number, self._table.label(number))
            for binding in self._bindings:
                cell = cell_at(row, binding.column)
                if cell is not ABSENT:
                    self._read(binding, cell, values, binding.target.field is key)
            yield values

    def _read(self, binding: Binding, cell: Any, row: RowValues, is_key: bool) -> None:
        row.cells[binding] = cell
        try:
            if isinstance(cell, Unreadable):
                raise Refused("a value", cell.what)
            if binding.convert is not None and not is_empty(cell):
                cell = row.cells[binding] = binding.convert(cell)
            if not is_empty(cell):
                row.values[binding] = self._value(binding, cell)
            elif self._options.empty == "clear" and not is_key:
                row.values[binding] = None
        except _CONVERTING as wrong:
            self.problems.append(f"{row.label}, column {binding.column!r}: {_said(wrong, cell)}")

    def _value(self, binding: Binding, cell: Any) -> Any:
        target, dates = binding.target, self._dates.get(binding)
        if isinstance(cell, Model):
            return cell
        if binding.read_as is not None:
            cell = read_cell(binding.read_as, cell, self._zone, dates)
        elif binding.convert is None and (target.is_wire or self._table.is_wire) and _is_wire_value(target.kind, cell):
            return target.kind.load(cell)
        if target.related is not None and isinstance(target.related.relation, ManyToMany):
            return [read_cell(kinds.TEXT, item, self._zone) for item in read_cell(kinds.LIST, cell, self._zone)]
        value = read_cell(target.kind, cell, self._zone, dates)
        return normal(value) if is_key_like(target) else value

    def _reader(self, binding: Binding) -> Dates | None:
        cells = (cell_at(row, binding.column) for row in self._table.rows)
        format = self._options.format
        chosen = format if isinstance(format, str) or format is None else format.get(binding.column)
        if binding.convert is not None and chosen is None and self._options.dayfirst is None:
            return None  # what a function makes of the column is not known before
        try:
            texts = [cell for cell in cells if isinstance(cell, str) and cell.strip()]
            return reader(texts, self._options.dayfirst, chosen)
        except Ambiguous as wrong:
            raise ValidationError(f"Column {binding.column!r} cannot be read; nothing was sent: {wrong}.") from None
        except ConfigurationError as wrong:
            raise FieldError(str(wrong)) from None

    def raise_for_problems(self) -> None:
        """Raise `ValidationError` naming the first rows that cannot be read."""
        refuse(self.problems, "read")


def _is_wire_value(kind: Kind, cell: Any) -> bool:
    """Whether a cell is a value as Planhat's JSON has it; text is read as a person's, and numbers may be keys."""
    if kind.name in ("text", "id", "ref"):
        return isinstance(cell, (list, dict))
    return isinstance(cell, (bool, int, float, list, dict))


def refuse(problems: list[str], verb: str) -> None:
    """Raise `ValidationError` for rows that cannot be read, or sent, if there are any."""
    if problems:
        more = f" (and {len(problems) - _SHOWN} more)" if len(problems) > _SHOWN else ""
        count = f"{len(problems)} row{'' if len(problems) == 1 else 's'}"
        raise ValidationError(f"{count} cannot be {verb}; nothing was sent. {'; '.join(problems[:_SHOWN])}{more}")


def normal(value: Any) -> Any:
    """A key without blanks around it, its letters composed: what looks alike is alike."""
    from unicodedata import normalize

    return normalize("NFC", value.strip()) if isinstance(value, str) else value


def is_key_like(target: Target) -> bool:
    """Whether a column holds keys: ids, and texts by which records are matched."""
    return is_key_field(target.related.field if target.related is not None else target.field)


def is_key_field(field: Field[Any] | None) -> bool:
    """Whether a field holds an id, or a text by which records are matched."""
    if field is None or isinstance(field, Custom):
        return False
    return field.kind in (kinds.ID, kinds.REF) or field.wire in ("externalId", "sourceId", "extId", "email")


def _is_dated(binding: Binding) -> bool:
    return not {binding.target.kind, binding.read_as}.isdisjoint((kinds.DATETIME, kinds.DAY))


def _said(wrong: Exception, cell: Any) -> str:
    if isinstance(wrong, Refused):
        return f"must be {wrong}, not {wrong.got}"
    return f"{wrong}" if isinstance(wrong, ValueError) else f"{type(wrong).__name__} from {described(cell)}"


def bindings_of(
    model: type[Model],
    columns: Iterable[str],
    mapping: Mapping[str, str | tuple[str, Converter | Kind | type]] | None,
    account: KnownFields | None,
) -> list[Binding]:
    """Where the columns go: as a mapping says, or each to the field that it is called after."""
    chosen = mapping if mapping is not None else {column: column for column in columns}
    bindings = []
    for column, target in chosen.items():
        name, convert = target if isinstance(target, tuple) else (target, None)
        bindings.append(_binding(column, target_of(model, name, account), convert))
    _check_once(bindings)
    return bindings


def _binding(column: str, target: Target, convert: Converter | Kind | type | None) -> Binding:
    """A binding whose cells are read as a kind first, which is that of a field nobody knows; or by a function."""
    kind = KIND_OF.get(convert) if isinstance(convert, type) else convert
    if isinstance(kind, Kind):
        return Binding(column, replace(target, kind=kind) if target.kind is kinds.ANY else target, read_as=kind)
    if convert is not None and not callable(convert):
        raise FieldError(f"Column {column!r} is converted by a function or a type such as date, not by {convert!r}.")
    return Binding(column, target, convert)


def _check_once(bindings: list[Binding]) -> None:
    """Two columns may not say the same thing, such as `externalId` and `external_id`."""
    seen: dict[int | str, str] = {}
    for binding in bindings:
        key = id(binding.target.field) if binding.target.field is not None else binding.target.label
        if key in seen:
            raise FieldError(f"The columns {seen[key]!r} and {binding.column!r} both go to {binding.target.name}.")
        seen[key] = binding.column
