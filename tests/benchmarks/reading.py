"""Reading a mirror: rows, objects, frames and single records, against scripts that do the same with `sqlite3`."""

from __future__ import annotations

import sqlite3
import tempfile
from collections.abc import Callable, Iterator, Sequence
from datetime import datetime
from functools import partial
from importlib import import_module
from pathlib import Path
from statistics import median
from typing import Any

import msgspec

from planhat_orm import Company, Planhat
from planhat_orm.mirror.db.layout import Column, layout_for

from .data_sets import companies
from .jobs import pages
from .measure import Line, Scale, in_a_process, medians, middle, rounds
from .run import Run
from .server import serving

NAMES = ("name", "mrr", "updated_at")
_GETS = 200


def run(scale: Scale) -> Iterator[Line]:
    with tempfile.TemporaryDirectory(ignore_cleanup_errors=True) as folder, serving(scale.rows) as url:
        path = Path(folder) / "mirror.db"
        with Planhat(
            api_url=url, api_token="test-token", mirror=path, calls_per_min=1e6, read="mirror", scan="allow"
        ) as planhat:
            planhat.sync(Company)
            database = sqlite3.connect(path)
            for what, ours, script, of, must in (*_cases(database, scale.rows), *_frames(database, url)):
                yield _line(what, medians(scale.times, ours, script), of, must)
            database.close()
        yield from _memory(scale, url, path)
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


def _frames(database: sqlite3.Connection, url: str) -> Iterator[Case]:
    _pandas(_polars(_table(database)).to_arrow())  # imports them
    every, by_column = Company.objects.all(), "sqlite3, pyarrow, by column"
    yield "to_polars()", lambda: every.all().to_polars(), lambda: _polars(_table(database)), by_column, 1.5
    yield "to_pandas()", lambda: every.all().to_pandas(), lambda: _pandas(_table(database)), by_column, 1.5
    yield "to_arrow()", lambda: every.all().to_arrow(), lambda: _table(database), by_column, 1.5
    yield (
        "to_polars() from the API",
        lambda: every.using("api").to_polars(),
        lambda: _polars(_fetched(url)),
        "http.client, msgspec, pyarrow, by column",
        1.3,
    )


def _memory(scale: Scale, url: str, path: Path) -> Iterator[Line]:
    """What a frame adds to the most that a process held, in sizes of the frame."""
    for read, what in (("mirror", "to_polars(), memory"), ("api", "to_polars() from the API, memory")):
        (runs,) = rounds(scale.times, partial(_framed, url, path, read))
        assert all(run.said["rows"] == scale.rows for run in runs)
        found = median(run.said["added"] / run.said["frame"] for run in runs)
        yield Line(what, middle(runs).processor, found, "the frame", must=3)


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


def _framed(url: str, path: Path, read: str, number: int) -> Run:
    return in_a_process("frame", url, path, read)


def _table(database: sqlite3.Connection) -> Any:
    """The frame that somebody makes who knows the table: columns as columns, JSON decoded, dates parsed by Arrow."""
    import pyarrow

    columns = layout_for("company").columns
    names = ", ".join(f'"{column.name}"' for column in columns)
    cells = zip(*database.execute(f"SELECT {names} FROM company ORDER BY id").fetchall(), strict=True)
    made: dict[str, Any] = {}
    for column, values in zip(columns, cells, strict=True):
        if column.storage == "json":
            present = iter(msgspec.json.decode(f"[{','.join(filter(None, values))}]"))
            read = [None if value is None else next(present) for value in values]
            made.update(_nested(column, read, values))
        else:
            made[column.name] = _plain(column, values)
    return pyarrow.table(made)


def _fetched(url: str) -> Any:
    """The same of the pages of the API."""
    import pyarrow

    records = [record for page in pages(url, 5000, "companies") for record in msgspec.json.decode(page)]
    made: dict[str, Any] = {}
    for column in layout_for("company").columns:
        values = [record.get(column.wire) for record in records]
        if column.kind.name == "datetime":
            values = [value if isinstance(value, str) else None for value in values]
        if column.storage == "json":
            made.update(_nested(column, values))
        else:
            made[column.name] = _plain(column, values)
    return pyarrow.table(made)


def _encoded(value: Any) -> str | None:
    return None if value is None else msgspec.json.encode(value).decode()


def _nested(column: Column, read: list[Any], texts: Sequence[str | None] | None = None) -> dict[str, Any]:
    import pyarrow

    if column.name == "custom":
        labels = dict.fromkeys(label for value in read if value for label in value)
        customs = [value or {} for value in read]
        return {f"custom.{label}": pyarrow.array([custom.get(label) for custom in customs]) for label in labels}
    if column.kind.name == "list" and all(isinstance(text, str) for value in read if value for text in value):
        return {column.name: pyarrow.array(read, pyarrow.list_(pyarrow.string()))}
    return {column.name: pyarrow.array(texts or list(map(_encoded, read)), pyarrow.string())}


def _plain(column: Column, values: Sequence[Any]) -> Any:
    import pyarrow

    if column.kind.name == "datetime":
        return pyarrow.array(values, pyarrow.string()).cast(pyarrow.timestamp("ms", tz="UTC"))
    return pyarrow.array(values, pyarrow.float64() if column.storage == "number" else None)


def _polars(table: Any) -> Any:
    import polars

    return polars.from_arrow(table)


def _pandas(table: Any) -> Any:
    pandas: Any = import_module("pandas")

    return table.to_pandas(types_mapper=pandas.ArrowDtype)


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
