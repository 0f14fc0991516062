"""What is held of a person, as counts, and how it is removed."""

from __future__ import annotations

import glob
from collections import Counter
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol

from sqlalchemy import Connection, select

from ...runtime import TEMPORARY
from ..db import state, tables
from ..db.layout import layouts
from . import copies, forgotten, places
from .forgotten import PEOPLE
from .person import Person, find

if TYPE_CHECKING:
    from ..db.database import Database
    from ..inbox import Inbox
    from ..outbox.outbox import Outbox


class Mirror(Protocol):
    """What a person is removed from."""

    @property
    def database(self) -> Database:
        """Its database."""
        ...

    @property
    def outbox(self) -> Outbox:
        """The writes that wait."""
        ...

    @property
    def inbox(self) -> Inbox:
        """The events of webhooks."""
        ...

    history_kept: bool

    @property
    def export(self) -> copies.Write:
        """What writes files of its tables."""
        ...


class _Undone(Exception):
    """A plan was made by doing it; nothing of that stays."""


@dataclass(frozen=True, slots=True)
class Found:
    """How much of one place speaks of a person: records, mentions, history and so on; `model` where it has one."""

    place: str
    model: str | None
    count: int


@dataclass(frozen=True, slots=True)
class Erasure:
    """What a mirror and some folders of exports hold of a person: `print(plan)`, `plan.apply()`.

    `found` are counts, no data of theirs. `server` are the calls that would delete their records in Planhat, which this
    does not; `copies` are folders whose files are written anew; `left` are files beside the mirror that stay.
    """

    email: str
    found: tuple[Found, ...]
    server: tuple[str, ...]
    copies: tuple[Path, ...]
    left: tuple[Path, ...]
    done: bool = False
    _mirror: Mirror | None = field(default=None, repr=False, compare=False)

    def __bool__(self) -> bool:
        """Whether anything of them was found."""
        return bool(self.found)

    @property
    def total(self) -> int:
        """How many records, changes, writes and the like speak of them."""
        return sum(item.count for item in self.found)

    def apply(self) -> Erasure:
        """Remove them from the mirror, write its files and those of the exports anew, and say what was removed.

        Raises `MirrorError` where a write that speaks of them is on its way, or where others use the mirror: then do it
        again. Whatever was removed stays so.
        """
        assert self._mirror is not None
        return _run(self._mirror, self.email, self.copies, apply=True)

    def __str__(self) -> str:
        lines = [f"{item.count:>7,} {item.place}{f' in {item.model}' if item.model else ''}" for item in self.found]
        lines += [f"{folder}: its files are written anew" for folder in self.copies]
        lines += [f"Planhat holds them until: {call}" for call in self.server]
        lines += [f"{path} is a copy from before, and stays: delete it" for path in self.left]
        return "\n".join(lines) or "Nothing speaks of this person."


def plan(mirror: Mirror, email: str, folders: Sequence[Path]) -> Erasure:
    """What is held of a person: found by removing it all, and taking that back."""
    return _run(mirror, email, folders, apply=False)


def _run(mirror: Mirror, email: str, folders: Sequence[Path], *, apply: bool) -> Erasure:
    database, outbox = mirror.database, mirror.outbox
    with database.reading() as connection:
        complete = [name for name, found in state.load_all(connection).items() if found.complete]
    rewrites = copies.planned(folders, complete)
    counts, person, server = Counter[Any](), Person(email, {}, frozenset(), frozenset()), tuple[str, ...]()
    with suppress(_Undone), database.writing(durable=True) as connection:
        person = find(connection, email, postgres=database.postgres)
        server = _calls(connection, person)
        counts = places.erase(connection, database, outbox, person, mirror.history_kept)
        if not apply:
            raise _Undone
        forgotten.remember(connection, person.addresses)
    counts["events of webhooks"] = _inbox(mirror, person, apply=apply)
    if apply:
        database.scrub()
        copies.write_anew(mirror.export, rewrites)
    return Erasure(email, _found(counts), server, tuple(folders), _left(mirror), apply, mirror)


def _found(counts: Counter[Any]) -> tuple[Found, ...]:
    items = [(*place, count) if isinstance(place, tuple) else (place, None, count) for place, count in counts.items()]
    order = ("records", "mentions", "history", "waiting writes")
    items.sort(key=lambda item: (order.index(item[0]) if item[0] in order else len(order), item[0], item[1] or ""))
    spoken = [Found(*item) for item in items if item[2] and item[0] != "search indexes"]
    return tuple(spoken)


def _inbox(mirror: Mirror, person: Person, *, apply: bool) -> int:
    """How many events of webhooks speak of a person; they are taken out, where that is asked for."""
    database = mirror.database
    if database.postgres:
        is_kept = "mirror_inbox" in database.tables()
    else:
        is_kept = Path(f"{database.path}-inbox").exists()
    if not is_kept:
        return 0
    count = mirror.inbox.erase(person.records, person.speaks, apply=apply)
    if apply:
        mirror.inbox.scrub()
    return count


def _calls(connection: Connection, person: Person) -> tuple[str, ...]:
    """The calls that delete their records in Planhat, of those that the mirror saw there."""
    calls = []
    for name in PEOPLE:
        layout = layouts()[name]
        ids = tables.records(layout).c.id
        mirrored = connection.execute(select(ids).where(ids.in_(sorted(person.records[name])))).scalars()
        calls += [f"DELETE /{layout.resource.path}/{id}" for id in sorted(mirrored) if not id.startswith(TEMPORARY)]
    return tuple(calls)


def _left(mirror: Mirror) -> tuple[Path, ...]:
    path = mirror.database.path
    return () if path is None else tuple(sorted(path.parent.glob(f"{glob.escape(path.name)}.before-*")))
