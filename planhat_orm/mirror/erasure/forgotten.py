"""Who was forgotten: keyed digests of addresses, by which a sync notices that Planhat still has such a person."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import UTC, datetime
from hashlib import blake2b
from secrets import token_hex

import msgspec
from sqlalchemy import Connection, delete, insert, select

from ..db import tables
from ..db.layout import layouts

PEOPLE = ("enduser", "user")
"""The models whose records are people."""
_FORGOTTEN = "forgotten"
"""The key of `mirror_meta` under which the digests are."""


class _Forgotten(msgspec.Struct):
    """Keyed digests of addresses: enough to notice one that comes again, too little to tell it to anybody."""

    key: str
    digests: dict[str, str]


def _load(connection: Connection) -> _Forgotten | None:
    kept = connection.execute(select(tables.meta.c.value).where(tables.meta.c.key == _FORGOTTEN)).scalar()
    return None if kept is None else msgspec.json.decode(kept, type=_Forgotten)


def remember(connection: Connection, addresses: Iterable[str]) -> None:
    """Note that the person with some addresses was forgotten."""
    known = _load(connection) or _Forgotten(token_hex(16), {})
    day = datetime.now(UTC).date().isoformat()
    known.digests.update((_digest(known.key, address), day) for address in addresses)
    connection.execute(delete(tables.meta).where(tables.meta.c.key == _FORGOTTEN))
    values = {"key": _FORGOTTEN, "value": msgspec.json.encode(known).decode()}
    connection.execute(insert(tables.meta), [values])


def _digest(key: str, address: str) -> str:
    return blake2b(address.casefold().encode(), key=bytes.fromhex(key), digest_size=16).hexdigest()


def returned(connection: Connection, name: str) -> int:
    """How many records of a model have an address that was forgotten: Planhat still has them, or has them again."""
    known = _load(connection) if name in PEOPLE else None
    if known is None:
        return 0
    emails = connection.execute(select(tables.records(layouts()[name]).c.email)).scalars()
    return sum(email is not None and _digest(known.key, email.strip()) in known.digests for email in emails)
