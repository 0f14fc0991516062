"""Bringing a database to this release's tables, or refusing it untouched.

An upgrade is one transaction: cut off half way it leaves the mirror as it was. Alembic is loaded only when there is
something to do. Its batch mode is never used: it fails on tables with views, and loses rows (sync.md 2.12).
"""

from __future__ import annotations

import logging
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING

from sqlalchemy import Connection, insert, inspect, text
from sqlalchemy.exc import DBAPIError

from ..errors import ConfigurationError
from . import tables, views

if TYPE_CHECKING:
    from .database import Database

VERSIONS = ("0001",)
"""The migrations that this release knows, oldest first."""


def folder() -> Path:
    """Where the migrations are: inside an installed package, beside the package in a checkout."""
    package = Path(__file__).resolve().parent.parent
    inside = package / "_migrations"
    return inside if inside.is_dir() else package.parent / "migrations"


def ours(name: str | None) -> bool:
    """Whether a table is the mirror's: for the `include_name` of an Alembic that shares the database."""
    return name in tables.metadata.tables


def upgrade(database: Database) -> str | None:
    """Create or upgrade the tables; return the version that was there before, when it was an older one."""
    try:
        before = _version(database)
    except DBAPIError as error:
        raise ConfigurationError(f"The mirror cannot be opened: {str(error.orig).splitlines()[0]}.") from None
    if before == VERSIONS[-1]:
        return None
    if before is None:
        database.use_wal()
    with database.writing() as connection:
        # Another process may have been faster.
        now = _version_in(connection)
        if now != VERSIONS[-1]:
            views.drop(connection)
            _run(connection)
            if now is None:
                made = {"key": "created_at", "value": datetime.now(UTC).isoformat()}
                connection.execute(insert(tables.meta), [made])
    return before


def _version(database: Database) -> str | None:
    """The version of a mirror, None for an empty database; refuses anything else."""
    with database.reading() as connection:
        version = _version_in(connection)
        there = inspect(connection).get_table_names()
    if version is None and there:
        raise ConfigurationError(
            f"{database.url.database} is not a mirror: it holds other tables. Choose another file or database."
        )
    if version is not None and version not in VERSIONS:
        raise ConfigurationError(
            f"The mirror was written by a newer release (its tables are version {version}, this release knows "
            f"{VERSIONS[-1]}): upgrade planhat_orm, or sync into another file."
        )
    return version


def _version_in(connection: Connection) -> str | None:
    if not {"mirror_meta", "alembic_version"} <= set(inspect(connection).get_table_names()):
        return None
    found: str = connection.execute(text("SELECT version_num FROM alembic_version")).scalar_one()
    return found


def _run(connection: Connection) -> None:
    from alembic import command
    from alembic.config import Config

    config = Config()
    config.set_main_option("script_location", str(folder()).replace("%", "%%"))
    config.attributes["connection"] = connection
    logger = logging.getLogger("alembic")
    level = logger.level
    # Each step it takes is news to Alembic's users; ours hear of an upgrade from the mirror's status.
    logger.setLevel(logging.WARNING)
    try:
        command.upgrade(config, "head")
    finally:
        logger.setLevel(level)
