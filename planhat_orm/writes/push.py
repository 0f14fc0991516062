"""Push: send what waits in an outbox, and find out what became of what may have been sent before.

An entry is marked before it travels and forgotten only after its acknowledgement is on disk, so a process
that dies in between leaves it `inflight`. Such an entry is never sent again blindly: an update is compared
with what the server holds, a keyed create is an upsert that finds what it made, a keyless create is looked
for, and a delete that finds nothing has succeeded. What the server did not look at stays pending.

Everything that writes many records goes through here: `planhat.push()`, batches, deletions, with a mirror and without.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from contextlib import suppress

from ..errors import NotFound, PlanhatError, RequestError, ValidationError
from ..http.effects import Flow
from ..models.results import Policy
from ..runtime import TEMPORARY, Source
from ..wire import bulk, creating, find_by_keys, records
from ..wire.failures import is_unprocessed, reason
from ..wire.newest import SeenIds
from ..wire.outcomes import STORED, Outcome, Status
from ..wire.patches import merged, renamed, texts
from ..wire.resources import BULK_MAX_ROWS, Resource
from . import server_state
from .in_doubt import beaten
from .key_order import KeyOrder, key_order, waiting
from .outbox import OutboxEntry, OutboxSession, Raw, by_resource, on_outbox
from .outcomes import UNSURE, Acknowledged, EntryOutcome, Findings, Outcomes, is_lost
from .preflight import Preflight

_DELETES = 50
"""So many deletions are noted in one transaction."""


class Push:
    """One run over entries. `check` compares updates with the server's values before they are sent."""

    def __init__(
        self,
        session: OutboxSession,
        source: Source,
        seen: SeenIds,
        *,
        check: Policy | None = "raise",
        keep_failed: bool = True,
        chunk_size: int = BULK_MAX_ROWS,
    ) -> None:
        self.session = session
        self.seen = seen
        self.outcomes = Outcomes(session, keep_failed)
        self.preflight = Preflight(self.outcomes, source, check)
        self.chunk_size = chunk_size
        self.refused = ""
        self._makers: dict[str, int] = {}

    def run(self, entries: Sequence[OutboxEntry]) -> Flow[None]:
        """Send all entries, or find out that they were sent.

        Raises `ValidationError` before anything is sent where keys change hands as no order allows, unless such entries
        can fail and wait for somebody to decide.
        """
        order = yield from key_order(entries)
        if order.refused:
            yield from self._refuse(entries, order.refused)
        for layer in order.layers:
            yield from self._run_layer(layer, order)

    def _refuse(self, entries: Sequence[OutboxEntry], errors: Mapping[int, str]) -> Flow[None]:
        if not self.outcomes.keep_failed and not any(entry.state in UNSURE for entry in entries):
            yield from on_outbox(self.session, self.session.cancel, [entry.seq for entry in entries])
            raise ValidationError(f"Nothing was sent. {' '.join(dict.fromkeys(errors.values()))}")
        yield from self.outcomes.fail(errors)

    def _run_layer(self, layer: Sequence[OutboxEntry], order: KeyOrder) -> Flow[None]:
        """Send the entries of one layer: first what is written, then what is deleted."""
        if order.givers:
            left = waiting(order, {seq: outcome.status for seq, outcome in self.outcomes.by_seq.items()})
            stuck = [entry for entry in layer if entry.seq in left]
            yield from self.outcomes.postpone(stuck, "The record that has its key did not give it up.")
            layer = [entry for entry in layer if entry.seq not in left]
        yield from self._write_all((yield from self.preflight.ready(layer)))
        doomed = by_resource([entry for entry in layer if entry.op == "delete"])
        # What hangs on a company goes before it.
        for known, group in sorted(doomed, key=lambda pair: -pair[0].write_order):
            for start in range(0, len(group), _DELETES):
                yield from self._delete(known, group[start : start + _DELETES])

    # --- creates and updates ----------------------------------------------------------------------------

    def _write_all(self, writes: list[OutboxEntry]) -> Flow[None]:
        """Send creates and updates in waves: what they refer to goes before them."""
        preflight = self.preflight
        self._makers.update(_makers([*writes, *preflight.late]))
        while writes or preflight.late:
            unborn = _makers([*writes, *preflight.late])
            ready = [write for write in writes if not _waits(write, unborn)]
            if not ready and preflight.late:
                writes += yield from preflight.look_again()
                continue
            if not ready:
                error = "Circular reference between unsaved records: save one of them first."
                yield from self.outcomes.fail({write.seq: error for write in writes})
                return
            groups = by_resource(ready)
            order = min(known.write_order for known, _ in groups)
            for known, group in groups:
                if known.write_order == order:
                    yield from self._write(known, group)
            writes = [write for write in writes if write.seq not in self.outcomes.by_seq]

    def _write(self, known: Resource, entries: list[OutboxEntry]) -> Flow[None]:
        rows: dict[int, Raw] = {}
        orphans = []
        for entry in entries:
            entry.patch = renamed(entry.patch, self.outcomes.aliases)
            row = self._row(known, entry)
            if row is None:
                orphans.append(entry)
            else:
                rows[entry.seq] = row
        if orphans:
            yield from self._settle_orphans(orphans)
        ready = [entry for entry in entries if entry.seq in rows]
        for start in range(0, len(ready), self.chunk_size):
            part = ready[start : start + self.chunk_size]
            if self.refused:
                yield from self.outcomes.postpone(part, self.refused)
            else:
                yield from self._send(known, part, rows)

    def _row(self, known: Resource, entry: OutboxEntry) -> Raw | None:
        """What is sent for an entry; None while it names a record that has no id."""
        record = self.outcomes.aliases.get(entry.record, entry.record)
        if any(name.startswith(TEMPORARY) for name in _named(entry, record)):
            return None
        if entry.op != "update":
            return {**known.implied, **entry.patch}
        always = {wire: entry.base[wire] for wire in known.sent_always if entry.base.get(wire)}
        return {"_id": record, **always, **entry.patch}

    def _settle_orphans(self, entries: list[OutboxEntry]) -> Flow[None]:
        """Fail what refers to a record that was not created; it waits where that is not known yet."""
        unknown = {seq for seq, outcome in self.outcomes.by_seq.items() if outcome.status == "unknown"}
        waiting = [
            entry
            for entry in entries
            if not unknown.isdisjoint(self._makers.get(name, -1) for name in _named(entry, entry.record))
        ]
        lost = {entry.seq: "Not sent: the record it refers to was not created." for entry in entries}
        for entry in waiting:
            del lost[entry.seq]
        yield from self.outcomes.fail(lost)
        yield from self.outcomes.postpone(waiting, "It is not known yet whether the record it refers to was created.")

    def _send(self, known: Resource, entries: list[OutboxEntry], rows: dict[int, Raw]) -> Flow[None]:
        said = self.preflight.said
        mine = yield from self._begin(
            entries,
            {entry.seq: (entry.patch, entry.base, said.get(entry.seq)) for entry in entries},
            self.seen.greatest(known),
        )
        if not mine:
            return
        chosen = [rows[entry.seq] for entry in mine]
        if "bulk_upsert" in known.operations:
            answer = yield from bulk.upsert(known, chosen, chunk_size=self.chunk_size, remember=False)
            outcomes = answer.outcomes
        else:
            outcomes = yield from _write_singly(known, mine, chosen, self.seen)
        yield from self._settle(known, mine, chosen, outcomes)

    def _begin(
        self,
        entries: Sequence[OutboxEntry],
        patches: Mapping[int, tuple[Raw, Raw, Raw | None]],
        floor: str | None = None,
    ) -> Flow[list[OutboxEntry]]:
        """Note that entries travel, and return those that nobody else took over."""
        granted = yield from on_outbox(self.session, self.session.send, patches, floor)
        for entry in entries:
            if entry.seq not in granted:
                self.outcomes.by_seq[entry.seq] = EntryOutcome("unknown", "another process took it over")
        return [entry for entry in entries if entry.seq in granted]

    def _settle(
        self, known: Resource, entries: list[OutboxEntry], rows: list[Raw], outcomes: list[Outcome]
    ) -> Flow[None]:
        found = yield from self._find_nameless(known, entries, outcomes)
        findings, unprocessed = Findings(), []
        for entry, row, outcome in zip(entries, rows, outcomes, strict=True):
            status, error = server_state.outcome_of(known, row, outcome)
            if outcome.existed and self._is_beaten(entry):
                findings.failed[entry.seq] = beaten(known, entry, outcome.id)
            elif status in STORED:
                read, before = found.get(entry.seq), self.preflight.there.get(entry.seq, {})
                whole = {**merged(before, row), **(read or {}), **({"_id": outcome.id} if outcome.id else {})}
                findings.done.append(Acknowledged(entry, status, whole.get("_id"), whole, read))
            elif status == "unknown":
                findings.unknown[entry.seq] = error
            elif outcome.not_processed:
                unprocessed.append(entry)
            else:
                findings.failed[entry.seq] = error
                if status == "dropped":
                    findings.dropped.add(entry.seq)
        yield from self.outcomes.note(findings)
        if unprocessed:
            error = next(outcome.error for outcome in outcomes if outcome.not_processed)
            yield from self.outcomes.give_back(unprocessed, error)
            if len(unprocessed) == len(entries):
                self.refused = error

    def _is_beaten(self, entry: OutboxEntry) -> bool:
        """Whether somebody took a new record's key after it was looked up, where an answer says that it existed."""
        return entry.op == "create" and entry.state not in UNSURE and entry.seq not in self.preflight.there

    def _find_nameless(
        self, known: Resource, entries: list[OutboxEntry], outcomes: list[Outcome]
    ) -> Flow[dict[int, Raw]]:
        """The records that an upsert found equal: the answer does not name them."""
        nameless = [
            entry
            for entry, outcome in zip(entries, outcomes, strict=True)
            if outcome.status in STORED and outcome.id is None and entry.record.startswith(TEMPORARY)
        ]
        found: dict[int, Raw] = {}
        if not nameless:
            return found
        # They are stored, whether or not their ids can be read now.
        with suppress(RequestError):
            rows = yield from find_by_keys.find(known, [entry.patch for entry in nameless])
            for entry, row in zip(nameless, rows, strict=True):
                if row is not None:
                    found[entry.seq] = row
        return found

    # --- deletions --------------------------------------------------------------------------------------

    def _delete(self, known: Resource, entries: Sequence[OutboxEntry]) -> Flow[None]:
        """Delete records one by one: the API has nothing else."""
        if self.refused:
            yield from self.outcomes.postpone(entries, self.refused)
            return
        findings, unprocessed = Findings(), []
        for entry in (yield from self._begin(entries, {entry.seq: ({}, entry.base, None) for entry in entries})):
            status, error = yield from self._delete_singly(known, entry)
            if status == "deleted":
                findings.done.append(Acknowledged(entry, status))
            elif status == "unprocessed":
                unprocessed.append(entry)
            else:
                (findings.unknown if status == "unknown" else findings.failed)[entry.seq] = error
        yield from self.outcomes.note(findings)
        if unprocessed:
            yield from self.outcomes.give_back(unprocessed, self.refused)

    def _delete_singly(self, known: Resource, entry: OutboxEntry) -> Flow[tuple[str, str]]:
        """Delete one record; return deleted, unknown, failed or unprocessed, and why."""
        record = self.outcomes.aliases.get(entry.record, entry.record)
        if record.startswith(TEMPORARY):
            return "failed", "the record was not created, or it is not known yet whether it was"
        if self.refused:
            return "unprocessed", self.refused
        try:
            yield from records.delete(known, record)
        except NotFound:
            pass  # Deleted by an earlier try, or by somebody else: it is gone either way.
        except PlanhatError as failure:
            if is_lost(failure):
                return "unknown", str(failure)
            if is_unprocessed(failure):
                self.refused = str(failure)
                return "unprocessed", self.refused
            return "failed", reason(failure)
        return "deleted", ""


def _makers(entries: Iterable[OutboxEntry]) -> dict[str, int]:
    """The numbers of the entries that make records, by the record."""
    return {entry.record: entry.seq for entry in entries if entry.makes}


def _waits(entry: OutboxEntry, unborn: Mapping[str, int]) -> bool:
    """Whether an entry refers to a record that is still to be created here, by another entry."""
    return any(unborn.get(name, entry.seq) != entry.seq for name in _named(entry, entry.record))


def _named(entry: OutboxEntry, record: str) -> list[str]:
    """The records that an entry about `record` names, among other texts."""
    return [*texts(entry.patch), *([record] if entry.op == "update" else [])]


def _write_singly(known: Resource, entries: list[OutboxEntry], rows: list[Raw], seen: SeenIds) -> Flow[list[Outcome]]:
    """Write records of a resource that has no bulk upsert, one by one."""
    outcomes = []
    for place, (entry, row) in enumerate(zip(entries, rows, strict=True)):
        try:
            if entry.op == "update":
                answer = yield from records.update(known, row["_id"], row)
            else:
                answer = yield from creating.create(known, row, seen, remember=False)
        except PlanhatError as failure:
            status: Status = "unknown" if is_lost(failure) else "failed"
            unprocessed = status == "failed" and is_unprocessed(failure)
            outcomes.append(Outcome(place, status, None, reason(failure), not_processed=unprocessed))
        else:
            outcomes.append(Outcome(place, "updated" if entry.op == "update" else "created", answer.get("_id")))
    return outcomes
