"""Writes that reached the server: their entries go, and the mirror's rows say what the server said of the records."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Mapping

from ...runtime import TEMPORARY
from ...wire.aliases import with_aliases
from ...wire.patches import Raw
from ..db import guards
from ..db.changes import flat_names
from ..db.layout import layouts
from .doubles import SENT
from .entry_rules import answered, compared, give_up, is_stored
from .overlay import Entry, PendingOverlay, Place

Ends = Mapping[int, tuple[str | None, Raw | None]]
"""What became of entries, by number: the id that Planhat gave, and what the record now is."""


class Settlement:
    """Settles entries in the stacks of one transaction. `is_free` says whether nobody else has an entry in hand.

    `asked` are the numbers of acknowledgements that were known when entries travelled.
    """

    def __init__(self, stacks: PendingOverlay, is_free: Callable[[Entry], bool], asked: Mapping[int, int]) -> None:
        self._stacks = stacks
        self._is_free = is_free
        self._asked = asked

    def acknowledge(self, entries: list[Entry], ends: Ends, existed: Collection[int]) -> list[tuple[str, str]]:
        """Forget entries, as `Outbox.acknowledge()` does, and write what the records are now."""
        stacks, connection = self._stacks, self._stacks.connection
        names = {
            stacks.place(entry.resource, entry.record): id
            for entry in entries
            if (id := ends[entry.seq][0]) is not None and entry.record.startswith(TEMPORARY)
        }
        naming = self._load_named(names)
        told: dict[str, dict[str, bool]] = {}
        made: dict[str, list[str]] = {}
        crossed: list[tuple[str, str]] = []
        late = self._late(entries)
        for entry in entries:
            id, row = ends[entry.seq]
            if entry.seq in late and row is not None:
                order = compared(entry, row, stacks.bottom(stacks.place(entry.resource, entry.record)))
                row = None if order == "earlier" else row
                crossed += [(entry.resource, entry.record)] if order == "unknown" else []
            self.overtake(entry, entry.patch)
            stacks.take_out(entry)
            (table, record), whole = self._settle(entry, id, row, is_new=entry.seq not in existed)
            told.setdefault(table, {})[record] = whole
            if entry.makes and entry.seq not in existed and not record.startswith(TEMPORARY):
                made.setdefault(table, []).append(record)
        stacks.rename([entry for entry in naming if entry.seq not in ends], names)
        stacks.write()
        for table, records in told.items():
            guards.put(connection, table, records)
        for table, ids in made.items():
            guards.remember_made(connection, table, ids)
        return crossed

    def take_arrived(self, table: str) -> int:
        """Settle new records whose answer was lost, as the server's record shows that it was stored; return how many.

        What waits for them waits for that record from now on, in the order in which it was written: else an older edit
        under the temporary id would be sent after a newer one under the real id.
        """
        stacks = self._stacks
        arrived = {
            entry.seq: (entry, str(row["_id"]))
            for entry, row in stacks.taken(table)
            if entry.state in SENT and self._is_free(entry) and is_stored(entry, row)
        }
        if not arrived:
            return 0
        names = {(table, entry.record): id for entry, id in arrived.values()}
        naming = self._load_named(names)
        for entry, id in arrived.values():
            stacks.take_out(entry)
            self._settle(entry, id, None)
        stacks.rename([entry for entry in naming if entry.seq not in arrived], names)
        guards.remember_made(stacks.connection, table, names.values())
        return len(arrived)

    def overtake(self, newer: Entry, arrived: Raw) -> None:
        """Take what an entry brought to the server out of older ones: sent after all, they would undo it."""
        stacks = self._stacks
        for older in list(stacks.entries[stacks.place(newer.resource, newer.record)]):
            if older.seq < newer.seq and older.op == "update" and self._is_free(older):
                give_up(stacks, older, older.patch if newer.op == "delete" else arrived)

    def _load_named(self, names: Mapping[Place, str]) -> list[Entry]:
        """Load the records that temporary ids turn out to be, and return the entries that name them."""
        naming = self._stacks.load_naming([temporary for _, temporary in names])
        self._stacks.load([(table, id) for (table, _), id in names.items()])
        return naming

    def _late(self, entries: Iterable[Entry]) -> set[int]:
        """The numbers of updates whose record the server told something of after they were sent."""
        by_table: dict[str, list[Entry]] = {}
        for entry in entries:
            if entry.op == "update" and entry.seq in self._asked and entry.resource in layouts():
                by_table.setdefault(layouts()[entry.resource].table, []).append(entry)
        late: set[int] = set()
        for table, updates in by_table.items():
            known = guards.load(self._stacks.connection, table, [entry.record for entry in updates])
            late.update(
                entry.seq
                for entry in updates
                if entry.record in known and known[entry.record].ack > self._asked[entry.seq]
            )
        return late

    def _settle(self, entry: Entry, id: str | None, row: Raw | None, *, is_new: bool = True) -> tuple[Place, bool]:
        """Put what the server said under what still waits; return the record, and whether that is all of it."""
        stacks = self._stacks
        old = stacks.place(entry.resource, entry.record)
        new: Place = (old[0], id or entry.record)
        stacks.settle(new, entry, is_new=is_new)
        if entry.op == "delete":
            stacks.put(old, None)
            return new, True
        before, whole = stacks.bottom(new), row is not None and stacks.covers(new, row)
        if new != old:
            stacks.put(old, None)
        if row is not None and (before is not None or entry.makes):
            layout = layouts().get(entry.resource)
            implied = {} if layout is None or before is not None else layout.resource.implied
            if layout is not None:
                row = with_aliases(layout.resource, row, before or {})
            stacks.put(new, {**implied, **answered(before or {}, row, flat_names(entry.patch)), "_id": new[1]})
        return new, whole
