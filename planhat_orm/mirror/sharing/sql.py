"""SQL of your own over the mirror: one statement that reads, on a connection that can do nothing else."""

from __future__ import annotations

import re
import sqlite3
from collections.abc import Iterator, Mapping, Sequence
from contextlib import closing, contextmanager
from dataclasses import dataclass, field
from typing import Any

from sqlalchemy import inspect

from ...errors import MirrorError, PlanhatError, ValidationError
from ...html import table
from ...names import did_you_mean
from ...queryset.dataframes import frames_module, pandas_of, polars_of
from ..db import explain, fork_gate, sqlite_functions
from ..db.database import Database

_READS = frozenset(
    {sqlite3.SQLITE_SELECT, sqlite3.SQLITE_READ, sqlite3.SQLITE_FUNCTION, getattr(sqlite3, "SQLITE_RECURSIVE", 33)}
)
_NAMED = re.compile(r"(?<![:\w]):([A-Za-z_]\w*)")
_NO_TABLE = re.compile(r'no such table: (?:main\.)?([^\s]+)|relation "([^"]+)" does not exist')
_WRITES = "This reads: a statement that changes something, or asks for more than the mirror, is refused."


@dataclass(frozen=True, slots=True)
class SqlResult(Sequence[dict[str, Any]]):
    """The rows of a statement: dicts by column, a list of them in every respect. `truncated` says there are more."""

    columns: tuple[str, ...]
    rows: list[tuple[Any, ...]] = field(repr=False)
    truncated: bool = False

    def __len__(self) -> int:
        return len(self.rows)

    def __iter__(self) -> Iterator[dict[str, Any]]:
        return (dict(zip(self.columns, row, strict=True)) for row in self.rows)

    def __getitem__(self, place: Any) -> Any:
        found = self.rows[place]
        return (
            list(type(self)(self.columns, found))
            if isinstance(place, slice)
            else dict(zip(self.columns, found, strict=True))
        )

    def to_arrow(self) -> Any:
        """The rows as an Arrow table. Needs `[frames]`."""
        pyarrow = frames_module("pyarrow")
        columns = list(zip(*self.rows, strict=True)) if self.rows else [()] * len(self.columns)
        return pyarrow.table([pyarrow.array(list(values)) for values in columns], names=list(self.columns))

    def to_pandas(self) -> Any:
        """The rows as a pandas DataFrame with Arrow's types. Needs `[frames]`."""
        return pandas_of(self.to_arrow())

    def to_polars(self) -> Any:
        """The rows as a polars DataFrame. Needs `[frames]`."""
        return polars_of(self.to_arrow())

    def _repr_html_(self) -> str:
        return table(self.columns, self.rows[:20], repr(self))


def sql(database: Database, statement: str, parameters: Mapping[str, object], limit: int | None) -> SqlResult:
    """The rows of one statement, at most `limit` of them."""
    if not isinstance(statement, str) or not statement.strip():
        raise ValidationError("sql() takes a statement: sql('select name, mrr from v_company').")
    if limit is not None and (isinstance(limit, bool) or not isinstance(limit, int) or limit < 1):
        raise ValidationError(f"limit is a number of rows from 1 on, or None for all, not {limit!r}.")
    with _cursor(database, statement, parameters) as cursor:
        if cursor.description is None:
            raise ValidationError(_WRITES)
        columns = _distinct([item[0] for item in cursor.description])
        rows = [tuple(row) for row in (cursor.fetchall() if limit is None else cursor.fetchmany(limit + 1))]
    cut = limit is not None and len(rows) > limit
    return SqlResult(columns, rows[:limit], truncated=cut)


def _distinct(names: list[str]) -> tuple[str, ...]:
    """Names of columns, with a number where one comes twice."""
    found: list[str] = []
    for name in names:
        place, shown = 2, name
        while shown in found:
            shown, place = f"{name}_{place}", place + 1
        found.append(shown)
    return tuple(found)


@contextmanager
def _cursor(database: Database, statement: str, parameters: Mapping[str, object]) -> Iterator[Any]:
    with (
        _postgres(database, statement, parameters)
        if database.postgres
        else _sqlite(database, statement, parameters) as cursor
    ):
        yield cursor


@contextmanager
def _sqlite(database: Database, statement: str, parameters: Mapping[str, object]) -> Iterator[Any]:
    assert database.path is not None
    if not database.path.exists():
        raise MirrorError(f"There is no mirror {database.path}: planhat.sync() makes one.")
    address = f"{database.path.resolve().as_uri()}?mode=ro"
    with closing(fork_gate.connect(address, uri=True, timeout=30, isolation_level=None)) as connection:
        sqlite_functions.register(connection)
        connection.execute("PRAGMA query_only=1")
        # Table functions declare their columns when they are first used, which the authorizer would refuse.
        connection.execute("SELECT 1 FROM json_each('[]'), json_tree('[]')")
        connection.set_authorizer(_authorize)
        try:
            yield connection.execute(statement, parameters)
        except (sqlite3.Error, sqlite3.Warning) as wrong:
            raise _explained(database, str(wrong), explain.of_sqlite(database.path, wrong)) from None


def _authorize(action: int, first: str | None, second: str | None, *_: str | None) -> int:
    is_allowed = action in _READS and second != "load_extension"
    return sqlite3.SQLITE_OK if is_allowed else sqlite3.SQLITE_DENY


@contextmanager
def _postgres(database: Database, statement: str, parameters: Mapping[str, object]) -> Iterator[Any]:
    import psycopg

    with database.engine.connect() as connection, connection.begin():
        connection.exec_driver_sql("SET TRANSACTION READ ONLY")
        driver: Any = connection.connection.driver_connection
        try:
            with driver.cursor() as cursor:
                # Prepared, as several statements could end the transaction that only reads.
                if parameters:
                    named = _NAMED.sub(r"%(\1)s", statement.replace("%", "%%"))
                    yield cursor.execute(named, parameters, prepare=True)
                else:
                    yield cursor.execute(statement, prepare=True)
        except psycopg.Error as wrong:
            surroundings = explain.of_postgres(database.url, wrong)
            raise _explained(database, str(wrong).splitlines()[0], surroundings) from None


def _explained(database: Database, message: str, surroundings: PlanhatError | None = None) -> PlanhatError:
    if any(words in message for words in ("not authorized", "prohibited", "readonly", "read-only")):
        return ValidationError(_WRITES)
    if any(words in message for words in ("one statement", "multiple commands")):
        return ValidationError("sql() takes one statement.")
    if surroundings is not None:
        return surroundings
    missing = _NO_TABLE.search(message)
    if missing:
        name = missing[1] or missing[2]
        found = inspect(database.engine)
        names = [*found.get_view_names(), *found.get_table_names()]
        return ValidationError(f"There is no table {name}.{did_you_mean(name, names)}")
    return ValidationError(f"The database says: {message.rstrip('.')}.")
