"""The outbox: every write on paper before it travels.

An entry and the row that shows it are one transaction, so a crash at any point leaves either nothing, or an
entry that says what was meant: `pending` was never sent, `inflight` may have been. An entry that somebody has in
hand is his until he is done or dead; nobody else sends it meanwhile. The row of the mirror shows the wish, and
discarding an entry undoes it.
"""

from __future__ import annotations

import uuid
from collections.abc import Collection, Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import replace

from sqlalchemy import Connection, bindparam, delete, func, insert, select, update

from ... import arguments
from ...errors import MirrorError
from ...html import table as html_table
from ...models.conflict import Conflict, conflict_of
from ...runtime import TEMPORARY, WriteIntent
from ...wire.patches import Raw, merged, same, without
from ..db import clock, guards, lease, life, tables
from ..db.changes import ChangeLog, Own, chunks, flat_names
from ..db.database import Database
from ..db.json_text import json_text, read_cell
from ..db.layout import layouts
from ..db.state import now
from ..db.store import Counts
from . import claims
from .analytics_queue import SEND, AnalyticsQueue
from .doubles import SENT
from .entry_rules import answered, give_up, hold, join, rebased
from .overlay import Entry, PendingOverlay, find, find_all
from .settlement import Settlement

__all__ = ["Entry", "Outbox"]

_AT_REST = ("pending", "conflict", "failed")


class Outbox:
    """The writes of one mirror that have not been acknowledged."""

    blocks = True

    def __init__(self, database: Database, *, history: bool) -> None:
        self._database = database
        self._history = history
        self._lease: lease.Lease | None = None
        self._work: life.Holder | None = None
        self._asked: dict[int, int] = {}

    # --- looking ----------------------------------------------------------------------------------------

    def entries(self, *states: str) -> list[Entry]:
        """The entries in the order of the writes, all of them or those in some states."""
        with self._database.reading() as connection:
            return find(connection, *([tables.outbox.c.state.in_(states)] if states else []))

    def conflicts(self) -> list[Conflict]:
        """The fields that hold writes back, as the server's record changed them too; the objects are the entries."""
        return [conflict_of(entry, clash) for entry in self.entries("conflict") for clash in entry.clashes]

    def counts(self) -> dict[str, int]:
        """How many writes wait, by resource."""
        box = tables.outbox
        with self._database.reading() as connection:
            rows = connection.execute(select(box.c.resource, func.count()).group_by(box.c.resource))
            return {row[0]: row[1] for row in rows}

    def aliases(self, temporaries: Iterable[str]) -> dict[str, str]:
        """The ids that Planhat gave to records that were created offline, of those that have one."""
        names = tables.aliases
        found: dict[str, str] = {}
        with self._database.reading() as connection:
            for part in chunks(list(temporaries)):
                rows = connection.execute(select(names.c.temporary, names.c.id).where(names.c.temporary.in_(part)))
                found.update((temporary, id) for temporary, id in rows)
        return found

    def deleted(self, resource: str, wire: str, value: str) -> list[Raw]:
        """What is remembered of records that were deleted here, oldest first, by what a field of them was."""
        log, table = tables.changes.c, layouts()[resource].table
        ours = (log.resource == table, log.kind == "deleted", log.origin == "mine", log.reverse.contains(value))
        with self._database.reading() as connection:
            found = connection.execute(select(log.reverse).where(*ours).order_by(log.seq)).scalars()
            rows: list[Raw] = [read_cell(text)["set"] for text in found]
        return [row for row in rows if row.get(wire) == value]

    def succeed(self, ids: Mapping[str, str]) -> None:
        """Remember the new ids of records that were made anew, by the ids that they had before."""
        names = tables.aliases
        with self._database.writing() as connection:
            for part in chunks(sorted(ids)):
                connection.execute(delete(names).where(names.c.temporary.in_(part)))
            if ids:
                connection.execute(insert(names), [{"temporary": old, "id": id} for old, id in ids.items()])

    def made_here(self, ids: Iterable[str]) -> set[str]:
        """Those of some ids that belong to records made through this outbox."""
        names = tables.aliases
        with self._database.reading() as connection:
            return {
                id
                for part in chunks(list(ids))
                for id in connection.execute(select(names.c.id).where(names.c.id.in_(part))).scalars()
            }

    def __len__(self) -> int:
        return sum(self.counts().values())

    def __iter__(self) -> Iterator[Entry]:
        return iter(self.entries())

    def __repr__(self) -> str:
        counts: dict[str, int] = {}
        for entry in self.entries():
            counts[entry.state] = counts.get(entry.state, 0) + 1
        told = ", ".join(f"{state} {count}" for state, count in counts.items()) or "empty"
        return f"<Outbox {told}>"

    def _repr_html_(self) -> str:
        rows = [
            (entry.seq, entry.op, entry.resource, entry.record, ", ".join(entry.patch), entry.state, entry.created_at)
            for entry in self.entries()[:20]
        ]
        return html_table(("seq", "op", "resource", "record", "fields", "state", "since"), rows, repr(self))

    @property
    def analytics(self) -> AnalyticsQueue:
        """The values of metrics and the activities that wait."""
        return AnalyticsQueue(self._database, self._writing, self._holder, self._is_gone)

    # --- who has what in hand ---------------------------------------------------------------------------

    def claim_session(self) -> Outbox:
        """This outbox for one piece of work, until `release()`."""
        mine = Outbox(self._database, history=self._history)
        mine._work = life.Holder(self._database)
        return mine

    @property
    def _holder(self) -> str | None:
        return None if self._work is None else self._work.name

    def reserve(self) -> None:
        """Be the only one that pushes, until `release()`. Raises `MirrorError` while another one is."""
        assert self._work is not None, "only what is in hand can be pushed"
        self._lease = lease.acquire(self._work, "push")

    def release(self) -> None:
        """Let go of what is in hand: whatever was not settled is for the next push."""
        try:
            if self._lease is not None:
                self._lease.release()
        finally:
            if self._work is not None:
                self._work.end()

    def claim(self, *states: str, seqs: Iterable[int] | None = None) -> list[Entry]:
        """Take the writes of records in some states (or by number) in hand, but those that others have."""
        box = tables.outbox
        with self._writing() as connection:
            found = find(connection, box.c.state.in_(states), box.c.op != SEND)
            wanted = None if seqs is None else set(seqs)
            asked = [record for record in found if wanted is None or record.seq in wanted]
            gone = {holder: self._is_gone(holder) for holder in {record.holder for record in asked}}
            free = [record for record in asked if gone[record.holder]]
            for part in chunks([key.seq for key in free]):
                connection.execute(update(box).where(box.c.seq.in_(part)).values(holder=self._holder))
        return [replace(key, holder=self._holder) for key in free]

    def _is_free(self, entry: Entry) -> bool:
        return self._is_gone(entry.holder)

    def _is_gone(self, holder: str | None) -> bool:
        return holder is None or holder == self._holder or life.is_gone(self._database, holder)

    @contextmanager
    def _writing(self, *, durable: bool = True) -> Iterator[Connection]:
        if self._work is not None:
            self._work.begin()
        with self._database.writing(durable=durable) as connection:
            if self._lease is not None:
                self._lease.heartbeat(connection)
            yield connection

    def _stacks(self, connection: Connection) -> PendingOverlay:
        log = ChangeLog() if self._history else None
        return PendingOverlay(connection, postgres=self._database.postgres, log=log)

    def _settlement(self, stacks: PendingOverlay) -> Settlement:
        return Settlement(stacks, self._is_free, self._asked)

    # --- recording --------------------------------------------------------------------------------------

    def record(self, wishes: Iterable[WriteIntent], state: str) -> list[tuple[int | None, str]]:
        """Write wishes down and show them in the mirror, in one transaction that survives a power cut.

        Returns the entry's number and the record's id (a temporary one for a new record) for each. Offline, a
        wish about a record whose earlier one still waits becomes part of that; the number is None when both
        cancel out.
        """
        wishes, job = list(wishes), uuid.uuid4().hex
        found: list[tuple[Entry | None, str]] = []
        with self._writing() as connection:
            stacks = self._stacks(connection)
            stacks.load_about(wishes)
            at = now()
            for wish in wishes:
                record = wish.record or f"{TEMPORARY}{uuid.uuid4().hex}"
                earlier = self._waiting(stacks, wish) if self._holder is None and state == "pending" else None
                if earlier is not None:
                    self._take_over(stacks, earlier, wish)
                    found.append((join(stacks, earlier, wish), record))
                    continue
                entry = Entry(0, wish.op, wish.resource, record, wish.patch, wish.base, state, created_at=at)
                entry.holder, entry.sent_at = self._holder, at if state == "inflight" else None
                entry.job, entry.floor_id = job, wish.floor
                stacks.add(entry, {"op_id": uuid.uuid4().hex})
                found.append((entry, record))
            stacks.write()
            if state == "inflight":
                self._note_asked(connection, [entry.seq for entry, _ in found if entry is not None])
        return [(None if entry is None else entry.seq, record) for entry, record in found]

    def _note_asked(self, connection: Connection, seqs: Iterable[int]) -> None:
        """Note before which acknowledgements entries travel."""
        self._asked.update(dict.fromkeys(seqs, clock.read(connection).n))

    def _waiting(self, stacks: PendingOverlay, wish: WriteIntent) -> Entry | None:
        """The entry about the same record that a wish can become a part of: one that is not being sent."""
        if wish.record is None:
            return None
        stack = stacks.entries[stacks.place(wish.resource, wish.record)]
        last = stack[-1] if stack else None
        return last if last is not None and last.state in _AT_REST and self._is_free(last) else None

    def _take_over(self, stacks: PendingOverlay, into: Entry, wish: WriteIntent) -> None:
        """Take the fields of a wish out of older entries that are not being sent: sent later, they would undo it."""
        stack = stacks.entries[stacks.place(into.resource, into.record)]
        for older in reversed(stack[: stack.index(into)]):
            if older.op != "update" or older.state not in _AT_REST or not self._is_free(older):
                continue
            # Its value never reached the server: what is changed is what that had before.
            into.base = merged(into.base, without(older.base, without(older.base, wish.patch)))
            give_up(stacks, older, wish.patch)

    # --- sending ----------------------------------------------------------------------------------------

    def send(self, patches: Mapping[int, tuple[Raw, Raw, Raw | None]], floor: str | None = None) -> set[int]:
        """Note that entries travel now: what is sent, what that is based on, and what the server was seen to hold.

        What they make has an id above `floor`, where that is known; one that may have been sent before keeps its floor.
        Returns the numbers of those that are still in this hand: another push took the others over.
        """
        with self._writing() as connection:
            box = tables.outbox
            entries = find_all(connection, box.c.seq, sorted(patches))
            mine = {entry.seq: entry for entry in entries if entry.holder == self._holder}
            changed = [seq for seq, field in mine.items() if not same(field.patch, patches[seq][0])]
            if changed:
                stacks, found = self._found(connection, changed)
                for entry in found:
                    patch, base, said = patches[entry.seq]
                    # What is not sent any more, the server was seen to hold.
                    self._settlement(stacks).overtake(entry, without(entry.patch, patch))
                    entry.patch, entry.base = patch, base
                    place = stacks.place(entry.resource, entry.record)
                    bottom = stacks.bottom(place)
                    if said is not None and bottom is not None:
                        stacks.put(place, merged(bottom, said))
                stacks.write()
            if mine:
                values = [{"key": seq, "old": json_text(patches[seq][1])} for seq in mine]
                statement = update(box).where(box.c.seq == bindparam("key"))
                if floor is not None:
                    unsent = [seq for seq, entry in mine.items() if entry.sent_at is None or entry.floor_id is None]
                    for part in chunks(unsent):
                        connection.execute(update(box).where(box.c.seq.in_(part)).values(floor_id=floor))
                self._note_asked(connection, mine)
                fresh = {"state": "inflight", "sent_at": now()}
                connection.execute(statement.values(base=bindparam("old"), **fresh), values)
        return set(mine)

    def take_keys(self, seqs: Iterable[int]) -> set[int]:
        """Take the keys of new records, so that no other process makes one of them meanwhile: all of them, or none.

        Returns the numbers of those entries whose keys others have in hand; none when all were taken. They are let go
        of with the entry, or with the process.
        """
        with self._writing(durable=False) as connection:
            return claims.take(connection, find_all(connection, tables.outbox.c.seq, sorted(seqs)), self._is_gone)

    def mark(self, errors: Mapping[int, str], state: str) -> None:
        """Note how far entries are, and why."""
        if not errors:
            return
        box = tables.outbox
        statement = update(box).where(box.c.seq == bindparam("key"))
        with self._writing() as connection:
            connection.execute(
                statement.values(state=state, error=bindparam("why")),
                [{"key": seq, "why": error} for seq, error in errors.items()],
            )

    def mark_conflicts(self, conflicts: Mapping[int, tuple[str, Raw]]) -> None:
        """Hold entries back as conflicts: why, and what the server holds of their fields."""
        if not conflicts:
            return
        with self._writing() as connection:
            stacks, found = self._found(connection, conflicts)
            for entry in found:
                entry.state, (entry.error, theirs) = "conflict", conflicts[entry.seq]
                place = stacks.place(entry.resource, entry.record)
                bottom = stacks.bottom(place)
                if bottom is None:
                    entry.below = theirs
                else:
                    stacks.put(place, merged(bottom, theirs))
            stacks.write()

    def acknowledge(
        self, finished: Iterable[tuple[int, str | None, Raw | None]], existed: Collection[int] = ()
    ) -> list[tuple[str, str]]:
        """Forget acknowledged entries: `(seq, id, row)` with the id Planhat gave, and what the record now is.

        `existed` are entries of new records that were there before: others made those.

        A temporary id gives way to the real one in the mirror's rows and in what still waits. Returns records, by
        resource and id, of which an earlier answer may be the later one: only reading them tells.
        """
        ends = {seq: (id, row) for seq, id, row in finished}
        if not ends:
            return []
        with self._writing() as connection:
            stacks, found = self._found(connection, ends)
            return self._settlement(stacks).acknowledge(found, ends, existed)

    def cancel(self, seqs: Iterable[int]) -> None:
        """Forget entries and undo what the mirror shows of them."""
        numbers = dict.fromkeys(seqs)
        if numbers:
            with self._writing() as connection:
                self.withdraw(connection, numbers)

    def withdraw(self, connection: Connection, seqs: Iterable[int]) -> None:
        """Forget entries, as `cancel()` does, in a transaction of the caller's."""
        box, numbers = tables.outbox, list(seqs)
        for part in chunks(numbers):
            # No row of the mirror shows them.
            connection.execute(delete(box).where(box.c.seq.in_(part), box.c.op == SEND))
        stacks, found = self._found(connection, numbers)
        for entry in found:
            stack = stacks.entries[stacks.place(entry.resource, entry.record)]
            later = [write for write in stack if write.seq > entry.seq]
            stacks.take_out(entry)
            for item in later:
                if entry.makes and entry.record.startswith(TEMPORARY):
                    stacks.take_out(item)  # a change of what will never be
                else:
                    item.base = rebased(item, entry)
        stacks.write()

    def _found(self, connection: Connection, seqs: Iterable[int]) -> tuple[PendingOverlay, list[Entry]]:
        """The stacks of the records that entries are about, and those entries."""
        numbers = set(seqs)
        stacks = self._stacks(connection)
        entries = find_all(connection, tables.outbox.c.seq, sorted(numbers))
        stacks.load_about(entries)
        found = [write for stack in stacks.entries.values() for write in stack if write.seq in numbers]
        return stacks, sorted(found, key=lambda entry: entry.seq)

    def discard(self, *seqs: int) -> int:
        """Give up entries by number (all that wait, when none is given); the mirror shows the server's values again.

        Returns how many. Entries in flight are left alone: they may have been carried out. Activities that may have
        arrived are given up too.
        """
        _check_numbers(seqs)
        given = [
            entry
            for entry in self.entries()
            if (entry.state != "inflight" or entry.op == SEND)
            and self._is_free(entry)
            and (not seqs or entry.seq in seqs)
        ]
        missing = set(seqs) - {value.seq for value in given}
        if missing:
            raise MirrorError(f"No waiting entry has the number {min(missing)}: `planhat outbox` lists them.")
        self.cancel(value.seq for value in given)
        return len(given)

    def retry(self, *seqs: int, in_doubt: bool = False) -> int:
        """Let failed and conflicting entries (all, or some by number) be sent by the next push. Returns how many.

        An activity that may have arrived is sent again, and then perhaps twice, where it is named by its number, or
        with `in_doubt`.
        """
        _check_numbers(seqs)
        doubtful = arguments.flag("in_doubt", in_doubt) or bool(seqs)
        again = [
            entry.seq
            for entry in self.entries("failed", "conflict", *(SENT if doubtful else ()))
            if (not seqs or entry.seq in seqs)
            and (entry.state not in SENT or (entry.op == SEND and self._is_free(entry)))
        ]
        self.mark(dict.fromkeys(again, ""), "pending")
        return len(again)

    # --- what the server says meanwhile -----------------------------------------------------------------

    def wrote(
        self,
        connection: Connection,
        table: str,
        rows: Mapping[str, Raw | None],
        own: Mapping[str, Own],
        *,
        whole: bool = False,
    ) -> None:
        """Put what an answer told of records under what waits, None for one that is gone; `own` is our part in it.

        With `whole` the rows hold all custom fields that the records have.
        """
        stacks = self._stacks(connection)
        stacks.load((table, id) for id in rows)
        stacks.load_new(table)
        told = {id: whole or row is None or stacks.covers((table, id), row) for id, row in rows.items()}
        for id, row in rows.items():
            fields = own[id].fields if id in own else frozenset[str]()
            before = stacks.bottom((table, id)) or {}
            if whole:
                fields = flat_names({"custom": before.get("custom") or {}})
            stacks.put((table, id), None if row is None else answered(before, row, fields))
        for id, whose in own.items():
            stacks.claim((table, id), whose)
        self._settlement(stacks).take_arrived(table)
        stacks.write()
        guards.put(connection, table, told)

    def bottoms(self, connection: Connection, table: str, ids: Iterable[str]) -> dict[str, Raw | None]:
        """What the server said of some records, without what waits for them; None for one that is not there."""
        stacks = self._stacks(connection)
        places = [(table, id) for id in ids]
        stacks.load(places)
        return {place[1]: stacks.bottom(place) for place in places}

    def waiting_on(self, connection: Connection, table: str) -> set[str]:
        """The ids of a table's records that writes wait for."""
        box = tables.outbox
        names = [name for name, layout in layouts().items() if layout.table == table]
        writes = (box.c.resource.in_(names), box.c.op != SEND)
        return set(connection.execute(select(box.c.record).where(*writes)).scalars())

    def rebase(
        self, connection: Connection, table: str, said: Mapping[str, Raw | None] | None, log: ChangeLog | None
    ) -> Counts:
        """Put the server's rows of records under what waits for them, and return what became of what it says of them.

        `said` is what it says of some of them, None for one that it does not have. Without it the table holds the
        server's rows, which nothing was ever put over.
        """
        waiting = self.waiting_on(connection, table)
        places = [(table, id) for id in waiting if said is None or id in said or id.startswith(TEMPORARY)]
        counts = Counts()
        if not places:
            return counts
        stacks = PendingOverlay(connection, postgres=self._database.postgres, log=log, complete=(table,))
        rows = stacks.rows(places) if said is None else said
        stacks.load(places)
        for place in places:
            if not place[1].startswith(TEMPORARY):
                counts.count(stacks.bottom(place), rows.get(place[1]))
                stacks.put(place, rows.get(place[1]))
        for entry, row in stacks.taken(table):
            if entry.op == "create" and entry.state == "pending" and self._is_free(entry):
                hold(entry, row)
        counts.settled = self._settlement(stacks).take_arrived(table)
        stacks.write()
        return counts


def _check_numbers(seqs: Iterable[int]) -> None:
    """Raise `ValidationError` for what is no number of an entry."""
    for seq in seqs:
        arguments.whole("An entry's number", seq, 0)
