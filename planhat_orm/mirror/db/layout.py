"""Layouts: which columns a resource's table has, read off the model's declaration.

A column is named as the Python field is and holds `field.kind.comparable(raw)`, or the JSON itself where a kind
compares by nothing. So SQL and the Python predicate read the same values. Classes that share a resource (a
user's `Account(Company)`) share its table: custom fields are inside `custom`.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from functools import cache
from types import MappingProxyType
from typing import Any, Literal

from msgspec import Struct

from ... import arguments, runtime
from ...errors import ConfigurationError
from ...fields.relations import Many, Ref
from ...models import resources as declared
from ...names import did_you_mean
from ...query.kinds import Kind
from ...wire.resources import Resource

Storage = Literal["text", "number", "integer", "boolean", "json"]

SHARED_TABLES = {"note": ("conversation", "type", "note")}
"""Resources that are rows of another one's table, and the wire field and value that tell them apart: a list of
notes is the list of conversations (docs/reference/planhat-api.md section 17), so keeping both would fetch every one
twice."""


ASKED_FOR = {"metric"}
"""Resources that are synced when named only: a value for every record, metric and day is a lot."""


class Column(Struct, frozen=True):
    """One column: its names in Python and on the wire, what it compares by, and how it is stored."""

    name: str
    wire: str
    kind: Kind
    storage: Storage
    indexed: bool = False


class Layout(Struct, frozen=True, eq=False):
    """The table of one resource. `only` is the condition under which a row belongs to it (see `SHARED_TABLES`).

    `derived` are the columns that no record holds: they are worked out of `columns`, and looked up only. `by_wire` has
    both.
    """

    resource: Resource
    table: str
    columns: tuple[Column, ...]
    by_wire: Mapping[str, Column]
    only: tuple[Column, str] | None = None
    derived: tuple[Column, ...] = ()

    @property
    def name(self) -> str:
        """The resource's name."""
        return self.resource.name


def listed(resource: Resource) -> bool:
    """Whether the API lists the resource at all; user activities are sent and never read back."""
    return "list" in resource.operations


@cache
def layouts() -> Mapping[str, Layout]:
    """The layout of every resource that can be mirrored, by name."""
    models = {name: getattr(declared, name) for name in declared.__all__}
    reached = {
        (models[relation.model_name]._meta.resource.name, relation.via)
        for model in models.values()
        for relation in model._meta.relations.values()
        if isinstance(relation, Many)
    }
    found = {
        model._meta.resource.name: _layout(model, reached) for model in models.values() if listed(model._meta.resource)
    }
    for name, (table_name, wire, value) in SHARED_TABLES.items():
        table = found[table_name]
        only = (table.by_wire[wire], value)
        found[name] = Layout(found[name].resource, table.table, table.columns, table.by_wire, only)
    return MappingProxyType(found)


def layout_for(name: str) -> Layout:
    """The layout of the resource called `name`; an error for one that has no list to mirror."""
    try:
        return layouts()[name]
    except KeyError:
        raise ConfigurationError(f"{name} cannot be mirrored: Planhat does not list it.") from None


def tables() -> Iterable[Layout]:
    """One layout for each table."""
    return (layout for layout in layouts().values() if layout.only is None)


def resources_of(models: Iterable[Any] | None) -> list[str]:
    """The names of the tables behind model classes (or names of models or resources), parents before children.

    None stands for every model that the program knows.
    """
    chosen: dict[str, int] = {}
    for model in runtime.models.values() if models is None else arguments.many("models", models):
        resource = _resource(model)
        if models is None and (not listed(resource) or resource.name in ASKED_FOR):
            continue
        chosen[layout_for(resource.name).table] = 0
    return sorted(chosen, key=lambda name: (layouts()[name].resource.write_order, name))


def layout_of(model: Any) -> Layout:
    """The layout of a model class (or the name of a model or resource): of notes, the part of the table they are."""
    return layout_for(_resource(model).name)


def _resource(model: Any) -> Resource:
    if isinstance(model, str):
        if model in layouts():
            return layouts()[model].resource
        if model not in runtime.models:
            raise ConfigurationError(f"There is no model {model!r}.{did_you_mean(model, runtime.models)}")
        model = runtime.models[model]
    resource: Resource = arguments.model("A mirror", model)._meta.resource
    return resource


def _layout(model: Any, reached: set[tuple[str, str]]) -> Layout:
    resource: Resource = model._meta.resource
    keys = {*resource.keys, *(resource.field_for(form) for form in resource.id_forms), resource.stamp}
    keys |= {field.wire for field in model._meta.fields.values() if (resource.name, field.name) in reached}
    derived = tuple(_column(field, keys) for field in model._meta.fields.values() if field.is_derived)
    columns = tuple(_column(field, keys) for field in model._meta.by_wire.values())
    by_wire = MappingProxyType({column.wire: column for column in (*columns, *derived)})
    return Layout(resource, resource.name, columns, by_wire, derived=derived)


def _column(field: Any, keys: set[str | None]) -> Column:
    return Column(field.name, field.wire, field.kind, field.kind.column, _indexed(field, keys))


def references(layout: Layout) -> list[tuple[str, Layout]]:
    """The columns that hold ids of records of another table, or of this one, and that table's layout."""
    models = (getattr(declared, name) for name in declared.__all__)
    model = next(item for item in models if item._meta.resource is layout.resource)
    found = []
    for field in model._meta.fields.values():
        if isinstance(field, Ref):
            target = getattr(declared, field.model)._meta.resource.name
            if target in layouts():
                found.append((field.name, layout_for(target)))
    return found


def _indexed(field: Any, keys: set[str | None]) -> bool:
    """Keys, what relations come back by, the time of last change, and references to companies."""
    if field.wire == "_id" or field.kind.column == "json":
        return False
    return field.wire in keys or (isinstance(field, Ref) and field.model == "Company")
