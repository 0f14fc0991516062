"""What is left to send of what waits: less what was carried out already, what clashes, and what a key refuses."""

from __future__ import annotations

import time
from collections.abc import Iterable, Sequence
from datetime import datetime

from msgspec import Struct

from ..errors import NotFound, PermissionDenied
from ..http.effects import Flow, Sleep
from ..models.conflict import conflict_of
from ..models.results import Policy
from ..runtime import TEMPORARY, Source
from ..wire import find_by_keys
from ..wire.keys import comparable_keys, has_key, key_names
from ..wire.patches import base_of, merged, renamed, three_way, under
from ..wire.resources import Resource
from . import server_state
from .conflicts import resolve
from .in_doubt import judge, taken
from .outbox import OutboxEntry, Raw, by_resource, hold_keys, on_outbox
from .outcomes import UNSURE, Acknowledged, Conflicting, Findings, Outcomes


class Preflight(Struct):
    """Entries before they are sent. `check` compares updates with the server's values, by that policy.

    `said` is what the server was seen to hold of their fields; `late` are new records that it may still be making;
    `there` is the record, as far as it was read, that has the key of a new one, and is known to get what is sent.
    """

    outcomes: Outcomes
    source: Source
    check: Policy | None = "raise"
    said: dict[int, Raw] = {}
    late: list[OutboxEntry] = []
    there: dict[int, Raw] = {}

    def ready(self, entries: Sequence[OutboxEntry]) -> Flow[list[OutboxEntry]]:
        """The entries that are to be sent; what is known of the others is noted."""
        found: list[OutboxEntry] = []
        groups = by_resource(entries)
        new = {known.name: [entry for entry in group if entry.makes] for known, group in groups}
        # Before they are looked up, and all at once, so that no two processes wait for each other.
        keyed = [entry.seq for known, _ in groups for entry in new[known.name] if has_key(known, entry.patch)]
        yield from hold_keys(self.outcomes.session, keyed)
        for known, group in groups:
            try:
                updates = yield from self._compare(known, [entry for entry in group if entry.op == "update"])
                found += yield from self._complete(known, updates)
                opened = [entry for entry in new[known.name] if _is_open(known, entry)]
                found += yield from self._look_for(known, opened)
                unsent = [entry for entry in new[known.name] if not _is_open(known, entry)]
                found += yield from self._refuse_taken(known, unsent)
            except (PermissionDenied, NotFound) as refusal:
                # One model that the token may not read must not keep the others waiting.
                told = {record.seq for record in (*found, *self.late)} | self.outcomes.by_seq.keys()
                yield from self.outcomes.postpone(
                    [entry for entry in group if entry.seq not in told and entry.op != "delete"], str(refusal)
                )
        return sorted(found, key=lambda entry: entry.seq)

    def _look_for(self, known: Resource, entries: list[OutboxEntry]) -> Flow[list[OutboxEntry]]:
        """Look for records that may have been made; return what is to be sent."""
        keyed = yield from self._look_up(known, [entry for entry in entries if has_key(known, entry.patch)])
        keyless = [entry for entry in entries if not has_key(known, entry.patch)]
        return keyed + (yield from self._look_for_keyless(known, keyless))

    def _look_up(self, known: Resource, entries: list[OutboxEntry]) -> Flow[list[OutboxEntry]]:
        """Look records up by their keys; return those to be sent: what is not there, and what a policy decided."""
        if not entries:
            return []
        for entry in entries:
            entry.patch = renamed(entry.patch, self.outcomes.aliases)
        verdict = yield from judge(known, entries, self.source, self.check)
        yield from self.outcomes.note(verdict.findings)
        self.there.update(verdict.there)
        absent = [entry for entry in verdict.absent if not self._may_come(entry)]
        self.late += [entry for entry in verdict.absent if self._may_come(entry)]
        return verdict.send + absent

    def _may_come(self, entry: OutboxEntry) -> bool:
        """Whether the server may still be making a record that must not be changed once it is there."""
        sent = time.time() - _sent(entry)
        return entry.op == "create" and entry.state in UNSURE and sent < server_state.QUIET

    def _look_for_keyless(self, known: Resource, entries: list[OutboxEntry]) -> Flow[list[OutboxEntry]]:
        """Look for keyless records that may have been made; return those that were not and never will be."""
        if not entries:
            return []
        rows = [renamed(entry.patch, self.outcomes.aliases) for entry in entries]
        since = min(_sent(entry) for entry in entries)
        floors = [entry.floor_id for entry in entries]
        floor = None if None in floors else min(filter(None, floors))
        ours = set(self.outcomes.aliases.values())
        found, doubtful = yield from server_state.look_for(known, rows, since, ours, floor)
        session = self.outcomes.session
        earlier = yield from on_outbox(session, session.made_here, [row["_id"] for row in found.values()])
        if earlier or doubtful:
            found, doubtful = yield from server_state.look_for(known, rows, since, ours | earlier, floor)
        yield from self.outcomes.acknowledge(
            [Acknowledged(entries[place], "created", row["_id"], row, row) for place, row in found.items()]
        )
        error = "other new records look like it, so it was not sent again: discard it, or retry it"
        yield from self.outcomes.doubt({entries[place].seq: error for place in doubtful})
        again: list[OutboxEntry] = []
        for place, entry in enumerate(entries):
            if place not in found and place not in doubtful:
                (again if time.time() - _sent(entry) >= server_state.QUIET else self.late).append(entry)
        return again

    def look_again(self) -> Flow[list[OutboxEntry]]:
        """Look for lost records once more when the server has surely done what it was sent."""
        late, self.late = self.late, []
        rest = max(_sent(future) for future in late) + server_state.QUIET - time.time()
        if rest > 0:
            yield Sleep(rest)
        again: list[OutboxEntry] = []
        for known, group in by_resource(late):
            again += yield from self._look_for(known, group)
        # The clock of the flow may run faster than this machine's.
        again, self.late = again + self.late, []
        return again

    def _compare(self, known: Resource, entries: list[OutboxEntry]) -> Flow[list[OutboxEntry]]:
        """Merge updates with what the server holds now; return those that have something left to send.

        Updates that may have been carried out are always compared, others unless there is no `check`.
        """
        compared = [
            entry
            for entry in entries
            if not entry.record.startswith(TEMPORARY) and (self.check is not None or entry.state in UNSURE)
        ]
        always = known.sent_always
        if not compared:
            return entries
        theirs = yield from server_state.current(
            self.source,
            known.name,
            {pair.record for pair in compared},
            {*always, *(wire for pair in compared for wire in pair.patch)},
        )
        findings = Findings()
        coming: dict[str, Raw] = {}
        seqs = {pair.seq for pair in compared}
        ready = [entry for entry in entries if entry.seq not in seqs]
        for entry in compared:
            remote = theirs.get(entry.record)
            if remote is None:
                findings.failed[entry.seq] = "the record is not there any more"
                continue
            merge = three_way(entry.base, entry.patch, remote)
            if merge.clashes and self.check == "raise":
                conflicts = tuple(conflict_of(entry, clash) for clash in merge.clashes)
                findings.held[entry.seq] = Conflicting(conflicts, under(remote, entry.patch))
                continue
            resolve(merge, self.check or "ours", entry)
            # What an earlier entry is about to bring is not there yet, and may never be.
            send = merged(under(entry.patch, coming.get(entry.record, {})), merge.send)
            if not send:
                status = "unchanged" if entry.state not in UNSURE else "updated"
                findings.done.append(Acknowledged(entry, status, entry.record, remote, remote))
                continue
            self.said[entry.seq] = under(remote, entry.patch)
            entry.patch, entry.base = send, {**_some(remote, always), **base_of(remote, send)}
            theirs[entry.record] = merged(remote, send)
            coming[entry.record] = merged(coming.get(entry.record, {}), send)
            ready.append(entry)
        yield from self.outcomes.note(findings)
        return ready

    def _complete(self, known: Resource, updates: list[OutboxEntry]) -> Flow[list[OutboxEntry]]:
        """Read what is always sent, where it was not loaded; return the updates that have it."""
        always = known.sent_always
        lacking = [
            entry
            for entry in updates
            if not entry.record.startswith(TEMPORARY)
            and any(not {**entry.base, **entry.patch}.get(wire) for wire in always)
        ]
        if not lacking:
            return updates
        theirs = yield from server_state.current(self.source, known.name, {entry.record for entry in lacking}, always)
        errors: dict[int, str] = {}
        for entry in lacking:
            entry.base = {**_some(theirs.get(entry.record, {}), always), **entry.base}
            missing = [wire for wire in always if not {**entry.base, **entry.patch}.get(wire)]
            if missing:
                errors[entry.seq] = (
                    f"Not sent: Planhat drops a {known.name} without {missing[0]}, and this one has none."
                )
        yield from self.outcomes.fail(errors)
        return [entry for entry in updates if entry.seq not in errors]

    def _refuse_taken(self, known: Resource, entries: list[OutboxEntry]) -> Flow[list[OutboxEntry]]:
        """Fail creates whose key is taken: an upsert would change a record that nobody meant."""
        new = [
            entry
            for entry in entries
            if entry.op == "create" and entry.state not in UNSURE and has_key(known, entry.patch)
        ]
        if not new:
            return entries
        found = yield from find_by_keys.find_now(known, [record.patch for record in new])
        refused: dict[int, str] = {}
        owners: set[tuple[str, str]] = set()
        for entry, there in zip(new, found, strict=True):
            mine = comparable_keys(known, entry.patch)
            if there is not None:
                refused[entry.seq] = taken(known, entry)
            elif owners.intersection(mine):
                refused[entry.seq] = f"another new record in the outbox has this {key_names(known, entry.patch)}"
            owners.update(mine)
        yield from self.outcomes.fail(refused)
        return [entry for entry in entries if entry.seq not in refused]


def _some(row: Raw, wires: Iterable[str]) -> Raw:
    return {wire: row[wire] for wire in wires if row.get(wire) is not None}


def _is_open(known: Resource, entry: OutboxEntry) -> bool:
    """Whether a new record may have been made already, or had a key that was taken."""
    return entry.state in UNSURE or (entry.state == "conflict" and has_key(known, entry.patch))


def _sent(entry: OutboxEntry) -> float:
    return datetime.fromisoformat(entry.sent_at or entry.created_at).timestamp()
