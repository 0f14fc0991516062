"""Bringing a database to this release's tables, or refusing it untouched.

An upgrade is one transaction: cut off half way it leaves the mirror as it was. A new mirror is made as the tables are
declared, which is what the migrations come to; Alembic, a tenth of the memory that a sync takes, is loaded only for an
old one. Its batch mode is never used: it fails on tables with views, and loses rows. Views and search
indexes go before the tables under them change; the views come back, the indexes with the next search.
"""

from __future__ import annotations

import logging
import os
import sqlite3
import uuid
from contextlib import closing
from datetime import UTC, datetime
from functools import cache
from itertools import chain
from pathlib import Path
from typing import Any

from sqlalchemy import (
    Column,
    Connection,
    MetaData,
    PrimaryKeyConstraint,
    String,
    Table,
    create_mock_engine,
    func,
    inspect,
    select,
    text,
)
from sqlalchemy.engine.mock import MockConnection
from sqlalchemy.exc import DBAPIError

from ... import files
from ...errors import ConfigurationError, MirrorError
from ..db import explain, fork_gate, tables
from ..db.changes import FEED
from ..db.database import Database
from ..db.layout import tables as layouts
from ..sharing import triggers
from .record_tables import making

VERSION_TABLE = "mirror_version"
FIRST_VERSION_TABLE = "alembic_version"
"""What release 0.1.0 called it, in the way of anybody's own Alembic in the same database."""

_version_table = Table(
    VERSION_TABLE,
    MetaData(),
    Column("version_num", String(32), nullable=False),
    PrimaryKeyConstraint("version_num", name=f"{VERSION_TABLE}_pkc"),
)
"""As Alembic makes it."""

_log = logging.getLogger("planhat_orm")


def folder() -> Path:
    """Where the migrations are: inside an installed package, beside the package in a checkout."""
    package = Path(__file__).resolve().parents[2]
    inside = package / "_migrations"
    return inside if inside.is_dir() else package.parent / "migrations"


def ours(name: str | None) -> bool:
    """Whether a table is the mirror's: one that the migrations make, or that is made at first use."""
    return (
        name in tables.metadata.tables
        or name in {layout.table for layout in layouts()}
        or name in tables.MADE_AT_FIRST_USE
    )


def include_object(thing: Any, name: str | None, type_: str, reflected: bool, compare_to: Any) -> bool:
    """Make your own Alembic leave the mirror's tables alone, where both live in one database.

    Hand it to `context.configure(...)` in your `env.py`; autogenerate then proposes to drop none of them. A table
    that your own metadata declares is yours, whatever its name.

    >>> from planhat_orm.mirror import include_object
    >>> context.configure(..., include_object=include_object)  # doctest: +SKIP
    """
    if type_ != "table" or not reflected or compare_to is not None:
        return True
    return not (ours(name) or name == VERSION_TABLE or str(name).startswith(triggers.PREFIX))


def open_database(where: str | os.PathLike[str], closed: Database | None = None) -> Database:
    """Connect to a mirror, its tables made or upgraded where needed; `closed` is that of an earlier time.

    Fails before anything is written to a database that is no mirror, or one that a newer release made.
    """
    database = closed if closed is not None and closed.begin_again() else Database(where)
    try:
        database.upgraded = upgrade(database)
    except BaseException:
        database.close()
        raise
    return database


def upgrade(database: Database) -> str | None:
    """Create or upgrade the tables; return the version that was there before, when it was an older one."""
    try:
        before = _version(database)
    except DBAPIError as error:
        raise ConfigurationError(f"The mirror cannot be opened: {str(error.orig).splitlines()[0]}.") from None
    if before == tables.VERSIONS[-1] and not _has_first_version_table(database):
        return None
    if before is None:
        database.use_wal()
    elif before != tables.VERSIONS[-1]:
        _keep_a_copy(database)
    with database.writing() as connection:
        # Another process may have been faster.
        now = _version_in(connection)
        _rename_version_table(connection)
        if now is None:
            _create(connection)
        elif now != tables.VERSIONS[-1]:
            _bring_up_to_date(connection, postgres=database.postgres)
            where = database.url.render_as_string(hide_password=True)
            _log.warning(
                "The mirror %s was upgraded from version %s of its tables to %s.", where, now, tables.VERSIONS[-1]
            )
    return None if before == tables.VERSIONS[-1] else before


def _version(database: Database) -> str | None:
    """The version of a mirror, None for an empty database; refuses anything else."""
    with database.reading() as connection:
        version = _version_in(connection)
        there = inspect(connection).get_table_names()
        foreign, calling = _foreign(connection, database)
    if version is None and there:
        advice = (
            "Make a schema for it and name that in the URL: ...?options=-csearch_path%3Dplanhat."
            if database.postgres
            else "Choose another file."
        )
        raise ConfigurationError(f"{database.url.database} is not a mirror: it holds other tables. {advice}")
    if foreign:
        raise MirrorError(
            f"The mirror {database.path} has triggers that this library did not make: {', '.join(foreign)}. They would "
            f"run with every sync. Drop them, or save the rest into a new file: planhat doctor --rescue NEW.db."
        )
    if calling:
        raise MirrorError(
            f"The mirror {database.path} has views or indexes that call functions of this library: "
            f"{', '.join(calling)}. It did not make them. Drop them, or save the rest into a new file: planhat doctor "
            "--rescue NEW.db."
        )
    if version is not None and version not in tables.VERSIONS:
        raise ConfigurationError(
            f"The mirror was written by a newer release (its tables are version {version}, this release knows "
            f"{tables.VERSIONS[-1]}): upgrade planhat_orm, or sync into another file."
        )
    return version


def _foreign(connection: Connection, database: Database) -> tuple[list[str], list[str]]:
    """The triggers that others made, and what of others calls our functions."""
    if database.postgres:
        return [], []
    return triggers.foreign_triggers(connection), triggers.foreign_calls(connection)


def _version_in(connection: Connection) -> str | None:
    there = set(inspect(connection).get_table_names())
    if tables.meta.name not in there:
        return None
    for name in (VERSION_TABLE, FIRST_VERSION_TABLE):
        if name in there:
            found = connection.execute(text(f"SELECT version_num FROM {name}")).scalars().all()
            if len(found) != 1:
                raise MirrorError(
                    f"The mirror's table {name} holds {len(found)} versions, not one: somebody else wrote into it. "
                    f"Restore a backup, or save what is there into a new file: planhat doctor --rescue NEW.db."
                )
            return str(found[0])
    return None


def _has_first_version_table(database: Database) -> bool:
    there = database.tables()
    return VERSION_TABLE not in there and FIRST_VERSION_TABLE in there


def _rename_version_table(connection: Connection) -> None:
    there = set(inspect(connection).get_table_names())
    if VERSION_TABLE in there or FIRST_VERSION_TABLE not in there:
        return
    connection.execute(text(f"ALTER TABLE {FIRST_VERSION_TABLE} RENAME TO {VERSION_TABLE}"))
    if connection.dialect.name == "postgresql":
        # Else nobody's own Alembic could make a table of the old name: the name of its key would be taken.
        connection.execute(text(f"ALTER INDEX {FIRST_VERSION_TABLE}_pkc RENAME TO {VERSION_TABLE}_pkc"))


def _keep_a_copy(database: Database) -> None:
    """Copy a file with unsent writes before its tables change: the one thing in it that a sync cannot bring back."""
    if database.path is None:
        return
    with database.reading() as connection:
        if not connection.execute(select(func.count()).select_from(tables.outbox)).scalar_one():
            return
    copy = database.path.with_name(f"{database.path.name}.before-{tables.VERSIONS[-1]}")
    copy.unlink(missing_ok=True)
    with files.whole(copy, replace=True) as beside, closing(fork_gate.connect(database.path)) as source:
        try:
            source.execute("VACUUM INTO ?", (str(beside),))
        except sqlite3.Error as error:
            raise explain.of_copy(copy, error) from None
    _log.warning("Writes wait in the mirror's outbox, so a copy of it from before the upgrade is kept in %s.", copy)


def _bring_up_to_date(connection: Connection, *, postgres: bool) -> None:
    # Like Alembic, of no use to a mirror that is current.
    from ..sharing import search, views
    from . import backfill, replay

    shown = views.drop(connection)
    search.drop(connection, postgres=postgres)
    columns = backfill.columns(connection)
    _run(connection)
    backfill.adopt(connection, columns, postgres=postgres)
    replay.take_over(connection, postgres=postgres)
    if not connection.execute(select(tables.meta).where(tables.meta.c.key == FEED)).all():
        name_feed(connection)
    views.make(connection, shown, postgres=postgres)


def _create(connection: Connection) -> None:
    for statement in _statements(connection.dialect.name):
        connection.exec_driver_sql(statement)
    connection.execute(_version_table.insert(), [{"version_num": tables.VERSIONS[-1]}])
    connection.execute(tables.clock.insert(), [{"id": 1, "n": 0, "at": 0}])
    connection.execute(tables.meta.insert(), [{"key": "created_at", "value": datetime.now(UTC).isoformat()}])
    name_feed(connection)


@cache
def _statements(dialect: str) -> tuple[str, ...]:
    """What makes a new mirror, compiled once for a process: that takes longer than making it."""
    statements: list[str] = []

    def note(statement: Any, *_: Any) -> None:
        statements.append(str(statement.compile(dialect=engine.dialect)))

    engine: MockConnection = create_mock_engine(f"{dialect}://", note)
    for metadata in (tables.metadata, _version_table.metadata):
        metadata.create_all(engine, checkfirst=False)
    return (*statements, *chain.from_iterable(making(layout, engine.dialect) for layout in layouts()))


def name_feed(connection: Connection) -> None:
    """Give the mirror's changes a name of their own: numbers of changes mean nothing to those of another mirror."""
    connection.execute(tables.meta.delete().where(tables.meta.c.key == FEED))
    connection.execute(tables.meta.insert(), [{"key": FEED, "value": uuid.uuid4().hex}])


def create_as_of(database: Database, version: str) -> None:
    """Make the tables of an earlier release, for what only they can hold; the next opening upgrades them."""
    database.use_wal()
    with database.writing() as connection:
        _run(connection, version)
        connection.execute(tables.meta.insert(), [{"key": "created_at", "value": datetime.now(UTC).isoformat()}])


def _run(connection: Connection, version: str = "head") -> None:
    from alembic import command
    from alembic.config import Config

    config = Config()
    config.set_main_option("script_location", str(folder()).replace("%", "%%"))
    config.attributes["connection"] = connection
    logger = logging.getLogger("alembic")
    level = logger.level
    # Each step it takes is news to Alembic's users; ours hear of an upgrade as a whole.
    logger.setLevel(logging.WARNING)
    try:
        command.upgrade(config, version)
    finally:
        logger.setLevel(level)
