"""Is the mirror sound: its file, every record, its search indexes, its syncs, its outbox; and what to do if not.

SQLite keeps no checksums: what it can tell is that pages hang together and indexes agree with their tables. That is
looked at here, and by every opening after a process died in the middle of a sync.
"""

from __future__ import annotations

import stat
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any

from sqlalchemy import select
from sqlalchemy.exc import DBAPIError

from ...errors import MirrorError
from ..db import files, life, state, tables
from ..db.database import Database
from ..db.layout import Layout, layout_for
from ..db.store import Store
from ..report import Table
from ..sharing import search, triggers
from .damage import RESCUE, first_line, holders, problems_of

_LARGE_WAL = 256 * 2**20


@dataclass(frozen=True, slots=True)
class Finding:
    """One thing that was looked at. `advice` is what to do about it."""

    what: str
    result: str
    advice: str = ""
    wrong: bool = False


@dataclass(frozen=True, slots=True)
class Diagnosis(Table):
    """What was looked at: `diagnosis.ok`, `print(diagnosis)`."""

    findings: tuple[Finding, ...]

    @property
    def ok(self) -> bool:
        """Whether nothing is wrong."""
        return not any(finding.wrong for finding in self.findings)

    def __iter__(self) -> Iterator[Finding]:
        return iter(self.findings)

    def _cells(self) -> tuple[Sequence[str], Iterable[Sequence[Any]]]:
        rows = (
            ("wrong" if finding.wrong else "ok", finding.what, finding.result, finding.advice)
            for finding in self.findings
        )
        return ("", "looked at", "found", "what to do"), rows


def doctor(database: Database) -> Diagnosis:
    """Look at everything. Reads the whole mirror once; makes no request."""
    findings: list[Finding] = []
    for look in (_file, _structure, _records, _search, _syncs, _outbox):
        try:
            findings += look(database)
        except (DBAPIError, MirrorError, OSError) as error:
            findings.append(Finding(look.__name__.lstrip("_"), f"cannot be read: {first_line(error)}", RESCUE, True))
    return Diagnosis(tuple(findings))


def _file(database: Database) -> Iterator[Finding]:
    if database.path is None:
        return
    found = database.path.stat()
    mode = stat.S_IMODE(found.st_mode)
    advice = f"chmod 600 {database.path}" if mode & 0o077 else ""
    who = "others can read it" if mode & 0o077 else "only you can read it"
    yield Finding("file", f"{files.size(database.path) / 1e6:,.1f} MB, {who}", advice, bool(advice))
    wal = database.path.with_name(database.path.name + "-wal")
    size = wal.stat().st_size if wal.exists() else 0
    if size > _LARGE_WAL:
        advice = "Close the program that has been reading it for long: its old view keeps the log from being cut."
        yield Finding("write-ahead log", f"{size / 1e6:,.0f} MB", advice, True)


def _structure(database: Database) -> Iterator[Finding]:
    if database.postgres:
        return
    with database.reading() as connection:
        foreign = [*triggers.foreign_triggers(connection), *triggers.foreign_calls(connection)]
    if foreign:
        yield Finding("triggers, views and indexes", f"not made by this library: {', '.join(foreign)}", RESCUE, True)
    problems = problems_of(database, "integrity_check")
    if problems:
        more = f" (and {len(problems) - 1} more)" if len(problems) > 1 else ""
        yield Finding("structure", f"damaged: {problems[0]}{more}", RESCUE, True)
    else:
        yield Finding("structure", "sound")


def _records(database: Database) -> Iterator[Finding]:
    """Every record can be read, and its columns hold what it said; values that do not fit their field are counted."""
    total, broken, odd, other = 0, Counter[str](), Counter[str](), Counter[str]()
    with database.reading() as connection:
        for name in sorted(state.load_all(connection)):
            layout = layout_for(name)
            store = Store(connection, layout, postgres=database.postgres)
            for rows in store.sealed_rows():
                total += len(rows)
                for (*row, hash), is_sealed in zip(rows, store.rows.are_sealed(rows), strict=True):
                    try:
                        [raw] = store.rows.decode_rows(layout.columns, [row])
                    except (MirrorError, UnicodeDecodeError, ValueError):
                        broken[name] += 1
                        continue
                    other[name] += store.rows.has_seal(hash) and not is_sealed
                    odd.update(f"{name}.{layout.by_wire[key].name}" for key in _misfits(layout, row, raw))
    if broken:
        yield Finding("records", f"{_counted(broken)} cannot be read", RESCUE, True)
    elif +other:
        advice = "Somebody wrote into the tables: planhat sync --full writes those rows anew."
        yield Finding("records", f"{_counted(+other)} do not hold what Planhat said", advice, True)
    else:
        yield Finding("records", f"{total:,}, all of them whole")
    if odd:
        told = ", ".join(f"{name} {count:,}" for name, count in odd.most_common(5))
        yield Finding("odd values", f"of another type than their field, kept as they are: {told}")


def _counted(numbers: Counter[str]) -> str:
    return ", ".join(f"{count:,} of {name}" for name, count in numbers.items())


def _misfits(layout: Layout, row: Any, raw: dict[str, Any]) -> Iterator[str]:
    if row[-1] is None:
        return
    for place, column in enumerate(layout.columns):
        if row[place] is None and raw.get(column.wire) is not None:
            yield column.wire


def _search(database: Database) -> Iterator[Finding]:
    if database.postgres or not database.is_writable:
        return
    names = search.indexed(database)
    wrong = []
    for layout in names:
        try:
            with database.writing() as connection:
                connection.exec_driver_sql(search.check_statement(layout))
        except (DBAPIError, MirrorError):
            wrong.append(layout.table)
            with database.writing() as connection:
                search.drop(connection, postgres=False, only=layout.table)
    if wrong:
        yield Finding("search", f"the index of {', '.join(wrong)} was wrong, and is made anew by the next search")
    elif names:
        yield Finding("search", f"{len(names)} of {len(names)} indexes agree with their tables")


def _syncs(database: Database) -> Iterator[Finding]:
    with database.reading() as connection:
        states = state.load_all(connection)
        holding = holders(connection)
    unfinished = sorted(name for name, found in states.items() if not found.complete)
    dead = [holder for holder in holding if life.is_gone(database, holder)]
    if unfinished:
        yield Finding("models", f"not synced to their end: {', '.join(unfinished)}", "planhat sync", True)
    elif dead:
        yield Finding("syncs", f"{life.shown(dead[0])} stopped in the middle of one", "planhat sync goes on")
    else:
        yield Finding(
            "models", f"{len(states)}, all complete" if states else "none yet", "" if states else "planhat sync"
        )


def _outbox(database: Database) -> Iterator[Finding]:
    box = tables.outbox
    with database.reading() as connection:
        states = Counter(connection.execute(select(box.c.state).order_by(box.c.seq)).scalars())
    told = ", ".join(f"{name} {count:,}" for name, count in states.items()) or "empty"
    yield Finding("outbox", told, "planhat outbox lists them, planhat push sends them" if states else "")
