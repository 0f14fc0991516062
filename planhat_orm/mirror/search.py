"""Full text search over names, notes, conversations and tickets: ranked, with snippets.

The index is made by the first search, kept by triggers in the transaction of each write, and copies no text. It
hangs on `pk`, an explicit key, which VACUUM does not renumber; and writes are UPSERTs, which fire the triggers
where REPLACE would not (sqlite-utils #149, #152).
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass, field
from html import unescape
from typing import TYPE_CHECKING

from sqlalchemy import Connection, text

from . import state
from .layout import Layout, layout, layouts, tables

if TYPE_CHECKING:
    from .database import Database

TITLES = ("name", "title", "subject", "action", "email")
BODIES = ("description", "snippet", "comment", "transcript", "position", "first_name", "last_name", "external_id")
PREFIX = "search__"

_OPEN, _CLOSE = "\x02", "\x03"
_TAG = re.compile(r"<[^<>]*>")
_WORD = re.compile(r"\w+")


@dataclass(frozen=True, slots=True)
class Hit:
    """A record that a search found; the words it was found by are in [brackets] in the snippet."""

    model: str
    id: str
    title: str = field(repr=False)
    snippet: str = field(repr=False)
    score: float


def columns(home: Layout) -> tuple[str, ...]:
    """The columns of a table that are searched, titles first; none where there is no title."""
    names = [one.name for one in home.columns if one.storage == "text"]
    titles = [name for name in TITLES if name in names]
    return (*titles, *(name for name in BODIES if name in names)) if titles else ()


def search(database: Database, words: str, resources: Iterable[str] | None, limit: int) -> list[Hit]:
    """The best hits for all of `words`, or their beginnings, in the tables of `resources`."""
    asked = _WORD.findall(words)
    with database.reading() as connection:
        complete = [name for name, found in state.load_all(connection).items() if found.complete]
    chosen = [name for name in complete if (resources is None or name in set(resources)) and columns(layouts()[name])]
    if not asked:
        return []
    _index(database, chosen)
    find = _find_postgres if database.postgres else _find_sqlite
    with database.reading() as connection:
        hits = [hit for name in chosen for hit in find(connection, layout(name), asked, limit)]
    return sorted(hits, key=lambda hit: (-hit.score, hit.model, hit.id))[:limit]


def _index(database: Database, names: list[str]) -> None:
    """Make what is missing of the indexes."""
    there = database.indexes() if database.postgres else database.tables()
    missing = [name for name in names if PREFIX + name not in there]
    if not missing:
        return
    with database.writing() as connection:
        for name in missing:
            for statement in (_postgres_index if database.postgres else _sqlite_index)(layout(name)):
                connection.exec_driver_sql(statement)


def indexed(database: Database) -> list[Layout]:
    """The tables that have an index."""
    there = database.indexes() if database.postgres else database.tables()
    return [home for home in tables() if PREFIX + home.table in there]


def check_statement(home: Layout) -> str:
    """SQLite's own comparison of an index with its table: fails where they differ."""
    index = PREFIX + home.table
    return f"INSERT INTO {index}({index}, rank) VALUES('integrity-check', 1)"


def drop(connection: Connection, *, postgres: bool, only: str | None = None) -> None:
    """Take the indexes away, or that of one table, before the tables under them change. A search makes them anew."""
    for home in tables():
        name = PREFIX + home.table
        if not columns(home) or only not in (None, home.table):
            continue
        if postgres:
            connection.exec_driver_sql(f"DROP INDEX IF EXISTS {name}")
            continue
        for trigger in ("new", "old", "set"):
            connection.exec_driver_sql(f"DROP TRIGGER IF EXISTS {name}_{trigger}")
        connection.exec_driver_sql(f"DROP TABLE IF EXISTS {name}")


# --- SQLite ----------------------------------------------------------------------------------------------


def _sqlite_index(home: Layout) -> list[str]:
    table, index, names = f'"{home.table}"', PREFIX + home.table, columns(home)
    listed = ", ".join(names)
    old, new = (", ".join(f"{side}.{name}" for name in names) for side in ("old", "new"))
    forget = f"INSERT INTO {index}({index}, rowid, {listed}) VALUES('delete', old.pk, {old});"
    learn = f"INSERT INTO {index}(rowid, {listed}) VALUES(new.pk, {new});"
    return [
        f"CREATE VIRTUAL TABLE {index} USING fts5({listed}, content={table}, content_rowid='pk', "
        f"tokenize='unicode61 remove_diacritics 2')",
        f"CREATE TRIGGER {index}_new AFTER INSERT ON {table} BEGIN {learn} END",
        f"CREATE TRIGGER {index}_old AFTER DELETE ON {table} BEGIN {forget} END",
        f"CREATE TRIGGER {index}_set AFTER UPDATE OF pk, {listed} ON {table} BEGIN {forget} {learn} END",
        f"INSERT INTO {index}({index}) VALUES('rebuild')",
    ]


def _find_sqlite(connection: Connection, home: Layout, words: list[str], limit: int) -> list[Hit]:
    names = columns(home)
    index, titles = PREFIX + home.table, [name for name in names if name in TITLES]
    weights = ", ".join("4.0" if name in TITLES else "1.0" for name in names)
    found = connection.execute(
        text(
            f"SELECT t.id, coalesce({', '.join(f't.{name}' for name in titles)}, ''), "
            f"snippet({index}, -1, :open, :close, '...', 24), -bm25({index}, {weights}) AS score "
            f'FROM {index} JOIN "{home.table}" t ON t.pk = {index}.rowid WHERE {index} MATCH :asked{_shown(home)} '
            f"ORDER BY score DESC, t.id LIMIT :limit"
        ),
        {"asked": " ".join(f'"{word}"*' for word in words), "limit": limit, "open": _OPEN, "close": _CLOSE},
    )
    return [Hit(home.table, id, title, _snippet(part), score) for id, title, part, score in found]


# --- PostgreSQL ------------------------------------------------------------------------------------------


def _document(home: Layout) -> str:
    parts = [
        f"setweight(to_tsvector('simple', coalesce({name}, '')), '{'A' if name in TITLES else 'D'}')"
        for name in columns(home)
    ]
    return " || ".join(parts)


def _postgres_index(home: Layout) -> list[str]:
    return [f'CREATE INDEX IF NOT EXISTS {PREFIX}{home.table} ON "{home.table}" USING gin (({_document(home)}))']


def _find_postgres(connection: Connection, home: Layout, words: list[str], limit: int) -> list[Hit]:
    names = columns(home)
    titles = ", ".join(name for name in names if name in TITLES)
    bodies = ", ".join(name for name in names if name not in TITLES) or titles
    whole = f"coalesce(nullif(concat_ws(' ', {bodies}), ''), {titles}, '')"
    found = connection.execute(
        text(
            f"SELECT id, coalesce({titles}, ''), ts_headline('simple', {whole}, q, :options), "
            f"ts_rank(({_document(home)}), q) AS score "
            f"FROM \"{home.table}\" t, to_tsquery('simple', :asked) q WHERE ({_document(home)}) @@ q{_shown(home)} "
            f"ORDER BY score DESC, id LIMIT :limit"
        ),
        {
            "asked": " & ".join(f"'{word}':*" for word in words),
            "limit": limit,
            "options": f"StartSel={_OPEN}, StopSel={_CLOSE}, MaxWords=24, MinWords=8",
        },
    )
    return [Hit(home.table, id, title, _snippet(part), float(score)) for id, title, part, score in found]


def _shown(home: Layout) -> str:
    """Leave out what Planhat's lists hide."""
    hidden = home.resource.hidden_by
    return "" if hidden is None else f" AND t.{home.by_wire[str(hidden.hides)].name} IS NOT TRUE"


def _snippet(marked: str) -> str:
    plain = unescape(_TAG.sub(" ", marked)).replace(_OPEN, "[").replace(_CLOSE, "]")
    return " ".join(plain.split())
