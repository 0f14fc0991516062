"""Indexes on the custom fields that a program declares with `Custom(..., index=True)`."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable

from sqlalchemy import text

from .database import Database
from .layout import declared_customs
from .sqlite import path

PREFIX = "custom__"


def index(database: Database, names: Iterable[str]) -> None:
    """Make the indexes that are declared and not there. They are found by what they index, not by who asked."""
    wanted = {
        index_name(name, label): (name, label)
        for name in names
        for label, custom in declared_customs(name).items()
        if custom.index and path((label,)) is not None
    }
    if not wanted:
        return
    there = database.indexes()
    missing = {name: found for name, found in wanted.items() if name not in there}
    if not missing:
        return
    with database.writing() as connection:
        quote = connection.dialect.identifier_preparer.quote
        for name, (table, label) in missing.items():
            literal = (label if database.postgres else str(path((label,)))).replace("'", "''").replace(":", "\\:")
            collation = ' COLLATE "C"' if database.postgres else ""
            expression = f"(custom ->> '{literal}'){collation}"
            connection.execute(text(f"CREATE INDEX IF NOT EXISTS {quote(name)} ON {quote(table)} ({expression})"))


def index_name(table: str, label: str) -> str:
    """The index's name: labels may hold anything, names of indexes may not."""
    return f"{PREFIX}{table}__{hashlib.sha1(label.encode(), usedforsecurity=False).hexdigest()[:12]}"
