"""Whose mirror this is: noted when it is first opened, checked each time, so that two accounts never mix in one.

The note holds the host, the name of the account if it has one, and a digest of the token under a key of the mirror's
own, so that the same token leaves another digest in another file.
"""

from __future__ import annotations

import logging
import random
import secrets
from collections.abc import Iterable
from hashlib import blake2b
from typing import Any

from sqlalchemy import Connection, func, insert, or_, select, update

from ...errors import MirrorError
from ...http.effects import Flow, RunBlocking
from ...scopes.accounts import Account
from ...wire import records
from ..db import tables
from ..db.database import Database
from ..db.layout import layouts

_PREFIX = "account_"
_KEY, _DIGEST, _HOST, _NAME = (f"{_PREFIX}{word}" for word in ("key", "digest", "host", "name"))
ASKED = 5
"""So many records of the mirror are asked for with a new token before it is adopted."""

_log = logging.getLogger("planhat_orm")


def check(database: Database, account: Account) -> None:
    """Note whose mirror this is where nobody did, or nothing is in it; `MirrorError` when it is another account's.

    Without a token nothing is read or sent, so then nothing is checked.
    """
    if not account.digest and account.name is None:
        return
    with database.reading() as connection:
        note = _load(connection)
        empty = _is_empty(connection)
    if note.get(_HOST) == account.host and note.get(_NAME) == account.name and _has_token_of(note, account):
        return
    if note and not _is_same(note, account) and not empty:
        raise MirrorError(
            f"The mirror {_shown(database)} was made from the account {_told(note)}, and this client is of {account}. "
            f'Use another file for it. For a new token of the same account: "planhat mirror adopt".'
        )
    if not note and not empty:
        _log.info("The mirror %s is noted as that of %s.", _shown(database), account)
    save(database, account)


def save(database: Database, account: Account) -> None:
    """Note whose mirror this is."""
    with database.writing(durable=True) as connection:
        key = _load(connection).get(_KEY) or secrets.token_hex(16)
        values = {
            _KEY: key,
            _DIGEST: _keyed(key, account) if account.digest else None,
            _HOST: account.host,
            _NAME: account.name,
        }
        there = set(connection.execute(select(tables.meta.c.key)).scalars())
        for name, value in values.items():
            row = {"key": name, "value": value}
            if name in there:
                connection.execute(update(tables.meta).where(tables.meta.c.key == name).values(row))
            else:
                connection.execute(insert(tables.meta).values(row))


def adopt(database: Database, account: Account, *, force: bool) -> Flow[None]:
    """Take a mirror over for a client with another token: one GET each for some of its records, unless `force`.

    Raises `MirrorError` when the host is another one, as a sandbox that was copied has the same ids, or when a record
    is not there.
    """
    if not force:
        note, chosen = yield RunBlocking(lambda: _sample(database))
        if note and note[_HOST] != account.host:
            raise MirrorError(
                f"The mirror {_shown(database)} was made from {note[_HOST]} and not from {account.host}, where a copy "
                f'of the account may have the same records. If it is the account: "planhat mirror adopt --force".'
            )
        missing = 0
        for resource, id in chosen:
            missing += (yield from records.find(resource, id)) is None
        if missing:
            raise MirrorError(
                f"{missing} of {len(chosen)} records of the mirror {_shown(database)} are not in {account}, so it is "
                f'the mirror of another account. If it is this one all the same: "planhat mirror adopt --force".'
            )
    yield RunBlocking(lambda: save(database, account))


def noted(rows: Iterable[dict[str, Any]]) -> list[dict[str, Any]]:
    """Those facts of a mirror that say whose it is."""
    return [row for row in rows if str(row["key"]).startswith(_PREFIX)]


def _load(connection: Connection) -> dict[str, str | None]:
    rows = connection.execute(select(tables.meta.c.key, tables.meta.c.value))
    return {key: value for key, value in rows if key.startswith(_PREFIX)}


def _is_empty(connection: Connection) -> bool:
    counts = (select(func.count()).select_from(table).scalar_subquery() for table in (tables.models, tables.outbox))
    return not any(connection.execute(select(*counts)).one())


def _is_same(note: dict[str, str | None], account: Account) -> bool:
    if account.name is not None and note.get(_NAME) == account.name:
        return True
    return note.get(_HOST) == account.host and _has_token_of(note, account)


def _has_token_of(note: dict[str, str | None], account: Account) -> bool:
    if not account.digest:
        return note.get(_DIGEST) is None
    return note.get(_DIGEST) == _keyed(str(note.get(_KEY)), account)


def _keyed(key: str, account: Account) -> str:
    said = f"{account.host}\n{account.digest}".encode()
    return blake2b(said, key=bytes.fromhex(key), digest_size=16).hexdigest()


def _shown(database: Database) -> str:
    return database.url.render_as_string(hide_password=True).removeprefix("sqlite:///")


def _told(note: dict[str, str | None]) -> str:
    return f"{note[_NAME]!r} at {note[_HOST]}" if note.get(_NAME) else str(note[_HOST])


def _sample(database: Database) -> tuple[dict[str, str | None], list[tuple[Any, str]]]:
    """The note of a mirror, and some of its records that Planhat gives by their id; companies before others."""
    chosen: list[tuple[Any, str]] = []
    with database.reading() as connection:
        note = _load(connection)
        readable = [layout for layout in layouts().values() if "get_by_id" in layout.resource.operations]
        for layout in sorted(readable, key=lambda layout: layout.resource.name != "company"):
            table = tables.records(layout)
            id = table.c[layout.by_wire["_id"].name]
            real = select(id).where(or_(~id.startswith("tmp:"))).limit(1000)
            ids = connection.execute(real).scalars().all()
            chosen += [(layout.resource, id) for id in random.sample(ids, min(len(ids), ASKED - len(chosen)))]
            if len(chosen) == ASKED:
                break
    return note, chosen
