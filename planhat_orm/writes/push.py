"""Push: send what waits in the outbox, and find out what became of what may have been sent before.

An entry is marked before it travels and forgotten only after its acknowledgement is on disk, so a process
that dies in between leaves it `inflight`. Such an entry is never sent again blindly: an update is compared
with what the server holds, a keyed create is an upsert that finds what it made, a keyless create is looked
for, and a delete that finds nothing has succeeded.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, Literal, Protocol

from ..errors import AmbiguousWrite, NotFound, PlanhatError, RequestError
from ..http.effects import Flow, Work
from ..http.flows import collected
from ..query.kinds import ID
from ..query.query import Query
from ..query.tree import Target, Test
from ..runtime import Source
from ..wire import bulk, listing, matching, records
from ..wire.outcomes import Outcome
from ..wire.resemblance import resembles
from ..wire.resources import BULK_MAX_ROWS, Resource, resource
from .results import BatchResult, RowResult

Raw = dict[str, Any]
TEMPORARY = "tmp:"


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


class Box(Protocol):
    """What pushing needs of an outbox."""

    def entries(self, *states: str) -> list[Any]:
        """The entries in some states."""
        ...

    def mark(self, seqs: Sequence[int], state: str, errors: dict[int, str] | None = None) -> None:
        """Note how far entries are."""
        ...

    def done(self, finished: Iterable[tuple[int, str | None, Raw | None]]) -> None:
        """Forget acknowledged entries."""
        ...

    def cancel(self, seqs: Sequence[int]) -> None:
        """Forget entries and undo what the mirror shows of them."""
        ...


@dataclass(slots=True)
class Pushing:
    """One run over entries. `check` compares updates with the server's values before they are sent."""

    box: Box
    source: Source
    check: Literal["raise", "ours", "theirs"] | None = "raise"
    keep_failed: bool = True
    chunk_size: int = BULK_MAX_ROWS
    outcome: dict[int, tuple[str, str, str | None]] = field(default_factory=dict)
    aliases: dict[str, str] = field(default_factory=dict)
    requests: int = 0

    def run(self, entries: Sequence[Waiting]) -> Flow[None]:
        """Send all entries, or find out that they were sent."""
        sure = [entry for entry in entries if entry.state == "pending"]
        unsure = [entry for entry in entries if entry.state in ("inflight", "unknown")]
        again = yield from self._recover(unsure)
        if self.check is not None:
            sure = yield from self._check(sure)
        sure = yield from self._refuse_taken([*again, *sure])
        writes = sorted((one for one in sure if one.op != "delete"), key=lambda one: one.seq)
        while writes:
            unborn = {one.record: one.seq for one in writes if one.op != "update"}
            ready = [one for one in writes if not self._waits(one, unborn)]
            order = min((resource(one.resource).write_order for one in ready), default=None)
            if order is None:
                yield from self._fail(writes, "it refers to a record that was not created")
                break
            wave = [one for one in ready if resource(one.resource).write_order == order]
            for name in dict.fromkeys(one.resource for one in wave):
                yield from self._write(resource(name), [one for one in wave if one.resource == name])
            writes = [one for one in writes if one.seq not in self.outcome]
        yield from self._delete([one for one in sure if one.op == "delete"])

    # --- what was sent before ---------------------------------------------------------------------------

    def _recover(self, entries: list[Waiting]) -> Flow[list[Waiting]]:
        """Find out what became of entries that may have been carried out; return those to send (again)."""
        again = [one for one in entries if one.op == "delete" or (one.op != "update" and _keys(one))]
        updates = [one for one in entries if one.op == "update"]
        theirs = yield from self._read(updates)
        for entry in updates:
            remote = theirs.get(entry.record)
            if remote is None:
                yield from self._fail([entry], "the record is not there any more")
            elif _holds(remote, entry.patch):
                yield from self._ack(entry, "updated", entry.record, remote)
            elif _holds(remote, entry.base) or self.check == "ours":
                again.append(entry)
            else:
                yield from self._conflict(entry)
        for entry in entries:
            if entry.op != "update" and entry.op != "delete" and not _keys(entry):
                again += yield from self._look_for(entry)
        return again

    def _look_for(self, entry: Waiting) -> Flow[list[Waiting]]:
        """Look for a keyless record that may have been created: one, none, or too many that look like it."""
        known = resource(entry.resource)
        newest = yield from listing.page(known, limit=min(known.max_limit, 500), sort="-_id")
        self.requests += 1
        since = datetime.fromisoformat(entry.created_at).timestamp() - _CLOCK_SLACK
        taken = set(self.aliases.values())
        alike = [
            one
            for one in newest
            if records.made_at(one) >= since and one["_id"] not in taken and resembles(one, entry.patch, known)
        ]
        if len(alike) == 1:
            yield from self._ack(entry, "created", alike[0]["_id"], alike[0])
            return []
        if not alike:
            return [entry]
        error = f"{len(alike)} new records look like it, so it was not sent again: discard it, or retry it"
        self.outcome[entry.seq] = ("unknown", error, None)
        yield Work(lambda: self.box.mark([entry.seq], "unknown", {entry.seq: error}))
        return []

    # --- before sending ---------------------------------------------------------------------------------

    def _check(self, entries: list[Waiting]) -> Flow[list[Waiting]]:
        """Hold back updates of fields that the server's record changed too since they were read."""
        updates = [one for one in entries if one.op == "update" and not one.record.startswith(TEMPORARY)]
        theirs = yield from self._read(updates)
        held: set[int] = set()
        for entry in updates:
            remote = theirs.get(entry.record)
            if remote is None:
                held.add(entry.seq)
                yield from self._fail([entry], "the record is not there any more")
            elif _holds(remote, entry.patch):
                held.add(entry.seq)
                yield from self._ack(entry, "unchanged", entry.record, remote)
            elif not _holds(remote, entry.base, among=entry.patch) and self.check != "ours":
                held.add(entry.seq)
                if self.check == "theirs":
                    yield Work(lambda entry=entry: self.box.cancel([entry.seq]))  # type: ignore[misc]
                    self.outcome[entry.seq] = ("unchanged", "", entry.record)
                else:
                    yield from self._conflict(entry)
        return [one for one in entries if one.seq not in held]

    def _refuse_taken(self, entries: list[Waiting]) -> Flow[list[Waiting]]:
        """Fail creates whose key is taken: an upsert would change a record that nobody meant."""
        held: set[int] = set()
        for entry in entries:
            if entry.op != "create" or entry.state != "pending":
                continue
            known = resource(entry.resource)
            for wire, value in records.keys_of(known, entry.patch):
                self.requests += 1
                taken = yield from records.by_key(known, wire, value)
                if taken is not None:
                    held.add(entry.seq)
                    yield from self._fail([entry], f"a record with this {wire} exists already")
                    break
        return [one for one in entries if one.seq not in held]

    def _read(self, entries: Sequence[Waiting]) -> Flow[dict[str, Raw]]:
        """What the server holds now of the fields that entries change: one list for each resource, or a GET each."""
        found: dict[str, Raw] = {}
        for name in dict.fromkeys(one.resource for one in entries):
            mine = [one for one in entries if one.resource == name]
            wires = {wire for one in mine for wire in one.patch}
            test = Test(Target("id", ("_id",), ID), "in", tuple(sorted({one.record for one in mine})))
            query = Query(name, where=test, select=frozenset({"_id", *wires}), hidden=True, fresh=True)
            found.update((row["_id"], row) for row in (yield from collected(self.source.pages(query))))
        return found

    # --- sending ----------------------------------------------------------------------------------------

    def _waits(self, entry: Waiting, unborn: dict[str, int]) -> bool:
        """Whether an entry refers to a record that is still to be created here, by another entry."""
        names = [entry.record] if entry.op == "update" else []
        names += [value for value in entry.patch.values() if isinstance(value, str)]
        return any(unborn.get(name, entry.seq) != entry.seq for name in names)

    def _write(self, known: Resource, entries: list[Waiting]) -> Flow[None]:
        rows, sent = [], []
        for entry in entries:
            row = {name: self.aliases.get(value, value) if isinstance(value, str) else value
                   for name, value in entry.patch.items()}  # fmt: skip
            orphan = next((v for v in row.values() if isinstance(v, str) and v.startswith(TEMPORARY)), None)
            record = self.aliases.get(entry.record, entry.record)
            if orphan is not None or (entry.op == "update" and record.startswith(TEMPORARY)):
                yield from self._fail([entry], "the record it refers to was not created")
                continue
            rows.append({"_id": record, **row} if entry.op == "update" else {**known.implied, **row})
            sent.append(entry)
        if not sent:
            return
        yield Work(lambda: self.box.mark([one.seq for one in sent], "inflight"))
        if "bulk_upsert" in known.operations:
            answer = yield from bulk.upsert(known, rows, chunk_size=self.chunk_size)
            self.requests += answer.requests
            outcomes = answer.outcomes
        else:
            outcomes = yield from self._alone(known, sent, rows)
        yield from self._settle(sent, rows, outcomes)

    def _alone(self, known: Resource, entries: list[Waiting], rows: list[Raw]) -> Flow[list[Outcome]]:
        """Write records of a resource that has no bulk upsert, one by one."""
        found = []
        for place, (entry, row) in enumerate(zip(entries, rows, strict=True)):
            self.requests += 1
            try:
                if entry.op == "update":
                    answer = yield from records.update(known, row["_id"], row)
                    found.append(Outcome(place, "updated", answer.get("_id")))
                else:
                    answer = yield from records.create(known, row)
                    found.append(Outcome(place, "created", answer.get("_id")))
            except PlanhatError as failure:
                status: Any = "unknown" if lost(failure) else "failed"
                found.append(Outcome(place, status, None, getattr(failure, "detail", "") or str(failure)))
        return found

    def _settle(self, entries: list[Waiting], rows: list[Raw], outcomes: list[Outcome]) -> Flow[None]:
        done: list[tuple[int, str | None, Raw | None]] = []
        ids = yield from self._ids(entries, outcomes)
        for entry, row, outcome in zip(entries, rows, outcomes, strict=True):
            if outcome.status in _GOOD:
                id = outcome.id or ids.get(entry.seq)
                if id is not None and entry.record.startswith(TEMPORARY):
                    self.aliases[entry.record] = id
                done.append((entry.seq, id, {**row, **({"_id": id} if id else {})}))
                self.outcome[entry.seq] = (outcome.status, "", id)
            elif outcome.status == "unknown":
                self.outcome[entry.seq] = ("unknown", outcome.error, None)
        yield Work(lambda: self.box.done(done))
        unknown = {one.seq: out.error for one, out in zip(entries, outcomes, strict=True) if out.status == "unknown"}
        if unknown:
            yield Work(lambda: self.box.mark(list(unknown), "unknown", unknown))
        for entry, outcome in zip(entries, outcomes, strict=True):
            if outcome.status in ("failed", "dropped"):
                yield from self._fail([entry], outcome.error, outcome.status)

    def _ids(self, entries: list[Waiting], outcomes: list[Outcome]) -> Flow[dict[int, str]]:
        """The ids of records that an upsert found equal: the answer does not name them."""
        nameless = [
            entry
            for entry, outcome in zip(entries, outcomes, strict=True)
            if outcome.status in _GOOD and outcome.id is None and entry.record.startswith(TEMPORARY)
        ]
        if not nameless:
            return {}
        self.requests += min(len(nameless), matching.FEW)
        found = yield from matching.find(resource(nameless[0].resource), [entry.patch for entry in nameless])
        return {entry.seq: row["_id"] for entry, row in zip(nameless, found, strict=True) if row is not None}

    def _delete(self, entries: list[Waiting]) -> Flow[None]:
        for entry in sorted(entries, key=lambda one: -resource(one.resource).write_order):
            yield Work(lambda entry=entry: self.box.mark([entry.seq], "inflight"))  # type: ignore[misc]
            self.requests += 1
            try:
                yield from records.delete(resource(entry.resource), self.aliases.get(entry.record, entry.record))
            except NotFound:
                # Deleted by an earlier try, or by somebody else: it is gone either way.
                yield from self._ack(entry, "deleted", None, None)
            except PlanhatError as failure:
                if lost(failure):
                    self.outcome[entry.seq] = ("unknown", str(failure), None)
                    yield Work(lambda entry=entry: self.box.mark([entry.seq], "unknown"))  # type: ignore[misc]
                else:
                    yield from self._fail([entry], getattr(failure, "detail", "") or str(failure))
            else:
                yield from self._ack(entry, "deleted", None, None)

    # --- outcomes ---------------------------------------------------------------------------------------

    def _ack(self, entry: Waiting, status: str, id: str | None, row: Raw | None) -> Flow[None]:
        if id is not None and entry.record.startswith(TEMPORARY):
            self.aliases[entry.record] = id
        self.outcome[entry.seq] = (status, "", id)
        yield Work(lambda: self.box.done([(entry.seq, id, row)]))

    def _conflict(self, entry: Waiting) -> Flow[None]:
        error = f"{', '.join(entry.patch)} changed on the server too: push with on_conflict, or discard it"
        self.outcome[entry.seq] = ("failed", error, None)
        yield Work(lambda: self.box.mark([entry.seq], "conflict", {entry.seq: error}))

    def _fail(self, entries: Sequence[Waiting], error: str, status: str = "failed") -> Flow[None]:
        seqs = [entry.seq for entry in entries]
        for seq in seqs:
            self.outcome[seq] = (status, error, None)
        if self.keep_failed:
            yield Work(lambda: self.box.mark(seqs, "failed", dict.fromkeys(seqs, error)))
        else:
            yield Work(lambda: self.box.cancel(seqs))


_GOOD = ("created", "updated", "unchanged")
_CLOCK_SLACK = 120.0
"""How far this machine's clock and the server's may be apart, in seconds."""


def lost(failure: PlanhatError) -> bool:
    """Whether a failed write may have been carried out all the same."""
    return isinstance(failure, AmbiguousWrite) or (isinstance(failure, RequestError) and records.may_be_done(failure))


def push(box: Box, source: Source, on_conflict: Any = "raise") -> Flow[BatchResult]:
    """Send everything that waits and return an outcome for each entry; the objects are the entries."""
    entries = yield Work(lambda: box.entries("pending", "inflight", "unknown"))
    run = Pushing(box, source, check=on_conflict)
    yield from run.run(entries)
    rows = [RowResult(entry, *run.outcome[entry.seq][:2]) for entry in entries]
    return BatchResult(rows, run.requests)


def _keys(entry: Waiting) -> bool:
    return any(True for _ in records.keys_of(resource(entry.resource), entry.patch))


def _holds(remote: Raw, values: Raw, among: Raw | None = None) -> bool:
    """Whether a record has these values; absent and null are the same here. `among` limits it to some keys."""
    for name in values if among is None else among:
        mine, theirs = values.get(name), remote.get(name)
        if name == "custom" and isinstance(mine or {}, dict):
            labels = (mine or {}) if among is None else (among.get("custom") or {})
            if any((mine or {}).get(label) != (theirs or {}).get(label) for label in labels):
                return False
        elif mine != theirs:
            return False
    return True
