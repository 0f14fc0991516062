"""What Datasette is told of a mirror: which tables are internal, what columns are, how to sort and count, questions."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ...fields.relations import Ref
from ...mirror.db import fork_gate
from ...mirror.db.layout import Layout, tables
from ...mirror.sharing.views import PREFIX, custom_columns
from ...models import resources as declared
from ...models.base import Model
from .questions import questions

if TYPE_CHECKING:
    from ...mirror.db.database import Database

_FACETS = (
    "status", "phase", "owner_name", "renewal_status", "sales_stage", "stage", "type", "product", "severity",
    "priority", "country", "source", "auto_renews",
)  # fmt: skip
_MOST_FACETS = 4
_SORT_BY_FIRST_OF = ("mrr", "date", "date_answered", "create_date", "end_time", "updated_at")


def described(database: Database, path: Path) -> dict[str, Any]:
    """Datasette's metadata for the mirror in a file."""
    columns = _columns_of(path)
    shown = {
        PREFIX + layout.table: _view_metadata(database, layout, columns[PREFIX + layout.table])
        for layout in tables()
        if PREFIX + layout.table in columns
    }
    hidden = {name: {"hidden": True} for name in columns if name not in shown}
    return {
        "title": "Planhat, from the local copy",
        "description": "Planhat's records as they were at the last sync. Nothing here can be changed.",
        "databases": {
            path.stem: {
                "description": "A view for each model, with the names behind ids. The tables are hidden ones.",
                "tables": {**hidden, **shown},
                "queries": questions(shown.keys()),
            }
        },
    }


def _columns_of(path: Path) -> dict[str, set[str]]:
    """The columns of each table and view of the file."""
    with closing(fork_gate.connect(f"{path.resolve().as_uri()}?mode=ro", uri=True)) as connection:
        names = connection.execute("SELECT name FROM sqlite_master WHERE type IN ('table', 'view')").fetchall()
        return {
            name: {row[1] for row in connection.execute(f"PRAGMA table_info({_quoted(name)})")} for (name,) in names
        }


def model_of(layout: Layout) -> type[Model]:
    """The model whose records a table holds."""
    models: list[type[Model]] = [getattr(declared, name) for name in declared.__all__]
    return next(model for model in models if model._meta.resource is layout.resource)


def _view_metadata(database: Database, layout: Layout, columns: set[str]) -> dict[str, Any]:
    model = model_of(layout)
    sort = next((column for column in _SORT_BY_FIRST_OF if column in columns), None)
    return {
        "description": " ".join((model.__doc__ or "").split("\n\n")[0].split()),
        "columns": {name: text for name, text in _columns(database, layout, model) if name in columns},
        "facets": [column for column in _FACETS if column in columns][:_MOST_FACETS],
        **({} if sort is None else {"sort_desc": sort}),
    }


def _columns(database: Database, layout: Layout, model: type[Model]) -> Iterator[tuple[str, str]]:
    """Each column and what it is: what the declaration says, and its name in Planhat's API."""
    for wire, field in model._meta.by_wire.items():
        says = " ".join((field.__doc__ or "").split()).rstrip(".")
        by = "written by Planhat" if field.readonly else "may be written"
        yield field.name, f"{f'{says}. ' if says else ''}{field.kind.name}, {by}; in the API: {wire}"
        if isinstance(field, Ref):
            yield f"{field.name.removesuffix('_id')}_name", f"The name behind {field.name}"
    for custom in custom_columns(database, layout):
        yield custom.name, f"Custom field {custom.label!r}, {custom.kind.name}"


def _quoted(name: str) -> str:
    return '"' + name.replace('"', '""') + '"'
