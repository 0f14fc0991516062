"""Push: send what waits in the outbox, and find out what became of what may have been sent before.

An entry is marked before it travels and forgotten only after its acknowledgement is on disk, so a process
that dies in between leaves it `inflight`. Such an entry is never sent again blindly: an update is compared
with what the server holds, a keyed create is an upsert that finds what it made, a keyless create is looked
for, and a delete that finds nothing has succeeded. What the server did not look at stays pending.
"""

from __future__ import annotations

import time
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from functools import partial
from typing import Any, Protocol

from ..errors import (
    AmbiguousWrite,
    AuthenticationError,
    BulkError,
    ConnectionFailed,
    NotFound,
    PermissionDenied,
    PlanhatError,
    RateLimited,
    RequestError,
)
from ..http.effects import Flow, Sleep, Work
from ..http.flows import counted
from ..models.conflict import Conflict, conflict_of
from ..runtime import TEMPORARY, Source
from ..wire import bulk, matching, records
from ..wire.outcomes import Outcome, keys
from ..wire.patches import base_of, merged, renamed, texts, three_way, under
from ..wire.resources import BULK_MAX_ROWS, Resource, resource
from . import present
from .conflicts import Policy, resolve
from .results import BatchResult, RowResult

Raw = dict[str, Any]
_GOOD = ("created", "updated", "unchanged")
_UNSURE = ("inflight", "unknown")
_DELETES = 50
"""So many deletions are noted in one transaction."""


class Waiting(Protocol):
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
    makes: Any


class Box(Protocol):
    """What pushing needs of an outbox that it has in hand."""

    def take(self, *states: str, seqs: Iterable[int] | None = None) -> list[Any]:
        """Take entries in hand."""
        ...

    def made_here(self, ids: Iterable[str]) -> set[str]:
        """Those of some ids that are known to be made through this outbox."""
        ...

    def send(self, patches: Mapping[int, tuple[Raw, Raw, Raw | None]]) -> set[int]:
        """Note that entries travel: patch, base and what the server holds; return those still in this hand."""
        ...

    def mark(self, errors: Mapping[int, str], state: str) -> None:
        """Note how far entries are."""
        ...

    def hold(self, conflicts: Mapping[int, tuple[str, Raw]]) -> None:
        """Hold entries back, with what the server holds of their fields."""
        ...

    def done(self, finished: Iterable[tuple[int, str | None, Raw | None]]) -> None:
        """Forget acknowledged entries."""
        ...

    def cancel(self, seqs: Iterable[int]) -> None:
        """Forget entries and undo what the mirror shows of them."""
        ...


@dataclass(slots=True)
class Told:
    """What became of one entry."""

    status: str
    error: str = ""
    id: str | None = None
    conflicts: tuple[Conflict, ...] = ()


@dataclass(slots=True)
class Pushing:
    """One run over entries. `check` compares updates with the server's values before they are sent."""

    box: Box
    source: Source
    check: Policy | None = "raise"
    keep_failed: bool = True
    chunk_size: int = BULK_MAX_ROWS
    outcome: dict[int, Told] = field(default_factory=dict)
    aliases: dict[str, str] = field(default_factory=dict)
    said: dict[int, Raw] = field(default_factory=dict)
    late: list[Waiting] = field(default_factory=list)
    refused: str = ""

    def run(self, entries: Sequence[Waiting]) -> Flow[None]:
        """Send all entries, or find out that they were sent."""
        writes = yield from self._ready(entries)
        while writes or self.late:
            unborn = {one.record: one.seq for one in (*writes, *self.late) if one.makes}
            ready = [one for one in writes if not self._waits(one, unborn)]
            if not ready and self.late:
                writes += yield from self._look_again()
                continue
            order = min((resource(one.resource).write_order for one in ready), default=None)
            if order is None:
                yield from self._fail(dict.fromkeys(_seqs(writes), "it refers to a record that was not created"))
                break
            wave = [one for one in ready if resource(one.resource).write_order == order]
            for name in dict.fromkeys(one.resource for one in wave):
                yield from self._write(resource(name), [one for one in wave if one.resource == name])
            writes = [one for one in writes if one.seq not in self.outcome]
        yield from self._delete([one for one in entries if one.op == "delete"])

    def _ready(self, entries: Sequence[Waiting]) -> Flow[list[Waiting]]:
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
                told = {one.seq for one in (*found, *self.late)} | self.outcome.keys()
                self._postpone([one for one in mine if one.seq not in told and one.op != "delete"], str(refusal))
        return sorted(found, key=lambda one: one.seq)

    # --- what was sent before ---------------------------------------------------------------------------

    def _is_lost(self, entry: Waiting) -> bool:
        """Whether a new record without a key may have been made already."""
        return entry.state in _UNSURE and not _keys(entry)

    def _look_for(self, name: str, entries: list[Waiting]) -> Flow[list[Waiting]]:
        """Look for keyless records that may have been made; return those that were not and never will be."""
        if not entries:
            return []
        known = resource(name)
        rows = [renamed(one.patch, self.aliases) for one in entries]
        since = min(_sent(one) for one in entries)
        ours = set(self.aliases.values())
        found, doubtful = yield from present.look_for(known, rows, since, ours)
        earlier: set[str] = yield Work(lambda: self.box.made_here(row["_id"] for row in found.values()))
        if earlier or doubtful:
            found, doubtful = yield from present.look_for(known, rows, since, ours | earlier)
        acked = [(entries[place], "created", row["_id"], row) for place, row in found.items()]
        yield from self._ack(acked)
        error = "other new records look like it, so it was not sent again: discard it, or retry it"
        yield from self._unknown({entries[place].seq: error for place in doubtful})
        again: list[Waiting] = []
        for place, entry in enumerate(entries):
            if place not in found and place not in doubtful:
                (again if time.time() - _sent(entry) >= present.QUIET else self.late).append(entry)
        return again

    def _look_again(self) -> Flow[list[Waiting]]:
        """Look for lost records once more when the server has surely done what it was sent."""
        late, self.late = self.late, []
        rest = max(_sent(one) for one in late) + present.QUIET - time.time()
        if rest > 0:
            yield Sleep(rest)
        again: list[Waiting] = []
        for name in dict.fromkeys(one.resource for one in late):
            again += yield from self._look_for(name, [one for one in late if one.resource == name])
        # The clock of the flow may run faster than this machine's.
        again, self.late = again + self.late, []
        return again

    # --- before sending ---------------------------------------------------------------------------------

    def _compare(self, name: str, entries: list[Waiting]) -> Flow[list[Waiting]]:
        """Merge updates with what the server holds now; return those that have something left to send.

        Updates that may have been carried out are always compared, others unless there is no `check`.
        """
        compared = [
            one
            for one in entries
            if not one.record.startswith(TEMPORARY) and (self.check is not None or one.state in _UNSURE)
        ]
        theirs = yield from present.current(
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
        yield from self._fail(gone)
        yield from self._ack(acked)
        yield from self._hold(held)
        return ready

    def _refuse_taken(self, known: Resource, entries: list[Waiting]) -> Flow[list[Waiting]]:
        """Fail creates whose key is taken: an upsert would change a record that nobody meant."""
        new = [one for one in entries if one.op == "create" and one.state not in _UNSURE and _keys(one)]
        if not new:
            return entries
        taken = yield from matching.find(known, [one.patch for one in new])
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
        yield from self._fail(refused)
        return [one for one in entries if one.seq not in refused]

    # --- sending ----------------------------------------------------------------------------------------

    def _waits(self, entry: Waiting, unborn: dict[str, int]) -> bool:
        """Whether an entry refers to a record that is still to be created here, by another entry."""
        names = [*texts(entry.patch), *([entry.record] if entry.op == "update" else [])]
        return any(unborn.get(name, entry.seq) != entry.seq for name in names)

    def _write(self, known: Resource, entries: list[Waiting]) -> Flow[None]:
        rows: dict[int, Raw] = {}
        orphans: dict[int, str] = {}
        for entry in entries:
            entry.patch = renamed(entry.patch, self.aliases)
            record = self.aliases.get(entry.record, entry.record)
            names = [*texts(entry.patch), *([record] if entry.op == "update" else [])]
            if any(name.startswith(TEMPORARY) for name in names):
                orphans[entry.seq] = "the record it refers to was not created"
            else:
                rows[entry.seq] = {"_id": record, **entry.patch} if entry.op == "update" else {
                    **known.implied, **entry.patch}  # fmt: skip
        yield from self._fail(orphans)
        ready = [one for one in entries if one.seq in rows]
        for start in range(0, len(ready), self.chunk_size):
            part = ready[start : start + self.chunk_size]
            if self.refused:
                self._postpone(part, self.refused)
                continue
            yield from self._send(known, part, rows)

    def _send(self, known: Resource, entries: list[Waiting], rows: dict[int, Raw]) -> Flow[None]:
        granted: set[int] = yield Work(
            lambda: self.box.send({one.seq: (one.patch, one.base, self.said.get(one.seq)) for one in entries})
        )
        mine = [one for one in entries if one.seq in granted]
        for one in entries:
            if one.seq not in granted:
                self.outcome[one.seq] = Told("unknown", "another process took it over")
        if not mine:
            return
        chosen = [rows[one.seq] for one in mine]
        if "bulk_upsert" in known.operations:
            answer = yield from bulk.upsert(known, chosen, chunk_size=self.chunk_size)
            outcomes = answer.outcomes
        else:
            outcomes = yield from _alone(known, mine, chosen)
        yield from self._settle(mine, chosen, outcomes)

    def _settle(self, entries: list[Waiting], rows: list[Raw], outcomes: list[Outcome]) -> Flow[None]:
        ids = yield from self._ids(entries, outcomes)
        acked, unknown, failed, unheard = [], {}, {}, []
        for entry, row, outcome in zip(entries, rows, outcomes, strict=True):
            status, error = present.told(resource(entry.resource), row, outcome)
            if status in _GOOD:
                id = outcome.id or ids.get(entry.seq) or row.get("_id")
                acked.append((entry, status, id, {**row, **({"_id": id} if id else {})}))
            elif status == "unknown":
                unknown[entry.seq] = error
            elif outcome.unheard:
                unheard.append(entry)
            else:
                failed[entry.seq] = error
        yield from self._ack(acked)
        yield from self._unknown(unknown)
        dropped = {entry.seq for entry, one in zip(entries, outcomes, strict=True) if one.status == "dropped"}
        yield from self._fail(failed, dropped)
        if unheard:
            error = next(one.error for one in outcomes if one.unheard)
            yield from self._give_back(unheard, error)
            if len(unheard) == len(entries):
                self.refused = error

    def _ids(self, entries: list[Waiting], outcomes: list[Outcome]) -> Flow[dict[int, str]]:
        """The ids of records that an upsert found equal: the answer does not name them."""
        nameless = [
            entry
            for entry, outcome in zip(entries, outcomes, strict=True)
            if outcome.status in _GOOD and outcome.id is None and entry.record.startswith(TEMPORARY)
        ]
        if not nameless:
            return {}
        found = yield from matching.find(resource(nameless[0].resource), [entry.patch for entry in nameless])
        return {entry.seq: row["_id"] for entry, row in zip(nameless, found, strict=True) if row is not None}

    def _delete(self, entries: list[Waiting]) -> Flow[None]:
        """Delete one by one, what hangs on a company before it."""
        ready = sorted(entries, key=lambda one: -resource(one.resource).write_order)
        for start in range(0, len(ready), _DELETES):
            part = ready[start : start + _DELETES]
            if self.refused:
                self._postpone(part, self.refused)
                continue
            travelling: dict[int, tuple[Raw, Raw, Raw | None]] = {one.seq: ({}, one.base, None) for one in part}
            granted: set[int] = yield Work(partial(self.box.send, travelling))
            acked: list[tuple[Waiting, str, str | None, Raw | None]] = []
            unknown, failed, back = {}, {}, []
            for entry in part:
                if entry.seq not in granted:
                    self.outcome[entry.seq] = Told("unknown", "another process took it over")
                    continue
                record = self.aliases.get(entry.record, entry.record)
                if record.startswith(TEMPORARY):
                    failed[entry.seq] = "the record was not created, or it is not known yet whether it was"
                    continue
                try:
                    if self.refused:
                        back.append(entry)
                        continue
                    yield from records.delete(resource(entry.resource), record)
                except NotFound:
                    # Deleted by an earlier try, or by somebody else: it is gone either way.
                    acked.append((entry, "deleted", None, None))
                except PlanhatError as failure:
                    if lost(failure):
                        unknown[entry.seq] = str(failure)
                    elif unheard(failure):
                        self.refused = str(failure)
                        back.append(entry)
                    else:
                        failed[entry.seq] = getattr(failure, "detail", "") or str(failure)
                else:
                    acked.append((entry, "deleted", None, None))
            yield from self._ack(acked)
            yield from self._unknown(unknown)
            yield from self._fail(failed)
            yield from self._give_back(back, self.refused)

    # --- outcomes ---------------------------------------------------------------------------------------

    def _ack(self, acked: Sequence[tuple[Waiting, str, str | None, Raw | None]]) -> Flow[None]:
        if not acked:
            return
        for entry, status, id, _ in acked:
            if id is not None and entry.record.startswith(TEMPORARY):
                self.aliases[entry.record] = id
            self.outcome[entry.seq] = Told(status, id=id)
        yield Work(lambda: self.box.done([(entry.seq, id, row) for entry, _, id, row in acked]))

    def _hold(self, held: dict[int, tuple[tuple[Conflict, ...], Raw]]) -> Flow[None]:
        noted: dict[int, tuple[str, Raw]] = {}
        for seq, (conflicts, theirs) in held.items():
            names = ", ".join(one.name for one in conflicts)
            noted[seq] = (f"{names} changed on the server too: push with on_conflict, or discard it", theirs)
            self.outcome[seq] = Told("failed", noted[seq][0], conflicts=conflicts)
        if noted:
            yield Work(lambda: self.box.hold(noted))

    def _unknown(self, errors: dict[int, str]) -> Flow[None]:
        self.outcome.update((seq, Told("unknown", error)) for seq, error in errors.items())
        if errors:
            yield Work(lambda: self.box.mark(errors, "unknown"))

    def _fail(self, errors: dict[int, str], dropped: Iterable[int] = ()) -> Flow[None]:
        self.outcome.update((seq, Told("failed", error)) for seq, error in errors.items())
        for seq in dropped:
            self.outcome[seq].status = "dropped"
        if errors and self.keep_failed:
            yield Work(lambda: self.box.mark(errors, "failed"))
        elif errors:
            yield Work(lambda: self.box.cancel(errors))

    def _postpone(self, entries: Sequence[Waiting], error: str) -> None:
        """Leave entries as they are: the next push will send them."""
        self.outcome.update((one.seq, Told("failed", f"not sent, so it still waits. {error}")) for one in entries)

    def _give_back(self, entries: Sequence[Waiting], error: str) -> Flow[None]:
        """Let entries that the server did not look at wait again."""
        if not entries:
            return
        if not self.keep_failed:
            yield from self._fail(dict.fromkeys(_seqs(entries), error))
            return
        self._postpone(entries, error)
        yield Work(lambda: self.box.mark(dict.fromkeys(_seqs(entries), error), "pending"))


def _alone(known: Resource, entries: list[Waiting], rows: list[Raw]) -> Flow[list[Outcome]]:
    """Write records of a resource that has no bulk upsert, one by one."""
    found = []
    for place, (entry, row) in enumerate(zip(entries, rows, strict=True)):
        try:
            if entry.op == "update":
                answer = yield from records.update(known, row["_id"], row)
                found.append(Outcome(place, "updated", answer.get("_id")))
            else:
                answer = yield from records.create(known, row)
                found.append(Outcome(place, "created", answer.get("_id")))
        except PlanhatError as failure:
            status: Any = "unknown" if lost(failure) else "failed"
            error = getattr(failure, "detail", "") or str(failure)
            found.append(Outcome(place, status, None, error, unheard=status == "failed" and unheard(failure)))
    return found


def lost(failure: PlanhatError) -> bool:
    """Whether a failed write may have been carried out all the same."""
    if isinstance(failure, BulkError):
        return bool(failure.result.unknown)
    return isinstance(failure, AmbiguousWrite) or (isinstance(failure, RequestError) and records.may_be_done(failure))


def unheard(failure: PlanhatError) -> bool:
    """Whether a write failed for no reason of its own: the server did not look at it."""
    return isinstance(failure, (AuthenticationError, RateLimited, ConnectionFailed))


def push(box: Any, source: Source, on_conflict: Policy = "raise") -> Flow[BatchResult]:
    """Send everything that waits and return an outcome for each entry; the objects are the entries.

    Raises `MirrorError` while another process pushes. With another policy than "raise" the entries that were
    held back as conflicts are settled too.
    """
    result = BatchResult()

    def count(requests: int) -> None:
        result.requests += requests

    mine = box.in_hand()
    try:
        yield Work(mine.reserve)
        states = ("pending", "inflight", "unknown", *(() if on_conflict == "raise" else ("conflict",)))
        entries = yield Work(lambda: mine.take(*states))
        run = Pushing(mine, source, check=on_conflict)
        yield from counted(run.run(entries), count)
    finally:
        mine.rest()
    result.rows = [told(entry, entry, run) for entry in entries]
    return result


def told(entry: Waiting, object: Any, run: Pushing) -> RowResult:
    """The outcome of an entry as that of an object."""
    found = run.outcome[entry.seq]
    entry.record = run.aliases.get(entry.record, entry.record)
    return RowResult(object, found.status, found.error, found.conflicts, entry.seq)


def _seqs(entries: Iterable[Waiting]) -> list[int]:
    return [one.seq for one in entries]


def _keys(entry: Waiting) -> bool:
    return any(True for _ in records.keys_of(resource(entry.resource), entry.patch))


def _sent(entry: Waiting) -> float:
    return datetime.fromisoformat(entry.sent_at or entry.created_at).timestamp()
