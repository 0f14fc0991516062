"""Reading a mirror: rows, objects, frames and single records, against scripts that do the same with `sqlite3`."""

from __future__ import annotations

import sqlite3
import tempfile
from collections.abc import Callable, Iterator
from datetime import datetime
from pathlib import Path
from typing import Any

import msgspec

from planhat_orm import Company, Planhat

from .data_sets import companies
from .measure import Line, Scale, medians
from .server import serving

NAMES = ("name", "mrr", "updated_at")
_GETS = 200


def run(scale: Scale) -> Iterator[Line]:
    with tempfile.TemporaryDirectory(ignore_cleanup_errors=True) as folder, serving(scale.rows) as url:
        path = Path(folder) / "mirror.db"
        with Planhat(api_url=url, api_token="test-token", mirror=path, calls_per_min=1e6, read="mirror") as planhat:
            planhat.sync(Company)
            database = sqlite3.connect(path)
            for what, ours, script, of, must in _cases(database, scale.rows):
                yield _line(what, medians(scale.times, ours, script), of, must)
            database.close()
    yield from _changes(scale)


def _line(what: str, seconds: tuple[float, ...], of: str, must: float | None = None) -> Line:
    return Line(what, seconds[0], seconds[0] / seconds[1], of, must=must)


Case = tuple[str, Callable[[], object], Callable[[], object], str, float | None]


def _cases(database: sqlite3.Connection, rows: int) -> Iterator[Case]:
    every = Company.objects.all()
    tuples = "sqlite3 and fromisoformat"
    yield "values() of three fields", lambda: list(every.values(*NAMES)), lambda: _dicts(database), tuples, None
    yield (
        "values_list() of three fields",
        lambda: list(every.values_list(*NAMES)),
        lambda: _tuples(database),
        tuples,
        None,
    )
    yield (
        "only() three fields, as objects",
        lambda: [(item.name, item.mrr, item.updated_at) for item in every.only(*NAMES)],
        lambda: _objects(database, "id, name, mrr, updated_at"),
        "objects with slots",
        None,
    )
    keys = [key for (key,) in database.execute("SELECT external_id FROM company LIMIT ?", (_GETS,))]
    yield (
        f"get(external_id=...), {len(keys)} times",
        lambda: [Company.objects.get(external_id=key) for key in keys],
        lambda: [database.execute("SELECT * FROM company WHERE external_id = ?", (key,)).fetchone() for key in keys],
        "SELECT * by an index",
        None,
    )
    yield "to_polars()", lambda: every.all().to_polars(), lambda: _frame(database), "sqlite3, pyarrow, by column", 1.5


def _dicts(database: sqlite3.Connection) -> list[dict[str, Any]]:
    return [dict(zip(NAMES, row, strict=True)) for row in _tuples(database)]


def _tuples(database: sqlite3.Connection) -> list[tuple[Any, ...]]:
    read = datetime.fromisoformat
    rows = database.execute("SELECT name, mrr, updated_at FROM company ORDER BY id")
    return [(name, mrr, None if at is None else read(at)) for name, mrr, at in rows]


class _Row:
    __slots__ = ("id", "mrr", "name", "updated_at")

    def __init__(self, id: str, name: str | None, mrr: float | None, at: str | None) -> None:
        self.id, self.name, self.mrr = id, name, mrr
        self.updated_at = None if at is None else datetime.fromisoformat(at)


def _objects(database: sqlite3.Connection, columns: str) -> list[tuple[Any, ...]]:
    rows = [_Row(*row) for row in database.execute(f"SELECT {columns} FROM company ORDER BY id")]
    return [(row.name, row.mrr, row.updated_at) for row in rows]


def _frame(database: sqlite3.Connection) -> Any:
    """The frame that somebody makes who knows the table: columns as columns, JSON decoded, dates parsed by Arrow."""
    import polars
    import pyarrow

    from planhat_orm.mirror.db.layout import layout_for

    columns = layout_for("company").columns
    names = ", ".join(f'"{column.name}"' for column in columns)
    cells = zip(*database.execute(f"SELECT {names} FROM company ORDER BY id").fetchall(), strict=True)
    made: dict[str, Any] = {}
    for column, values in zip(columns, cells, strict=True):
        if column.storage == "json":
            present = iter(msgspec.json.decode(f"[{','.join(filter(None, values))}]"))
            read = [None if value is None else next(present) for value in values]
            if column.name == "custom":
                labels = dict.fromkeys(label for value in read if value for label in value)
                made.update({f"custom.{label}": [(value or {}).get(label) for value in read] for label in labels})
            elif column.kind.name == "list" and all(isinstance(text, str) for value in read if value for text in value):
                made[column.name] = pyarrow.array(read, pyarrow.list_(pyarrow.string()))
            else:
                made[column.name] = pyarrow.array(values, pyarrow.string())
        elif column.kind.name == "datetime":
            made[column.name] = pyarrow.array(values, pyarrow.string()).cast(pyarrow.timestamp("ms", tz="UTC"))
        elif column.storage == "number":
            made[column.name] = pyarrow.array(values, pyarrow.float64())
        else:
            made[column.name] = pyarrow.array(values)
    return polars.from_arrow(pyarrow.table(made))


def _changes(scale: Scale) -> Iterator[Line]:
    """Which of many objects changed, before and after their custom fields were read."""
    objects = [Company.from_wire(wire) for wire in companies(scale.rows)]
    copies = [(dict(item._wire), dict(item._wire)) for item in objects]

    def find() -> object:
        return [item for item in objects if item.changes()]

    def compare() -> object:
        return [pair for pair in copies if pair[0] != pair[1]]

    yield _line("find what changed, of objects as they came", medians(scale.times, find, compare), "== of dicts")
    for item in objects:
        item.custom  # noqa: B018
    yield _line("the same, after custom was read", medians(scale.times, find, compare), "== of dicts")
