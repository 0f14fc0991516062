"""A person as the mirror knows them: their records, and what they are called by in those of others."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any

from sqlalchemy import ColumnElement, Connection, Text, cast, or_, select

from ...errors import ValidationError
from ...json_encoding import rewrite
from ..db import tables
from ..db.changes import Raw, ids_of
from ..db.json_text import read_cell
from ..db.layout import layouts
from ..db.store import Store
from .forgotten import PEOPLE

ERASED = "[erased]"
"""What stands where an address, a name or an id of theirs stood within a text."""
_ADDRESS = re.compile(r"""[^@\s"'\\<>(),;:]+@[^@\s"'\\<>(),;:]+\.[^@\s"'\\<>(),;:.]+""")
_LONG = 12
"""Ids of fewer letters may be words, and stay within texts."""
_GONE = object()


@dataclass(frozen=True)
class Person:
    """One person: the address that was asked for, the ids of their records by model, and their addresses and names."""

    email: str
    records: Mapping[str, frozenset[str]] = field(repr=False)
    addresses: frozenset[str] = field(repr=False)
    names: frozenset[str] = field(repr=False)

    @cached_property
    def ids(self) -> frozenset[str]:
        """The ids of all their records."""
        return frozenset().union(*self.records.values())

    @property
    def words(self) -> list[str]:
        """What a text holds that speaks of them, in any case."""
        return sorted({*self.addresses, *self.ids})

    def condition(self, *columns: Any) -> ColumnElement[bool]:
        """What holds of rows in which some columns may speak of them; `speaks` tells whether they do."""
        return or_(*(holds(word, *columns) for word in self.words))

    def speaks(self, text: str | None) -> bool:
        """Whether a text holds an address or an id of theirs."""
        return text is not None and self._known.search(text) is not None

    def row(self, raw: Raw) -> Raw:
        """A record of somebody else without them; the same object where it does not speak of them.

        Their names go from such a record only, as others may bear them.
        """
        return self._object(raw) if self.speaks(rewrite(raw).decode()) else raw

    @cached_property
    def _known(self) -> re.Pattern[str]:
        addresses = (rf"(?<![\w.+-]){re.escape(address)}(?![\w-]|\.\w)" for address in sorted(self.addresses))
        ids = (rf"(?<!\w){re.escape(id)}(?!\w)" for id in sorted(self.ids))
        return re.compile("|".join((*addresses, *ids)), re.IGNORECASE)

    @cached_property
    def _within(self) -> re.Pattern[str]:
        """What is taken out of the midst of a text."""
        names = (rf"(?<!\w){re.escape(name)}(?!\w)" for name in sorted(self.names))
        words = Person(
            self.email, {"": frozenset(id for id in self.ids if len(id) >= _LONG)}, self.addresses, self.names
        )
        return re.compile("|".join((words._known.pattern, *names)), re.IGNORECASE)

    def _without(self, value: Any) -> Any:
        if isinstance(value, str):
            is_theirs = value in self.ids or value.strip().casefold() in self.addresses
            return _GONE if is_theirs else self._within.sub(ERASED, value)
        if isinstance(value, list):
            return [left for left in map(self._without, value) if left is not _GONE]
        if isinstance(value, dict):
            return _GONE if self._is_the_person(value) else self._object(value)
        return value

    def _object(self, value: Mapping[str, Any]) -> dict[str, Any]:
        items = ((self._within.sub(ERASED, key), self._without(item)) for key, item in value.items())
        return {key: None if item is _GONE else item for key, item in items}

    def _is_the_person(self, value: Mapping[str, Any]) -> bool:
        told = (value.get(key) for key in ("_id", "id", "email"))
        return any(isinstance(item, str) and (item in self.ids or item.casefold() in self.addresses) for item in told)


def holds(word: str, *columns: Any) -> ColumnElement[bool]:
    """What holds of rows in which some columns have a word within, in any case."""
    return or_(*(cast(column, Text).icontains(word, autoescape=True) for column in columns))


def find(connection: Connection, email: str, *, postgres: bool) -> Person:
    """The person with an address, by their records that are there, were there, or wait to be made."""
    if not _ADDRESS.fullmatch(email):
        raise ValidationError("forget() takes one email address, such as someone@customer.example.")
    address = email.casefold()
    asked = Person(email, {}, frozenset([address]), frozenset())
    records: dict[str, set[str]] = {name: set() for name in PEOPLE}
    addresses, names = {address}, set[str]()
    for name in PEOPLE:
        for id, raw in _versions(connection, name, asked, postgres=postgres):
            if address in _addresses(raw):
                records[name].add(id)
                addresses |= _addresses(raw)
                names |= _names(raw)
    return Person(
        email, {name: frozenset(ids) for name, ids in records.items()}, frozenset(addresses), frozenset(names)
    )


def _versions(connection: Connection, name: str, asked: Person, *, postgres: bool) -> Iterator[tuple[str, Raw]]:
    """What the mirror holds of the records of a model that may be theirs: now, before, aside, and in what waits."""
    table, log, stage, box = tables.records(layouts()[name]), tables.changes.c, tables.stage.c, tables.outbox.c
    shown = [table.c.email, *([table.c.other_emails] if "other_emails" in table.c else [])]
    ids = connection.execute(select(table.c.id).where(asked.condition(*shown))).scalars().all()
    yield from Store(connection, layouts()[name], postgres=postgres).read(ids).items()
    changes = connection.execute(
        select(log.rid, log.reverse).where(log.resource == name, log.rid.is_not(None), asked.condition(log.reverse))
    ).all()
    known = ids_of(connection, {row.rid for row in changes})
    for row in changes:
        yield from ((id, read_cell(row.reverse).get("set", {})) for id in known.get(row.rid, ()))
    staged = select(stage.record, stage.body).where(stage.resource == name, asked.condition(stage.body))
    for id, body in connection.execute(staged):
        yield id, read_cell(body)
    waiting = select(box.record, box.patch, box.base).where(box.resource == name, asked.condition(box.patch, box.base))
    for id, patch, base in connection.execute(waiting):
        yield id, read_cell(patch)
        yield id, read_cell(base)


def _addresses(raw: Raw) -> set[str]:
    others = raw.get("otherEmails")
    told: Iterable[Any] = (raw.get("email"), *(others if isinstance(others, list) else ()))
    return {item.strip().casefold() for item in told if isinstance(item, str) and item.strip()}


def _names(raw: Raw) -> set[str]:
    """What they are called by, where it is more than one word: one alone may be anything's."""
    told = [raw.get("name"), f"{raw.get('firstName') or ''} {raw.get('lastName') or ''}"]
    return {" ".join(name.split()) for name in told if isinstance(name, str) and len(name.split()) > 1}
