"""The custom fields that are known, for views and exports; and the indexes that `Custom(..., index=True)` asks for.

Known are those that the program declares on its classes, and those that the account itself lists (`/customfields`),
as far as that list was synced: so a mirror that the command line keeps has them, too.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from sqlalchemy import Connection, Text, cast, select, text

from ...fields.account import KIND_OF, TYPES, folded
from ...models import resources as declared
from ...models.declared_customs import column_names, declared_customs, disputed
from ...models.generate import python_name
from ...query.kinds import Kind
from ..db import state, tables
from ..db.codec import decode as json_decode
from ..db.json_text import path
from ..db.layout import Layout, layout_for, layouts

if TYPE_CHECKING:
    from ..db.database import Database

PREFIX = "custom__"


@dataclass(frozen=True, slots=True)
class CustomColumn:
    """A custom field: the column it becomes, its label in Planhat, and what it compares by."""

    name: str
    label: str
    kind: Kind


def known(connection: Connection, layout: Layout, taken: Iterable[str]) -> list[CustomColumn]:
    """The custom fields of a table, sorted by label; names that are `taken` are told apart by a prefix."""
    if "custom" not in layout.by_wire:
        return []
    declared_here = declared_customs(layout.name)
    columns = column_names(layout.name)
    found = {label: (columns[label], custom.kind) for label, custom in sorted(declared_here.items())}
    unclear = disputed(layout.name)
    rows = tables.records(layout_for("custom_field"))
    parents = {folded(name) for name in declared.__all__ if _layout_of(name) == layout.table}
    for row in connection.execute(select(rows.c.name, rows.c.type, rows.c.parent).order_by(rows.c.name)):
        if row.name and (row.name not in found or row.name in unclear) and folded(row.parent or "") in parents:
            name = columns.get(row.name) or python_name(row.name, ())
            found[row.name] = (name, KIND_OF[TYPES.get(row.type, str)])
            unclear.discard(row.name)
    names = {name.lower() for name in taken}
    fields = []
    for label, (name, kind) in found.items():
        # Names of columns are told apart without regard to case. Those of classes go first.
        chosen = name if name.lower() not in names else f"custom_{name}"
        if chosen.lower() not in names:
            names.add(chosen.lower())
            fields.append(CustomColumn(chosen, label, kind))
    fields.sort(key=lambda one: one.label)
    return fields


def listed(connection: Connection) -> list[dict[str, Any]] | None:
    """The account's own list, as far as one needs it; None where it was not synced to its end."""
    found = state.load_all(connection).get("custom_field")
    if found is None or not found.complete:
        return None
    table = tables.records(layout_for("custom_field"))
    columns = {"_id": table.c.id, "name": table.c.name, "type": table.c.type, "parent": table.c.parent,
               "isFormula": table.c.is_formula}  # fmt: skip
    rows = connection.execute(select(*columns.values(), cast(table.c.list_values, Text)))
    return [
        {**dict(zip(columns, row, strict=False)), "listValues": None if row[-1] is None else json_decode(row[-1])}
        for row in rows
    ]


def _layout_of(model: str) -> str | None:
    """The table of a model's records."""
    name: str = getattr(declared, model)._meta.resource.name
    return layouts()[name].table if name in layouts() else None


def index(database: Database, names: Iterable[str]) -> None:
    """Make the indexes that are declared and not there. They are found by what they index, not by who asked."""
    wanted = {
        index_name(name, label): (name, label)
        for name in names
        for label, custom in declared_customs(name).items()
        if custom.index and path((label,)) is not None and "\0" not in label
    }
    if not wanted:
        return
    there = database.indexes()
    missing = {name: found for name, found in wanted.items() if name not in there}
    if not missing:
        return
    with database.writing() as connection:
        quote = connection.dialect.identifier_preparer.quote
        for name, (table, label) in missing.items():
            literal = (label if database.postgres else str(path((label,)))).replace("'", "''").replace(":", "\\:")
            collation = ' COLLATE "C"' if database.postgres else ""
            expression = f"(custom ->> '{literal}'){collation}"
            connection.execute(text(f"CREATE INDEX IF NOT EXISTS {quote(name)} ON {quote(table)} ({expression})"))


def index_name(table: str, label: str) -> str:
    """The index's name: labels may hold anything, names of indexes may not."""
    return f"{PREFIX}{table}__{hashlib.sha1(label.encode(), usedforsecurity=False).hexdigest()[:12]}"
