"""What sending needs of an outbox, and the outbox of a client without a mirror, which is in memory.

A write is an entry from before it travels until it is acknowledged. With a mirror the entries are on disk and survive
the process; without one they live as long as the batch does that sends them. Nothing else differs.
"""

from __future__ import annotations

import uuid
from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from copy import deepcopy
from dataclasses import dataclass, field
from datetime import UTC, datetime
from functools import partial
from typing import Any, ParamSpec, Protocol, TypeVar

from ..http.effects import Flow, RunBlocking, Sleep
from ..runtime import TEMPORARY, WriteIntent
from ..wire.resources import Resource, resource

Raw = dict[str, Any]
P = ParamSpec("P")
T = TypeVar("T")

_PAUSE = 0.05
"""Seconds between two looks at keys that another process has in hand."""


class OutboxEntry(Protocol):
    """An entry of the outbox, as far as sending it goes."""

    seq: int
    op: str
    resource: str
    record: str
    patch: Raw
    base: Raw
    state: str
    created_at: str
    sent_at: str | None
    floor_id: str | None

    @property
    def makes(self) -> bool:
        """Whether it makes a record."""
        ...


class OutboxSession(Protocol):
    """An outbox in the hand of one piece of work, until `release()`."""

    @property
    def blocks(self) -> bool:
        """Whether its calls wait for a disk, so that a task must not make them itself."""
        ...

    def record(self, intents: Iterable[WriteIntent], state: str) -> Sequence[tuple[int | None, str]]:
        """Write intents down; return the number and the record's id for each."""
        ...

    def reserve(self) -> None:
        """Be the only one that pushes."""
        ...

    def claim(self, *states: str, seqs: Iterable[int] | None = None) -> Sequence[OutboxEntry]:
        """Take entries in hand."""
        ...

    def made_here(self, ids: Iterable[str]) -> set[str]:
        """Those of some ids that are known to be made through this outbox."""
        ...

    def send(self, patches: Mapping[int, tuple[Raw, Raw, Raw | None]], floor: str | None = None) -> set[int]:
        """Note that entries travel: patch, base and what the server holds; return those still in this hand.

        `floor` is the greatest id that was seen of their resource.
        """
        ...

    def take_keys(self, seqs: Iterable[int]) -> set[int]:
        """Keep others from making the keys of new records; return the entries whose keys others have, or none."""
        ...

    def mark(self, errors: Mapping[int, str], state: str) -> None:
        """Note how far entries are, and why."""
        ...

    def mark_conflicts(self, conflicts: Mapping[int, tuple[str, Raw]]) -> None:
        """Hold entries back, with what the server holds of their fields."""
        ...

    def acknowledge(
        self, finished: Iterable[tuple[int, str | None, Raw | None]], existed: Collection[int] = ()
    ) -> Sequence[tuple[str, str]]:
        """Forget acknowledged entries; return the records that only reading tells of, by resource and id.

        `existed` are entries of new records that were there before.
        """
        ...

    def cancel(self, seqs: Iterable[int]) -> None:
        """Forget entries and undo what the mirror shows of them."""
        ...

    def release(self) -> None:
        """Let go of what is in hand."""
        ...


class OutboxStore(Protocol):
    """An outbox that hands out sessions."""

    @property
    def blocks(self) -> bool:
        """Whether its calls wait for a disk."""
        ...

    def claim_session(self) -> OutboxSession:
        """This outbox for one piece of work."""
        ...

    def record(self, intents: Iterable[WriteIntent], state: str) -> Sequence[tuple[int | None, str]]:
        """Write intents down for a later push."""
        ...

    def aliases(self, temporaries: Iterable[str]) -> Mapping[str, str]:
        """The ids that Planhat gave to records that had a temporary one."""
        ...

    def succeed(self, ids: Mapping[str, str]) -> None:
        """Remember the new ids of records that were made anew, by the ids that they had before."""
        ...

    def deleted(self, resource: str, wire: str, value: str) -> list[Raw]:
        """What is remembered of records that were deleted here, oldest first, by what a field of them was."""
        ...


class AnalyticsRows(Protocol):
    """The values of metrics and the activities in an outbox: rows for the analytics host."""

    def record(self, name: str, rows: Iterable[tuple[str, Raw]]) -> int:
        """Write rows of a resource down, each with what it is of; return how many wait."""
        ...

    def count(self) -> int:
        """How many rows the next push would send, or find out about."""
        ...

    def prepare(self, doubt: str) -> tuple[int, Sequence[OutboxEntry]]:
        """The number of the newest row, and the activities in doubt, which are held from now on, for that reason."""
        ...

    def claim(self, name: str, states: Sequence[str], after: int, newest: int, most: int) -> Sequence[OutboxEntry]:
        """Take the next rows of a resource in hand: with a number above `after`, up to `newest`."""
        ...

    def begin(self, seqs: Sequence[int]) -> set[int]:
        """Note that rows travel now; return the numbers of those still in this hand."""
        ...

    def finish(self, entries: Sequence[Any]) -> None:
        """Forget rows that arrived."""
        ...


class MirrorSession(OutboxSession, Protocol):
    """A mirror's outbox in the hand of one piece of work."""

    @property
    def analytics(self) -> AnalyticsRows:
        """The values of metrics and the activities that wait, in this hand."""
        ...


class MirrorOutbox(OutboxStore, Protocol):
    """The outbox of a mirror, which outlives the process."""

    @property
    def analytics(self) -> AnalyticsRows:
        """The values of metrics and the activities that wait."""
        ...

    def claim_session(self) -> MirrorSession:
        """This outbox for one piece of work."""
        ...


def by_resource(entries: Iterable[OutboxEntry]) -> list[tuple[Resource, list[OutboxEntry]]]:
    """Entries by what they are about, in their order."""
    groups: dict[str, list[OutboxEntry]] = {}
    for entry in entries:
        groups.setdefault(entry.resource, []).append(entry)
    return [(resource(name), group) for name, group in groups.items()]


def on_outbox(
    outbox: OutboxStore | OutboxSession, method: Callable[P, T], *args: P.args, **kwargs: P.kwargs
) -> Flow[T]:
    """Call a method of an outbox; one that waits for a disk gets a thread of its own in a task."""
    if not outbox.blocks:
        return method(*args, **kwargs)
    value: T = yield RunBlocking(partial(method, *args, **kwargs))
    return value


def hold_keys(session: OutboxSession, seqs: Sequence[int]) -> Flow[None]:
    """Take the keys of new records where the outbox is shared; wait while another process has one of them in hand."""
    if session.blocks and seqs:
        while (yield from on_outbox(session, session.take_keys, seqs)):
            yield Sleep(_PAUSE)


@dataclass(slots=True)
class MemoryEntry:
    """One write, from before it travels until it is acknowledged."""

    seq: int
    op: str
    resource: str
    record: str
    patch: Raw = field(repr=False)
    base: Raw = field(repr=False)
    state: str
    created_at: str
    sent_at: str | None = None
    floor_id: str | None = None

    @property
    def makes(self) -> bool:
        """Whether it makes a record."""
        return self.op in ("create", "upsert")


class MemoryOutbox:
    """The writes of one piece of work, for a client without a mirror. Its one session is itself."""

    blocks = False

    def __init__(self) -> None:
        self._entries: dict[int, MemoryEntry] = {}
        self._made: set[str] = set()
        self._last = 0

    def claim_session(self) -> MemoryOutbox:
        """This outbox: nobody else has it."""
        return self

    def reserve(self) -> None:
        """Nobody else pushes."""

    def release(self) -> None:
        """Nothing is held against others."""

    def record(self, intents: Iterable[WriteIntent], state: str) -> list[tuple[int | None, str]]:
        """Keep intents, as they are now: their records may be edited while they travel."""
        now = _now()
        added: list[tuple[int | None, str]] = []
        for intent in intents:
            self._last += 1
            record = intent.record or f"{TEMPORARY}{uuid.uuid4().hex}"
            entry = MemoryEntry(
                self._last, intent.op, intent.resource, record, _copied(intent.patch), intent.base, state, now,
                now if state == "inflight" else None, intent.floor,
            )  # fmt: skip
            self._entries[entry.seq] = entry
            added.append((entry.seq, record))
        return added

    def claim(self, *states: str, seqs: Iterable[int] | None = None) -> list[MemoryEntry]:
        """The entries in some states, or by number."""
        numbers = self._entries.keys() if seqs is None else set(seqs)
        return [entry for seq, entry in self._entries.items() if seq in numbers and entry.state in states]

    def aliases(self, temporaries: Iterable[str]) -> dict[str, str]:
        """None: a temporary id is not seen outside of one piece of work."""
        return {}

    def deleted(self, resource: str, wire: str, value: str) -> list[Raw]:
        """None: there is no memory."""
        return []

    def succeed(self, ids: Mapping[str, str]) -> None:
        """Nothing to remember it for: there is no memory to undo changes of."""

    def made_here(self, ids: Iterable[str]) -> set[str]:
        """Those of some ids that were acknowledged."""
        return self._made.intersection(ids)

    def send(self, patches: Mapping[int, tuple[Raw, Raw, Raw | None]], floor: str | None = None) -> set[int]:
        """Note that entries travel."""
        for seq, (patch, base, _) in patches.items():
            entry = self._entries[seq]
            if entry.sent_at is None or entry.floor_id is None:
                entry.floor_id = floor or entry.floor_id
            entry.patch, entry.base, entry.state, entry.sent_at = patch, base, "inflight", _now()
        return set(patches)

    def take_keys(self, seqs: Iterable[int]) -> set[int]:
        """None is taken: no other process knows this outbox."""
        return set()

    def mark(self, errors: Mapping[int, str], state: str) -> None:
        """Note how far entries are."""
        for seq in errors:
            self._entries[seq].state = state

    def mark_conflicts(self, conflicts: Mapping[int, tuple[str, Raw]]) -> None:
        """Hold entries back."""
        self.mark({seq: error for seq, (error, _) in conflicts.items()}, "conflict")

    def acknowledge(
        self, finished: Iterable[tuple[int, str | None, Raw | None]], existed: Collection[int] = ()
    ) -> list[tuple[str, str]]:
        """Forget acknowledged entries. There is no mirror that could show an earlier answer."""
        for seq, id, _ in finished:
            del self._entries[seq]
            if id is not None:
                self._made.add(id)
        return []

    def cancel(self, seqs: Iterable[int]) -> None:
        """Forget entries."""
        for seq in seqs:
            del self._entries[seq]


def _now() -> str:
    return datetime.now(UTC).isoformat()


def _copied(patch: Raw) -> Raw:
    return {wire: deepcopy(value) if isinstance(value, (dict, list)) else value for wire, value in patch.items()}
