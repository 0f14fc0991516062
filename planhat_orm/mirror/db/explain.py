"""What the machine and the database's server do to a mirror, as errors of ours with the next step.

Only what surrounds the mirror is explained here: a disk, a lock, a server. An error in a statement, as in one of your
own, stays what SQLAlchemy makes of it.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Mapping
from typing import Any

from sqlalchemy import URL

from ...errors import MirrorError, PlanhatError, ValidationError

DAMAGED = "The file is damaged: planhat doctor looks at all of it."
_OPENS = (
    "It or its folder cannot be opened: was it moved or deleted, may you write there, has this program too many files "
    "open (ulimit -n)?"
)
_SQLITE: Mapping[int, str] = {
    sqlite3.SQLITE_CORRUPT: DAMAGED,
    sqlite3.SQLITE_NOTADB: DAMAGED,
    sqlite3.SQLITE_IOERR: "The disk could not be read or written: planhat doctor looks at the whole file.",
    sqlite3.SQLITE_FULL: "Make room on the disk and try again: nothing is lost.",
    sqlite3.SQLITE_READONLY: "The file or its folder cannot be written.",
    sqlite3.SQLITE_BUSY: "Another thread or program is writing to it, for long: end that, or try again.",
    sqlite3.SQLITE_LOCKED: "Another thread or program is writing to it, for long: end that, or try again.",
    sqlite3.SQLITE_PROTOCOL: "Its locks do not work: a mirror needs a disk of this machine, not of a network.",
    sqlite3.SQLITE_CANTOPEN: _OPENS,
    sqlite3.SQLITE_PERM: _OPENS,
    sqlite3.SQLITE_NOMEM: "The machine's memory is used up: nothing is lost, try again.",
}
_AGAIN = "Nothing is half written: try again when it is back."
_POSTGRES: Mapping[str, str] = {
    "08": _AGAIN,
    "28": "Is the role or its password another one? The password may be in ~/.pgpass or PGPASSWORD.",
    "3D": 'There is no such database: "createdb" makes one.',
    "53": "Make room on the server (disk, memory, connections) and try again: nothing is half written.",
    "55P03": "Another program is writing to the mirror, for long: end that, or try again.",
    "57": _AGAIN,
    "58": "The server's disk could not be read or written: its own log says more.",
    "40": "Two programs were in each other's way, and nothing is half written: try again.",
    "25006": "The server or the role may only read: name the primary server, or a role that may write.",
    "42501": "The role may not do this: docs/how-to/postgresql.md says what it needs.",
    "XX": "The server found its own files damaged: restore a backup of it, or sync into a new database.",
}
"""By class of SQLSTATE, or by the whole of it."""
_NUL = "cannot contain NUL"
_TOO_DEEP = "parser stack overflow"


def of_sqlite(where: object, error: BaseException) -> PlanhatError | None:
    """What to say of an error of SQLite; None where it is one of the statement."""
    if _TOO_DEEP in str(error):
        return ValidationError("This is nested too deeply for SQLite: write some of the conditions side by side.")
    advice = _SQLITE.get((getattr(error, "sqlite_errorcode", None) or 0) & 0xFF)
    return None if advice is None else MirrorError(f"The mirror {where}: {error}. {advice}")


def of_copy(file: object, error: sqlite3.Error) -> PlanhatError:
    """What to say where a mirror cannot be copied into a file."""
    advice = _SQLITE.get((getattr(error, "sqlite_errorcode", None) or 0) & 0xFF, "")
    return MirrorError(f"The copy {file} cannot be made, and nothing of it is left: {error}. {advice}".rstrip())


def of_copying_rows(url: URL, error: Any) -> PlanhatError:
    """What to say where PostgreSQL takes no rows in; the text of such an error shows the row that it stopped at."""
    said = type(error)(error.diag.message_primary or _first_line(error))
    return of_postgres(url, said) or MirrorError(f"The mirror's PostgreSQL ({_server(url)}) refuses a row: {said}.")


def of_postgres(url: URL, error: BaseException) -> PlanhatError | None:
    """What to say of an error of PostgreSQL or of its driver; None where it is one of the statement."""
    from psycopg import InterfaceError, OperationalError

    said, where = _first_line(error).rstrip("."), _server(url)
    if _NUL in said:
        return ValidationError(
            "A text holds the character NUL, which PostgreSQL cannot take: leave it out of the name, filter or label."
        )
    state = getattr(error, "sqlstate", None)
    if state is None:
        if not isinstance(error, (OperationalError, InterfaceError)):
            return None
        return MirrorError(
            f"The mirror's PostgreSQL ({where}) cannot be reached, or was lost: {said}. Is it running, are host and "
            f"port right? {_AGAIN}"
        )
    advice = _POSTGRES.get(state) or _POSTGRES.get(state[:2])
    return None if advice is None else MirrorError(f"The mirror's PostgreSQL ({where}): {said}. {advice}")


def _server(url: URL) -> str:
    return f"{url.host or 'this machine'}, database {url.database}"


def _first_line(error: BaseException) -> str:
    return (str(error).strip().splitlines() or [type(error).__name__])[0]
