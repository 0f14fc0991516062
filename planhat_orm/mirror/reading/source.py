"""The mirror as a source of queries: the same rows as the API gives, without a request."""

from __future__ import annotations

from collections.abc import Callable, Collection, Generator, Iterable, Mapping, Sequence
from contextlib import closing
from datetime import UTC, datetime
from functools import cache
from typing import Any

from sqlalchemy import Connection, CursorResult, PoolProxiedConnection, Select
from sqlalchemy.dialects import sqlite

from ... import gc_pause
from ...errors import ConfigurationError, MirrorIncomplete, StaleMirror
from ...http.effects import Emit, Flow, RunBlocking
from ...query.kinds import ANY
from ...query.plan import Plan, Step, describe
from ...query.query import Query
from ...query.raw_values import column_at, on_the_wire
from ...query.tree import All, Target, Test
from ...queryset.unseen_labels import Watch
from ...wire.resources import Resource
from ...wire.values import Values
from ..db import state
from ..db.database import Database
from ..db.layout import Column, layout_for
from ..db.state import State
from .compiler import Compiler, touched
from .decoding import Decode, chosen_columns, codec_of, decoder, keeper
from .dialect import Dialect
from .sqlite import SqliteDialect

PAGE = 2000


class MirrorSource:
    """Answers queries from a mirror. Every verb is a flow that yields only local work."""

    name = "mirror"
    is_present = True
    """Whether it answers with what the tables hold now."""

    def __init__(self, database: Database) -> None:
        self.database = database

    def pages(self, query: Query) -> Flow[None]:
        """Emit lists of at most 2,000 wire records, all of one moment of the mirror."""
        yield from self._emitted(query, decoder(query, postgres=self.database.postgres))

    def records(self, query: Query) -> Flow[None]:
        """Emit rows that are read when a record is asked, at most 2,000 at a time, all of one moment of the mirror."""
        yield from self._emitted(query, keeper(query, postgres=self.database.postgres))

    def _emitted(self, query: Query, decode: Decode) -> Flow[None]:
        if not (yield from self._read(_Reading(self, query, decode))):
            yield from self._warn_of_unseen(query)

    @staticmethod
    def _read(reading: _Reading) -> Flow[bool]:
        """Emit the pages of a reading; return whether there were any."""
        found = False
        try:
            while page := (yield RunBlocking(reading.page)):
                found = True
                yield Emit(page)
                del page  # before the next one is read
        finally:
            reading.close()
        return found

    def columns(self, query: Query, wires: Collection[str]) -> Flow[None]:
        """Emit the values of fields by wire name, at most 2,000 of each at a time, all of one moment of the mirror."""
        layout, held = layout_for(query.resource), on_the_wire(wires)
        chosen = query.changed(select=held)
        columns = [column for column in layout.columns if column.wire in held]
        codec = codec_of(layout, postgres=self.database.postgres)

        def decode(rows: Sequence[Any]) -> dict[str, list[Any]]:
            found = codec.decode_columns(columns, rows, held)
            return {wire: column_at(wire, found) for wire in wires}

        reading = _Reading(self, chosen, decode, columns)
        if not (yield from self._read(reading)):
            yield from self._warn_of_unseen(query)

    def count(self, query: Query) -> Flow[int]:
        """Return how many records satisfy the query."""

        def work() -> int:
            with self._open(query) as connection:
                self.check(connection, query)
                statement = self._reader(connection, query).count(query)
                return int(connection.execute(statement).scalar_one())

        found: int = yield RunBlocking(work)
        if not found:
            yield from self._warn_of_unseen(query)
        return found

    def get(self, resource: Resource, form: str, value: str) -> Flow[Values | None]:
        """Return the record whose id in `form` is `value`, or None; hidden ones are found too."""
        wire = resource.field_for(form)
        layout = layout_for(resource.name)
        column = layout.by_wire.get(wire) if wire else None
        if column is None:
            raise ConfigurationError(f"{resource.name} is not found by {form}.")
        key = Test(Target(column.name, (column.wire,), column.kind), "exact", value)
        query = Query(resource.name, key, stop=1, hidden=True)

        def work() -> Values | None:
            if not self.database.postgres and self.is_present:
                with self.database.reading_sqlite() as driver:
                    states = state.kept_states(driver)
                    if states is not None:
                        self._check(states, (layout.table,), None)
                        return self._found(driver, query, column, value)
            with self._open(query) as connection:
                self.check(connection, query)
                keep = keeper(query, postgres=self.database.postgres)
                with closing(self._pages(connection, query, keep)) as pages:
                    page: list[Values] = next(pages, [])
                return page[0] if page else None

        return (yield RunBlocking(work))  # type: ignore[no-any-return]

    @staticmethod
    def _found(connection: PoolProxiedConnection, query: Query, column: Column, value: str) -> Values | None:
        """The record of a key, by a statement that is the same for all keys."""
        text, parameters = _by_key(query.resource, column.name)
        values = tuple(value if parameter == _ANY_KEY else parameter for parameter in parameters)
        row = connection.cursor().execute(text, values).fetchone()
        found: Values | None = None if row is None else keeper(query, postgres=False)([row])[0]
        return found

    def explain(self, query: Query, verb: str = "iterate") -> Plan:
        """Say which statement answers the query. Runs nothing."""
        reader = Compiler(self._dialect(None), hidden=query.hidden, zone=query.zone)
        statement: Select[Any] = reader.count(query) if verb in ("count", "exists") else _statement(reader, query)
        text = str(statement.compile(self.database.engine))
        return Plan(
            source=self.name,
            resource=query.resource,
            steps=(Step(text),),
            served=(describe(query.where),) if query.where.__class__ is not All or query.where.children else (),
            requests=0,
        )

    def synced_at(self, resource: str) -> datetime | None:
        """When the records of a resource were last known to be current, on this machine's clock."""
        found = self._states().get(layout_for(resource).table)
        return None if found is None or found.synced_at is None else state.moment(found.synced_at)

    # --- inside -----------------------------------------------------------------------------------------

    def _warn_of_unseen(self, query: Query) -> Flow[None]:
        """Warn where nothing was found, of custom fields that no record has, or that hold values of other types."""
        watch = Watch(query)
        if not watch.labels:
            return

        def work() -> set[str]:
            some = Query(query.resource, hidden=True, stop=PAGE, select=frozenset({"_id", "custom"}))
            with self._open(query) as connection, closing(self._pages(connection, some)) as pages:
                for page in pages:
                    watch.look(page)
                return {label for label in watch.unseen() if not self._holds(connection, query, label)}

        watch.warn((yield RunBlocking(work)))

    def _holds(self, connection: Connection, query: Query, label: str) -> bool:
        test = Test(Target(label, ("custom", label), ANY), "isnull", False)
        some = Query(query.resource, test, hidden=True, stop=1)
        return bool(connection.execute(self._reader(connection, some).count(some)).scalar_one())

    def _open(self, query: Query) -> Any:
        return self.database.reading()

    def _states(self) -> Mapping[str, State]:
        """What the mirror knows of each resource now."""
        if not self.database.postgres:
            with self.database.reading_sqlite() as driver:
                states = state.kept_states(driver)
            if states is not None:
                return states
        with self.database.reading() as connection:
            return state.known(connection)

    def check(self, connection: Connection, query: Query) -> None:
        """Raise unless the mirror is complete, and new enough, for every table that the query reads."""
        self._check(state.known(connection), touched(query), query.max_age)

    @staticmethod
    def _check(states: Mapping[str, State], tables: Iterable[str], max_age: float | None) -> None:
        for name in sorted(tables):
            found = states.get(name)
            if found is None or not found.complete:
                raise MirrorIncomplete(
                    f"The mirror does not hold all of {name}: run planhat.sync() to its end, or query the API."
                )
            if max_age is not None and found.synced_at is not None:
                age = (datetime.now(UTC) - state.moment(found.synced_at)).total_seconds()
                if age > max_age:
                    raise StaleMirror(
                        f"The mirror's {name} is {age:.0f} seconds old, the query allows {max_age:g}: "
                        f"run planhat.sync({name!r})."
                    )

    def _dialect(self, connection: Connection | None) -> Dialect:
        """How this database says things; `connection` is where it may look something up to do so."""
        if not self.database.postgres:
            return SqliteDialect(connection)
        # Only here, as SQLite needs no dialect of PostgreSQL.
        from .postgres import PostgresDialect

        return PostgresDialect(connection)

    def _reader(self, connection: Connection, query: Query) -> Compiler:
        return Compiler(self._dialect(connection), hidden=query.hidden, zone=query.zone)

    def _pages(
        self,
        connection: Connection,
        query: Query,
        decode: Decode | None = None,
        columns: Sequence[Column] | None = None,
    ) -> Generator[Any, None, None]:
        statement = _statement(self._reader(connection, query), query, columns)
        decode = decode or decoder(query, postgres=self.database.postgres)
        # Closed with the generator: whoever wants the first records only leaves the server's cursor open else.
        # SQLite gives rows one by one anyway, and SQLAlchemy would begin to keep them.
        options = {"stream_results": True} if self.database.postgres else {}
        with connection.execution_options(**options).execute(statement) as result:
            fetch = self._fetcher(result, query)
            while True:
                with gc_pause.gc_paused():
                    rows = fetch()
                    if not rows:
                        return
                    page = decode(rows)
                    del rows
                yield page
                del page  # before the next one is read

    def _fetcher(self, result: CursorResult[Any], query: Query) -> Callable[[], Sequence[Any]]:
        """What fetches a page of rows: where all are columns of a SQLite table, as the driver gives them."""
        cursor: Any = result.cursor
        if self.database.postgres or query.annotations or query.groups is not None:
            return lambda: result.fetchmany(PAGE)

        def fetch() -> Sequence[Any]:
            with self.database.explaining():
                rows: Sequence[Any] = cursor.fetchmany(PAGE)
            return rows

        return fetch


_ANY_KEY = "\0any key"


@cache
def _by_key(resource: str, name: str) -> tuple[str, tuple[Any, ...]]:
    """The statement by which SQLite finds the record of a key, and its parameters, `_ANY_KEY` among them."""
    column = next(column for column in layout_for(resource).columns if column.name == name)
    key = Test(Target(column.name, (column.wire,), column.kind), "exact", _ANY_KEY)
    query = Query(resource, key, stop=1, hidden=True)
    statement = _statement(Compiler(SqliteDialect(), hidden=True), query)
    compiled: Any = statement.compile(dialect=sqlite.dialect(), compile_kwargs={"render_postcompile": True})
    return str(compiled), tuple(compiled.params[parameter] for parameter in compiled.positiontup)


class _Reading:
    """A query's rows, page by page, from one transaction that stays open in between."""

    def __init__(
        self, source: MirrorSource, query: Query, decode: Decode, columns: Sequence[Column] | None = None
    ) -> None:
        self._source = source
        self._query = query
        self._columns = columns
        self._sizes: list[int] = []
        self._decode = _noting(self._sizes, decode)
        self._context: Any = None
        self._iterator: Generator[Any, None, None] | None = None

    def page(self) -> Any:
        """The next page; an empty one at the end."""
        if self._iterator is None:
            self._context = self._source._open(self._query)
            connection = self._context.__enter__()
            self._source.check(connection, self._query)
            self._iterator = self._source._pages(connection, self._query, self._decode, self._columns)
        page: Any = next(self._iterator, [])
        if not page or self._sizes[-1] < PAGE:
            # Who read all there is must not keep the database waiting until he forgets the queryset.
            self.close()
        return page

    def close(self) -> None:
        """End the transaction."""
        if self._iterator is not None:
            self._iterator.close()
        if self._context is not None:
            self._context.__exit__(None, None, None)
            self._context = None


def _noting(sizes: list[int], decode: Decode) -> Decode:
    """Decode pages and note how many rows they had. Knows no reading: a half read one goes with its last reference."""

    def noted(rows: Sequence[Any]) -> Any:
        sizes[:] = [len(rows)]
        return decode(rows)

    return noted


def _statement(compiler: Compiler, query: Query, columns: Sequence[Column] | None = None) -> Select[Any]:
    if query.groups is not None:
        return compiler.groups(query)
    return compiler.rows(query, chosen_columns(layout_for(query.resource), query) if columns is None else columns)
