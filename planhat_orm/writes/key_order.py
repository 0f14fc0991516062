"""Keys that change hands among the entries of one push: what gives a key up goes before what takes it.

Planhat checks no key on a POST, and an upsert lands on whatever record has its key (docs/reference/planhat-api.md
sections 5 and 7). So where one entry deletes a record and another makes a new one with its key, or a key moves from one
record to another, they travel in layers; the order inside one request is the server's. What no order can do, such as a
swap, is refused before anything is sent. Who holds a key is asked of the server, and only for keys in question.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from itertools import pairwise

from msgspec import Struct

from ..http.effects import Flow
from ..wire import find_by_keys
from ..wire.keys import Key, comparable_keys, fold
from ..wire.patches import texts
from ..wire.resources import resource
from .outbox import OutboxEntry

MOST_LAYERS = 8
"""Keys that are handed on more often than that in one push are refused."""

Place = tuple[str, Key]
"""The name of a resource, and a key of a record in it."""


class KeyOrder(Struct):
    """Entries in the layers in which they travel, what each waits for by number, and why some are refused."""

    layers: list[list[OutboxEntry]]
    givers: dict[int, set[int]] = {}
    refused: dict[int, str] = {}


def key_order(entries: Sequence[OutboxEntry]) -> Flow[KeyOrder]:
    """Put entries in layers.

    No request where no entry gives a key up and none moves one; else one for each key in question, or the pages of
    a list of keys where that is fewer.
    """
    takers = _takers(entries)
    asked = _in_question(entries, takers)
    holders = (yield from _holders(asked)) if asked else {}
    return layered(entries, holders)


def layered(entries: Sequence[OutboxEntry], holders: Mapping[Place, str]) -> KeyOrder:
    """Put entries in layers, where it is known which records have the keys in question."""
    takers = _takers(entries)
    asked = _in_question(entries, takers)
    if not asked:
        return KeyOrder([list(entries)])
    graph = _Graph(entries)
    for place in sorted(asked):
        graph.hand_over(place, takers[place], holders.get(place))
    return graph.ordered()


def _takers(entries: Sequence[OutboxEntry]) -> dict[Place, list[OutboxEntry]]:
    """The entries by the keys that they give to their records."""
    takers: dict[Place, list[OutboxEntry]] = {}
    for entry in entries:
        for place in _taken(entry):
            takers.setdefault(place, []).append(entry)
    return takers


def _in_question(entries: Sequence[OutboxEntry], takers: Mapping[Place, list[OutboxEntry]]) -> set[Place]:
    """The keys that another record may have now: those that move, and those that an entry may give up."""
    asked = {place for place, who in takers.items() if any(entry.op == "update" for entry in who)}
    for giver in entries:
        asked.update(place for place in _given_up(giver, takers) if place in takers)
    return asked


def _taken(entry: OutboxEntry) -> Iterator[Place]:
    """The keys that a record is to have by an entry, and is not known to have."""
    if entry.op == "delete":
        return
    had = comparable_keys(resource(entry.resource), entry.base)
    for key in comparable_keys(resource(entry.resource), entry.patch):
        if key[0] != "_id" and key not in had:
            yield entry.resource, key


def _given_up(entry: OutboxEntry, takers: Iterable[Place]) -> Iterator[Place]:
    """The keys that a record may lose by an entry: those it is known to have, and any where that is not known."""
    if entry.makes:
        return
    for wire in resource(entry.resource).keys:
        if wire == "_id" or (entry.op == "update" and wire not in entry.patch):
            continue
        if wire in entry.base:
            yield entry.resource, (wire, fold(wire, entry.base[wire]))
        else:
            yield from (place for place in takers if place[0] == entry.resource and place[1][0] == wire)


def _holders(asked: Iterable[Place]) -> Flow[dict[Place, str]]:
    """The ids of the records that have keys now."""
    by_resource: dict[str, list[Place]] = {}
    for place in sorted(asked):
        by_resource.setdefault(place[0], []).append(place)
    holders: dict[Place, str] = {}
    for name, places in by_resource.items():
        found = yield from find_by_keys.find_now(resource(name), [dict([key]) for _, key in places])
        holders.update((place, str(row["_id"])) for place, row in zip(places, found, strict=True) if row is not None)
    return holders


class _Graph:
    """Entries, and which of them go in an earlier layer than others, or in no later one."""

    def __init__(self, entries: Sequence[OutboxEntry]) -> None:
        self.entries = {entry.seq: entry for entry in entries}
        self.givers: dict[int, set[int]] = {}
        self.before: dict[int, set[int]] = {}
        self.refused: dict[int, str] = {}
        self._depths: dict[int, int] = {}
        self._open: list[int] = []
        self._by_record: dict[tuple[str, str], list[OutboxEntry]] = {}
        for entry in entries:
            self._by_record.setdefault((entry.resource, entry.record), []).append(entry)

    # --- who waits for whom -----------------------------------------------------------------------------

    def hand_over(self, place: Place, takers: Sequence[OutboxEntry], holder: str | None) -> None:
        """Have the takers of a key wait for those that give it up, or refuse them."""
        name, (wire, value) = place
        if name == "enduser" and wire == "email" and not any(entry.makes for entry in takers):
            return  # One email may be that of contacts in several companies, and their ids decide.
        takers = [entry for entry in takers if entry.record != holder]
        givers = [entry for entry in self._by_record.get((name, holder or ""), ()) if _gives(entry, place)]
        moves = {entry.record for entry in takers if entry.op == "update"}
        if len(moves) + any(entry.makes for entry in takers) > 1 and (moves or givers):
            self._refuse(takers, f"two records are to have the {wire} {value}: give it to one")
        elif givers and wire == "email":
            self._refuse(takers, f"the email {value} is another record's until that is changed: send that first")
        elif givers:
            for taker in takers:
                self.givers.setdefault(taker.seq, set()).update(giver.seq for giver in givers)
        elif holder is not None:
            text = f"the {wire} {value} belongs to {holder}, which keeps it: change or delete that one too"
            self._refuse([entry for entry in takers if entry.op == "update"], text)

    def _refuse(self, entries: Iterable[OutboxEntry], error: str) -> None:
        for entry in entries:
            self.refused.setdefault(entry.seq, f"Not sent: {error}.")

    def _link(self) -> None:
        """Note what goes in no later layer than what: parents, children of what is deleted, writes of one record."""
        makers = {entry.record: entry.seq for entry in self.entries.values() if entry.makes}
        doomed = {entry.record: entry.seq for entry in self.entries.values() if entry.op == "delete"}
        for entry in self.entries.values():
            for name in texts(entry.patch):
                if name in makers and makers[name] != entry.seq:
                    self.before.setdefault(entry.seq, set()).add(makers[name])
            for name in texts(entry.base):
                if name in doomed and entry.op == "update":
                    self.before.setdefault(doomed[name], set()).add(entry.seq)
        for entries in self._by_record.values():
            for earlier, later in pairwise(entries):
                self.before.setdefault(later.seq, set()).add(earlier.seq)

    # --- layers -----------------------------------------------------------------------------------------

    def ordered(self) -> KeyOrder:
        """The layers, with the deletions that nobody waits for in the last one."""
        if not self.givers:
            rest = [entry for entry in self.entries.values() if entry.seq not in self.refused]
            return KeyOrder([rest], refused=self.refused)
        self._link()
        for seq in self.entries:
            self._depth(seq)
        for seq, depth in self._depths.items():
            if depth > MOST_LAYERS:
                error = f"a key is handed on {depth - 1} times, at most {MOST_LAYERS - 1} go in one push"
                self._refuse([self.entries[seq]], error)
        last = max((depth for seq, depth in self._depths.items() if seq not in self.refused), default=1)
        layers: list[list[OutboxEntry]] = [[] for _ in range(last)]
        for seq, entry in self.entries.items():
            if seq not in self.refused:
                layers[(last if self._may_be_last(entry) else self._depths[seq]) - 1].append(entry)
        return KeyOrder(layers, self.givers, self.refused)

    def _depth(self, seq: int) -> int:
        """The first layer that an entry can go in; everything of a circle is refused."""
        if seq in self._open:
            circle = [self.entries[item] for item in self._open[self._open.index(seq) :]]
            self._refuse(circle, "its keys go round in a circle: give one of the records another key first")
            return 1
        if seq not in self._depths:
            self._open.append(seq)
            strict = [self._depth(giver) + 1 for giver in sorted(self.givers.get(seq, ()))]
            loose = [self._depth(other) for other in sorted(self.before.get(seq, ()))]
            self._open.pop()
            self._depths[seq] = max([1, *strict, *loose])
        return self._depths[seq]

    def _may_be_last(self, entry: OutboxEntry) -> bool:
        """Whether an entry is a deletion that nothing waits for, also no deletion of what it hangs on."""
        if entry.op != "delete" or any(entry.seq in givers for givers in self.givers.values()):
            return False
        rank = resource(entry.resource).write_order
        awaited = {seq for givers in self.givers.values() for seq in givers}
        return not any(
            self.entries[seq].op == "delete" and resource(self.entries[seq].resource).write_order < rank
            for seq in awaited
        )


def _gives(entry: OutboxEntry, place: Place) -> bool:
    """Whether the holder of a key has another one, or none, after an entry."""
    _, (wire, value) = place
    if entry.op == "delete":
        return True
    return entry.op == "update" and wire in entry.patch and fold(wire, entry.patch[wire]) != value


def waiting(order: KeyOrder, statuses: Mapping[int, str]) -> set[int]:
    """The entries that must not be sent yet: what has their key did not give it up, by its status."""
    done = ("deleted", "updated", "unchanged")
    return {seq for seq, givers in order.givers.items() if any(statuses.get(giver) not in done for giver in givers)}
