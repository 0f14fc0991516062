"""What is left to send of what waits: less what was carried out already, what clashes, and what a key refuses."""

from __future__ import annotations

import time
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime

from ..errors import NotFound, PermissionDenied
from ..http.effects import Flow, Sleep, Work
from ..models.conflict import conflict_of
from ..runtime import TEMPORARY, Source
from ..wire import find_by_keys, records
from ..wire.outcomes import keys
from ..wire.patches import base_of, merged, renamed, three_way, under
from ..wire.resources import Resource, resource
from . import server_state
from .conflicts import Policy, resolve
from .push_outcomes import Ledger, Raw, Waiting

_UNSURE = ("inflight", "unknown")


@dataclass(slots=True)
class Triage:
    """Entries before they are sent. `check` compares updates with the server's values, by that policy.

    `said` is what the server was seen to hold of their fields; `late` are new records that it may still be making.
    """

    ledger: Ledger
    source: Source
    check: Policy | None = "raise"
    said: dict[int, Raw] = field(default_factory=dict)
    late: list[Waiting] = field(default_factory=list)

    def ready(self, entries: Sequence[Waiting]) -> Flow[list[Waiting]]:
        """The entries that are to be sent; what is known of the others is noted."""
        found: list[Waiting] = []
        for name in dict.fromkeys(one.resource for one in entries):
            mine = [one for one in entries if one.resource == name]
            try:
                found += yield from self._compare(name, [one for one in mine if one.op == "update"])
                found += yield from self._look_for(name, [one for one in mine if one.makes and self._is_lost(one)])
                sure = [one for one in mine if one.makes and not self._is_lost(one)]
                found += yield from self._refuse_taken(resource(name), sure)
            except (PermissionDenied, NotFound) as refusal:
                # One model that the token may not read must not keep the others waiting.
                told = {one.seq for one in (*found, *self.late)} | self.ledger.outcome.keys()
                self.ledger.postpone([one for one in mine if one.seq not in told and one.op != "delete"], str(refusal))
        return sorted(found, key=lambda one: one.seq)

    def _is_lost(self, entry: Waiting) -> bool:
        """Whether a new record without a key may have been made already."""
        return entry.state in _UNSURE and not _keys(entry)

    def _look_for(self, name: str, entries: list[Waiting]) -> Flow[list[Waiting]]:
        """Look for keyless records that may have been made; return those that were not and never will be."""
        if not entries:
            return []
        known = resource(name)
        rows = [renamed(one.patch, self.ledger.aliases) for one in entries]
        since = min(_sent(one) for one in entries)
        ours = set(self.ledger.aliases.values())
        found, doubtful = yield from server_state.look_for(known, rows, since, ours)
        earlier: set[str] = yield Work(lambda: self.ledger.box.made_here(row["_id"] for row in found.values()))
        if earlier or doubtful:
            found, doubtful = yield from server_state.look_for(known, rows, since, ours | earlier)
        acked = [(entries[place], "created", row["_id"], row) for place, row in found.items()]
        yield from self.ledger.ack(acked)
        error = "other new records look like it, so it was not sent again: discard it, or retry it"
        yield from self.ledger.unknown({entries[place].seq: error for place in doubtful})
        again: list[Waiting] = []
        for place, entry in enumerate(entries):
            if place not in found and place not in doubtful:
                (again if time.time() - _sent(entry) >= server_state.QUIET else self.late).append(entry)
        return again

    def look_again(self) -> Flow[list[Waiting]]:
        """Look for lost records once more when the server has surely done what it was sent."""
        late, self.late = self.late, []
        rest = max(_sent(one) for one in late) + server_state.QUIET - time.time()
        if rest > 0:
            yield Sleep(rest)
        again: list[Waiting] = []
        for name in dict.fromkeys(one.resource for one in late):
            again += yield from self._look_for(name, [one for one in late if one.resource == name])
        # The clock of the flow may run faster than this machine's.
        again, self.late = again + self.late, []
        return again

    def _compare(self, name: str, entries: list[Waiting]) -> Flow[list[Waiting]]:
        """Merge updates with what the server holds now; return those that have something left to send.

        Updates that may have been carried out are always compared, others unless there is no `check`.
        """
        compared = [
            one
            for one in entries
            if not one.record.startswith(TEMPORARY) and (self.check is not None or one.state in _UNSURE)
        ]
        theirs = yield from server_state.current(
            self.source, name, {one.record for one in compared}, {wire for one in compared for wire in one.patch}
        )
        gone, acked, held = {}, [], {}
        coming: dict[str, Raw] = {}
        seqs = {one.seq for one in compared}
        ready = [one for one in entries if one.seq not in seqs]
        for entry in compared:
            remote = theirs.get(entry.record)
            if remote is None:
                gone[entry.seq] = "the record is not there any more"
                continue
            merge = three_way(entry.base, entry.patch, remote)
            if merge.clashes and self.check == "raise":
                conflicts = tuple(conflict_of(entry, clash) for clash in merge.clashes)
                held[entry.seq] = (conflicts, under(remote, entry.patch))
                continue
            resolve(merge, self.check or "ours", entry)
            # What an earlier entry is about to bring is not there yet, and may never be.
            send = merged(under(entry.patch, coming.get(entry.record, {})), merge.send)
            if not send:
                status = "unchanged" if entry.state not in _UNSURE else "updated"
                acked.append((entry, status, entry.record, remote))
                continue
            self.said[entry.seq] = under(remote, entry.patch)
            entry.patch, entry.base = send, base_of(remote, send)
            theirs[entry.record] = merged(remote, send)
            coming[entry.record] = merged(coming.get(entry.record, {}), send)
            ready.append(entry)
        yield from self.ledger.fail(gone)
        yield from self.ledger.ack(acked)
        yield from self.ledger.hold(held)
        return ready

    def _refuse_taken(self, known: Resource, entries: list[Waiting]) -> Flow[list[Waiting]]:
        """Fail creates whose key is taken: an upsert would change a record that nobody meant."""
        new = [one for one in entries if one.op == "create" and one.state not in _UNSURE and _keys(one)]
        if not new:
            return entries
        taken = yield from find_by_keys.find(known, [one.patch for one in new])
        refused: dict[int, str] = {}
        owners: set[tuple[str, str]] = set()
        for entry, there in zip(new, taken, strict=True):
            mine = keys(known, entry.patch)
            wires = " or ".join(wire for wire, _ in mine)
            if there is not None:
                refused[entry.seq] = f"a record with this {wires} exists already"
            elif owners.intersection(mine):
                refused[entry.seq] = f"another new record in the outbox has this {wires}"
            owners.update(mine)
        yield from self.ledger.fail(refused)
        return [one for one in entries if one.seq not in refused]


def _keys(entry: Waiting) -> bool:
    return any(True for _ in records.keys_of(resource(entry.resource), entry.patch))


def _sent(entry: Waiting) -> float:
    return datetime.fromisoformat(entry.sent_at or entry.created_at).timestamp()
