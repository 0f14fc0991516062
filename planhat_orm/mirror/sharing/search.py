"""Full text search over names, notes, conversations and tickets: ranked, with snippets.

The index is made by the first search, kept by triggers in the transaction of each write, and copies no text. It
hangs on `pk`, an explicit key, which VACUUM does not renumber; and writes are UPSERTs, which fire the triggers
where REPLACE would not (sqlite-utils #149, #152). PostgreSQL indexes an expression, which follows by itself.

A database finds and ranks; whether a record really holds the words is decided here, on the text as people see it:
without tags and entities, case and accents aside. So both databases give the same records.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from html import unescape
from typing import TYPE_CHECKING, Any

from sqlalchemy import Connection, text

from ..db import state
from ..db.layout import Layout, tables
from .triggers import PREFIX

if TYPE_CHECKING:
    from ..db.database import Database

NAMES = ("name", "title", "subject", "action")
"""What a record is called by."""
TITLES = (*NAMES, "email")
BODIES = ("description", "snippet", "comment", "transcript", "position", "first_name", "last_name", "external_id")

_TAG = re.compile(r"<[^<>]*>")
_ACCENT = re.compile(r"[\u0300-\u036f]")
_WORD = re.compile(r"[^\W_]+")
_SHOWN = 24
_PART = 100


@dataclass(frozen=True, slots=True)
class Hit:
    """A record that a search found; the words it was found by are in [brackets] in the snippet."""

    model: str
    id: str
    title: str = field(repr=False)
    snippet: str = field(repr=False)
    score: float


def columns(layout: Layout) -> tuple[str, ...]:
    """The columns of a table that are searched, titles first; none where there is no title."""
    names = [column.name for column in layout.columns if column.storage == "text"]
    titles = [name for name in TITLES if name in names]
    return (*titles, *(name for name in BODIES if name in names)) if titles else ()


def search(database: Database, words: str, searched: Iterable[Layout] | None, limit: int) -> list[Hit]:
    """The best hits for all of `words`, or their beginnings, in some tables, or in all of them."""
    # As they are compared, and as they were typed.
    pairs = dict(zip(_words(words), _WORD.findall(_typed(words)), strict=False))
    asked = list(pairs)
    with database.reading() as connection:
        complete = {name for name, found in state.load_all(connection).items() if found.complete}
    chosen = [
        layout
        for layout in (tables() if searched is None else searched)
        if layout.table in complete and columns(layout)
    ]
    if not asked or not chosen:
        return []
    _index(database, chosen)
    find = _find_postgres if database.postgres else _find_sqlite
    with database.reading() as connection:
        hits = [hit for layout in chosen for hit in _hits(layout, find(connection, layout, pairs), asked, limit)]
    return [hit for _, hit in sorted(hits, key=_order)[:limit]]


def _order(ranked: tuple[int, Hit]) -> tuple[int, float, str, str]:
    """Where a hit stands among those of all tables, whose scores say nothing of each other: named so first."""
    rank, hit = ranked
    return rank, -hit.score, hit.model, hit.id


def _hits(layout: Layout, found: Iterator[Sequence[Any]], asked: list[str], limit: int) -> Iterator[tuple[int, Hit]]:
    """The first hits, best first, whose visible text holds all words, each with its rank."""
    names = columns(layout)
    count = 0
    for id, score, *texts in found:
        if count == limit:
            return
        seen = [_visible(text) for text in texts]
        if _holds(asked, seen):
            count += 1
            title = next((item for name, item in zip(names, seen, strict=True) if name in TITLES and item), "")
            called = [item for name, item in zip(names, seen, strict=True) if name in NAMES]
            yield _rank(asked, called), Hit(layout.name, id, title, _snippet(seen, asked), float(score))


def _holds(asked: list[str], texts: list[str]) -> bool:
    """Whether each word begins one of some texts'."""
    return all(any(_begins(token, word) for text in texts for token in _words(text)) for word in asked)


def _rank(asked: list[str], called: list[str]) -> int:
    """0 where a record's name holds the words, 1 where it holds their beginnings, 2 where it does neither."""
    tokens = {token for text in called for token in _words(text)}
    return 0 if tokens.issuperset(asked) else 1 if _holds(asked, called) else 2


def _plain(word: str) -> str:
    """A text without accents, in small letters."""
    return _ACCENT.sub("", unicodedata.normalize("NFD", word)).lower()


def _typed(words: str) -> str:
    """A text in small letters, each with its accent as one character."""
    return _ACCENT.sub("", unicodedata.normalize("NFC", unicodedata.normalize("NFC", words).lower()))


def _words(words: str) -> list[str]:
    return _WORD.findall(_plain(words))


def _begins(token: str, word: str) -> bool:
    return token.startswith(word)


def _visible(marked: str | None) -> str:
    return " ".join(unescape(_TAG.sub(" ", marked or "")).split())


def _snippet(texts: list[str], asked: list[str]) -> str:
    """The part of the text with the most of the words, those marked."""
    best = max(texts, key=lambda one: len({word for word in asked for token in _words(one) if _begins(token, word)}))
    parts = best.split(" ")
    marked = [_marked(part, asked) for part in parts]
    first = next((place for place, part in enumerate(marked) if part != parts[place]), 0)
    start = max(0, min(first - _SHOWN // 3, len(parts) - _SHOWN))
    shown = " ".join(marked[start : start + _SHOWN])
    return f"{'...' if start else ''}{shown}{'...' if start + _SHOWN < len(parts) else ''}"


def _marked(part: str, asked: list[str]) -> str:
    """A part of a text between spaces, with the words that were asked for in brackets."""
    composed = unicodedata.normalize("NFC", part)
    return _WORD.sub(
        lambda found: f"[{found[0]}]" if any(_begins(_plain(found[0]), word) for word in asked) else found[0],
        composed,
    )


def _index(database: Database, searched: list[Layout]) -> None:
    """Make what is missing of the indexes."""
    there = {layout.table for layout in indexed(database)}
    if all(layout.table in there for layout in searched):
        return
    with database.writing() as connection:
        # Another process may have been faster.
        there = {layout.table for layout in indexed(database, connection)}
        for layout in {layout.table: layout for layout in searched if layout.table not in there}.values():
            statements = _postgres_index(connection, layout) if database.postgres else _sqlite_index(layout)
            for statement in statements:
                connection.exec_driver_sql(statement)


def indexed(database: Database, connection: Connection | None = None) -> list[Layout]:
    """The tables that have an index."""
    if connection is None:
        with database.reading() as connection:
            return indexed(database, connection)
    catalogue = (
        "SELECT indexname FROM pg_indexes WHERE schemaname = current_schema()"
        if database.postgres
        else "SELECT name FROM sqlite_master WHERE type = 'table'"
    )
    there = set(connection.exec_driver_sql(catalogue).scalars())
    return [layout for layout in tables() if PREFIX + layout.table in there]


def check_statement(layout: Layout) -> str:
    """SQLite's own comparison of an index with its table: fails where they differ."""
    index = PREFIX + layout.table
    return f"INSERT INTO {index}({index}, rank) VALUES('integrity-check', 1)"


def drop(connection: Connection, *, postgres: bool, only: str | None = None) -> None:
    """Take the indexes away, or that of one table, before the tables under them change. A search makes them anew."""
    for layout in tables():
        name = PREFIX + layout.table
        if not columns(layout) or only not in (None, layout.table):
            continue
        if postgres:
            connection.exec_driver_sql(f"DROP INDEX IF EXISTS {name}")
            continue
        for trigger in ("new", "old", "set"):
            connection.exec_driver_sql(f"DROP TRIGGER IF EXISTS {name}_{trigger}")
        connection.exec_driver_sql(f"DROP TABLE IF EXISTS {name}")


# --- SQLite ----------------------------------------------------------------------------------------------


def _sqlite_index(layout: Layout) -> list[str]:
    table, index, names = f'"{layout.table}"', PREFIX + layout.table, columns(layout)
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


def _find_sqlite(connection: Connection, layout: Layout, words: Mapping[str, str]) -> Iterator[Sequence[Any]]:
    names = columns(layout)
    index = PREFIX + layout.table
    weights = ", ".join("4.0" if name in TITLES else "1.0" for name in names)
    called = [name for name in names if name in NAMES]
    statement = text(
        f"SELECT t.id, -bm25({index}, {weights}) AS score, {', '.join(f't.{name}' for name in names)} "
        f'FROM {index} JOIN "{layout.table}" t ON t.pk = {index}.rowid WHERE {index} MATCH :asked{_shown(layout)} '
        f"ORDER BY score DESC, t.id"
    )
    # SQLite takes the accents off Latin letters only; those of other scripts have to be asked for.
    asked = " AND ".join(f'("{plain}"* OR "{typed}"*)' for plain, typed in words.items())
    named = set[str]()
    if called:
        for row in connection.execute(statement, {"asked": f"{{{' '.join(called)}}} : ({asked})"}).yield_per(_PART):
            named.add(row[0])
            yield row
    result = connection.execute(statement, {"asked": asked})
    yield from (row for row in result.yield_per(_PART) if row[0] not in named)


# --- PostgreSQL ------------------------------------------------------------------------------------------

_COLLATIONS = ("pg_unicode_fast", "und-x-icu", "pg_c_utf8")
"""What knows small and capital letters of all scripts, whatever the database's own locale; the best first."""
_SEPARATORS = r"[\u0001-\u002f\u003a-\u0040\u005b-\u0060\u007b-\u00bf\u2000-\u206f\u3000-\u303f]+"
"""What stands between words. Left to PostgreSQL, addresses and names with dots would each be one word."""


def _document(connection: Connection, layout: Layout, names: Iterable[str] | None = None) -> str:
    """The expression that is indexed, or that of some columns: words as `_words` makes them."""
    known = set(connection.exec_driver_sql("SELECT collname FROM pg_collation").scalars())
    collation = next((f' COLLATE "{item}"' for item in _COLLATIONS if item in known), "")
    parts = []
    for name in columns(layout) if names is None else names:
        seen = rf"regexp_replace(coalesce({name}, ''), '<[^<>]*>', ' ', 'g')"
        plain = rf"lower(regexp_replace(normalize({seen}, NFD), '[\u0300-\u036f]', '', 'g'){collation})"
        words = f"regexp_replace({plain}, '{_SEPARATORS}', ' ', 'g')"
        parts.append(f"setweight(to_tsvector('simple', {words}), '{'A' if name in TITLES else 'D'}')")
    return " || ".join(parts)


def _postgres_index(connection: Connection, layout: Layout) -> list[str]:
    document = _document(connection, layout)
    return [f'CREATE INDEX IF NOT EXISTS {PREFIX}{layout.table} ON "{layout.table}" USING gin (({document}))']


def _find_postgres(connection: Connection, layout: Layout, words: Mapping[str, str]) -> Iterator[Sequence[Any]]:
    document = _document(connection, layout)
    called = _document(connection, layout, [name for name in columns(layout) if name in NAMES]) or "NULL::tsvector"
    statement = (
        f"SELECT t.id, ts_rank(({document}), q) AS score, {', '.join(f't.{name}' for name in columns(layout))} "
        f"FROM \"{layout.table}\" t, to_tsquery('simple', %s) q WHERE ({document}) @@ q{_shown(layout)} "
        f"ORDER BY coalesce(({called}) @@ q, false) DESC, score DESC, t.id"
    )
    asked = " & ".join(f"'{word}':*" for word in words)
    yield from connection.exec_driver_sql(statement, (asked,)).yield_per(_PART)


def _shown(layout: Layout) -> str:
    """Leave out what Planhat's lists hide, and the rows of a table that are another resource's."""
    hidden = layout.resource.hidden_by
    parts = "" if hidden is None else f" AND t.{layout.by_wire[str(hidden.hides)].name} IS NOT TRUE"
    if layout.only is not None:
        column, value = layout.only
        parts += f" AND t.{column.name} = '{value}'"
    return parts
