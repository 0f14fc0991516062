"""Saving what can be saved from a damaged file into a new one.

Records come from Planhat and come again; what nobody else has are the writes that wait and the memory. Those are
read row by row, around the pages that cannot be read. Records are taken over table by table, where SQLite finds
nothing wrong with the whole table; the others are fetched by the next sync, and remembered from then on only.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator, Mapping
from contextlib import closing, suppress
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import msgspec
from sqlalchemy import Connection, func, inspect, select

from ... import files, json_decoding
from ...errors import ConfigurationError, MirrorError
from ..db import fork_gate, tables
from ..db.database import Database
from ..db.layout import tables as layouts
from . import account, replay
from .migrate import FIRST_VERSION_TABLE, VERSION_TABLE, create_as_of, name_feed, open_database

_STEP = 500
_AFTER = 2000
"""How many row numbers behind the last one that was read are tried where the end of a table cannot be found."""


@dataclass(frozen=True, slots=True)
class Rescue:
    """What was saved: how many rows of each table, how many of them could not be read, and which models to sync."""

    path: Path
    saved: dict[str, int]
    lost: dict[str, int]
    again: tuple[str, ...]

    def __str__(self) -> str:
        parts = [f"{self.saved.get(name, 0):,} {what}" for name, what in _TOLD.items()]
        records = sum(count for name, count in self.saved.items() if not name.startswith("mirror_"))
        lines = [f"{self.path}: {records:,} records, {', '.join(parts)}"]
        if self.lost:
            told = ", ".join(f"at least {count:,} of {_TOLD.get(name, name)}" for name, count in self.lost.items())
            lines.append(f"lost: {told}")
        if self.again:
            lines.append(f"to be fetched again by the next sync: {', '.join(self.again)}")
        return "\n".join(lines)


_UNREADABLE = (sqlite3.DatabaseError, UnicodeDecodeError)
"""What reading a damaged file raises; the second one, where SQLite quotes what is there and Python cannot read that."""
_TOLD = {"mirror_outbox": "waiting writes", "mirror_change": "changes"}
_NOT_SAVED = {"mirror_stage", "mirror_lease", "mirror_meta", "mirror_guard", VERSION_TABLE, FIRST_VERSION_TABLE}
"""What the next sync makes anew, and what belongs to the old file."""
_JSON = {"mirror_outbox": ("patch", "base"), "mirror_change": ("reverse",), "mirror_model": ("known", "cursor")}


def rescue(source: Path, target: Path) -> Rescue:
    """Make the mirror `target` of what can be read of the file `source`, which is not touched."""
    files.check_free_database(target, "choose another name for what is saved")
    with files.folder_beside(target) as folder:
        saved = _rescue(source, folder / target.name)
        files.put(saved.path, target, replace=False)
    return replace(saved, path=target)


def _rescue(source: Path, target: Path) -> Rescue:
    saved: dict[str, int] = {}
    lost: dict[str, int] = {}
    again: list[str] = []
    with closing(_open(source)) as old:
        old.row_factory = sqlite3.Row
        there = _tables(old, source)
        database = _new_mirror(target, old, there)
        try:
            with database.writing(durable=True) as connection:
                columns = _columns(connection)
                for layout in layouts():
                    count = _taken_over(old, connection, layout.table, columns) if layout.table in there else None
                    if count is None:
                        again.append(layout.table)
                    else:
                        saved[layout.table] = count
                if tables.meta.name in there:
                    facts = account.noted(_salvaged(old, tables.meta.name)[0])
                    _insert(connection, tables.meta.name, facts, columns[tables.meta.name])
                for name in sorted(there & columns.keys() - _NOT_SAVED):
                    if name.startswith("mirror_"):
                        found, missing = _salvaged(old, name)
                        if name == "mirror_model":
                            again = [item for item in again if any(row["resource"] == item for row in found)]
                            found = [_unsynced(row, again) for row in found]
                        saved[name] = _insert(connection, name, found, columns[name])
                        if missing:
                            lost[name] = missing
        finally:
            database.close()
    _check_memory(target, saved, lost)
    return Rescue(target, saved, lost, tuple(again))


def _open(source: Path) -> sqlite3.Connection:
    try:
        # As a URI, in which "?", "#" and "%" of a name mean something else unless they are quoted.
        return fork_gate.connect(f"{source.absolute().as_uri()}?mode=ro", uri=True)
    except sqlite3.Error as error:
        raise ConfigurationError(f"{source} cannot be read: {error}. Is that the name of the damaged mirror?") from None


def _tables(old: sqlite3.Connection, source: Path) -> set[str]:
    try:
        return {str(row[0]) for row in old.execute("SELECT name FROM sqlite_master WHERE type = 'table'")}
    except _UNREADABLE as error:
        why = "a text is not UTF-8" if isinstance(error, UnicodeDecodeError) else str(error)
        raise MirrorError(f"Nothing can be read of {source}: {why}. Take a backup, or sync into a new file.") from None


def _new_mirror(target: Path, old: sqlite3.Connection, there: set[str]) -> Database:
    """A new mirror with the tables that the old one has."""
    version = tables.VERSIONS[-1]
    for name in {VERSION_TABLE, FIRST_VERSION_TABLE} & there:
        with suppress(*_UNREADABLE, TypeError):
            version = str(old.execute(f"SELECT version_num FROM {name}").fetchone()[0])
    if version == tables.VERSIONS[-1] or version not in tables.VERSIONS:
        return open_database(target)
    database = Database(target)
    create_as_of(database, version)
    return database


def _columns(connection: Connection) -> dict[str, list[str]]:
    inspector = inspect(connection)
    return {name: [column["name"] for column in inspector.get_columns(name)] for name in inspector.get_table_names()}


def _check_memory(target: Path, saved: dict[str, int], lost: dict[str, int]) -> None:
    """Upgrade what was saved, and keep of the memory what leads back from the records that were."""
    database = open_database(target)
    try:
        with database.writing(durable=True) as connection:
            dropped = replay.check(connection, postgres=False)
            name_feed(connection)
            count = select(func.count()).select_from(tables.changes).where(tables.changes.c.rid.is_not(None))
            saved["mirror_change"] = connection.execute(count).scalar_one()
    finally:
        database.close()
    if dropped:
        lost["mirror_change"] = lost.get("mirror_change", 0) + dropped


def _taken_over(
    old: sqlite3.Connection, connection: Connection, name: str, columns: Mapping[str, list[str]]
) -> int | None:
    """Copy a table in which SQLite finds nothing wrong and return how many rows it has; of any other return None."""
    count = 0
    try:
        if [row[0] for row in old.execute(f'PRAGMA integrity_check("{name}")')] != ["ok"]:
            return None
        found = old.execute(f'SELECT * FROM "{name}"')
        while rows := found.fetchmany(_STEP):
            count += _insert(connection, name, list(map(dict, rows)), columns[name])
    except _UNREADABLE:
        connection.exec_driver_sql(f'DELETE FROM "{name}"')
        return None
    return count


def _unsynced(row: dict[str, Any], again: list[str]) -> dict[str, Any]:
    if row["resource"] not in again:
        return row
    # Nothing of it is here, so its past begins anew, and no query may take it for complete.
    return {**dict.fromkeys(row), "resource": row["resource"], "complete": 0}


def _insert(connection: Connection, name: str, rows: list[dict[str, Any]], known: list[str]) -> int:
    columns = [column for column in known if rows and column in rows[0]]
    if rows:
        listed, marks = ", ".join(f'"{column}"' for column in columns), ", ".join("?" * len(columns))
        connection.exec_driver_sql(
            f'INSERT OR REPLACE INTO "{name}" ({listed}) VALUES ({marks})',
            [tuple(row[column] for column in columns) for row in rows],
        )
    return len(rows)


def _salvaged(old: sqlite3.Connection, name: str) -> tuple[list[dict[str, Any]], int]:
    """The rows of a table that can be read, and how many others there were at least."""
    found: dict[int, dict[str, Any]] = {}
    lost = 0
    first = _walk(old, name, found, "ASC")
    if first is not None:
        last = _walk(old, name, found, "DESC")
        # Between where reading stopped from the start and from the end, each row is asked for by itself.
        end = last if last is not None and last > first else first + _AFTER
        for number in range(first + 1, end):
            try:
                row = old.execute(f'SELECT rowid AS at_row, * FROM "{name}" WHERE rowid = ?', (number,)).fetchone()
            except _UNREADABLE:
                lost += 1
            else:
                if row is not None:
                    found[number] = dict(row)
        lost = max(1, lost)
    whole = {number: row for number, row in found.items() if _makes_sense(name, row)}
    return [row for _, row in sorted(whole.items())], lost + len(found) - len(whole)


def _walk(old: sqlite3.Connection, name: str, found: dict[int, dict[str, Any]], order: str) -> int | None:
    """Read from one end until a page cannot be read; return the last row number before it, None at the other end."""
    last: int | None = None
    sign = ">" if order == "ASC" else "<"
    try:
        while True:
            after = "" if last is None else f"WHERE rowid {sign} {last}"
            rows = _part(old, f'SELECT rowid AS at_row, * FROM "{name}" {after} ORDER BY rowid {order} LIMIT {_STEP}')
            read = 0
            for row in rows:
                found[row["at_row"]] = dict(row)
                last, read = row["at_row"], read + 1
            if read < _STEP:
                return None
    except _UNREADABLE:
        return last if last is not None else (0 if order == "ASC" else None)


def _part(old: sqlite3.Connection, statement: str) -> Iterator[sqlite3.Row]:
    yield from old.execute(statement)


def _makes_sense(name: str, row: dict[str, Any]) -> bool:
    """Whether the JSON of a row is still JSON: on a page that can be read, bytes can be wrong nevertheless."""
    try:
        for column in _JSON.get(name, ()):
            if row[column] is not None:
                json_decoding.decode(row[column])
    except (msgspec.DecodeError, TypeError):
        return False
    return True
