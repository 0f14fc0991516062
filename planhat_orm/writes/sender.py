"""The sender: carries records through an outbox to Planhat, and what became of them back into the records.

Every write is an entry of the outbox before it travels: of the mirror's, so that a crash loses none and repeats none,
or of one in memory. What travels of a record is its difference and its key; only what was acknowledged is clean after.
"""

from __future__ import annotations

import uuid
from collections.abc import Iterable, Mapping, Sequence
from contextlib import suppress

from ..errors import PlanhatError, RequestError, ValidationError
from ..http.effects import Flow
from ..models.base import Model
from ..models.results import BatchResult, Policy, RowResult
from ..queryset.duplicates import merge_duplicates
from ..runtime import TEMPORARY, Client, WriteIntent
from ..wire import records as wire_records
from ..wire.keys import has_key
from ..wire.outcomes import STORED
from ..wire.patches import renamed
from ..wire.resources import BULK_MAX_ROWS, resource
from .analytics import AnalyticsPush, check_token
from .conflicts import settle
from .intents import deletion_of, intent_of, queue, refuse_temporaries, take_ids
from .outbox import MemoryOutbox, MirrorOutbox, OutboxEntry, OutboxSession, OutboxStore, Raw, on_outbox
from .outcomes import UNSURE, EntryOutcome
from .push import Push

Fields = Mapping[int, tuple[str, ...] | None]
"""The Python names of the fields that some records (by `id()`) are limited to."""


class Sender:
    """One piece of work, a batch and its retries or a single call, with the outbox that it goes through.

    An offline one sends nothing: what it is given waits in the mirror's outbox.
    """

    def __init__(self, client: Client, *, offline: bool = False) -> None:
        self.client = client
        self.offline = offline
        self._memory = MemoryOutbox()

    @property
    def outbox(self) -> OutboxStore:
        """The mirror's outbox, or one in memory; an error when writing offline without a mirror."""
        outbox = self.client.outbox
        if outbox is not None:
            return outbox
        if self.offline:
            raise PlanhatError("Offline writes wait in the mirror's outbox: make the client with Planhat(mirror=...).")
        return self._memory

    def prepare(self, records: Iterable[Model]) -> Flow[None]:
        """Give records the ids that they got since they were made offline."""
        outbox = self.outbox
        if outbox is self._memory:
            refuse_temporaries(records)
        else:
            yield from take_ids(outbox, records)

    def compare(self, records: Sequence[Model], policy: Policy | None, only: Fields) -> Flow[bool]:
        """Compare records with the server's before they are sent; offline that is for `push()` to do."""
        if policy is None or self.offline or not records:
            return False
        yield from settle(records, policy, self.client.source("api"), only)
        return True

    def notify(self, rows: Iterable[RowResult]) -> None:
        """Tell those who asked what became of rows; one that did not travel is no news."""
        for row in rows:
            if row.status not in ("unchanged", "queued"):
                self.client.notify("saved" if row.ok else "failed", row)

    # --- many records -----------------------------------------------------------------------------------

    def send(
        self,
        items: Iterable[Model],
        *,
        upsert: bool = False,
        only: Fields | None = None,
        policy: Policy | None = None,
        chunk_size: int = BULK_MAX_ROWS,
        doomed: Iterable[Model] = (),
        new: str = "upsert",
    ) -> Flow[BatchResult]:
        """Send what changed of records, parents before children, delete others, and return the outcome of each.

        With `upsert` a record without an id that carries a key need not have all that a new one needs: it may exist
        already; with `new="create"` its key must be free when it is sent. What hangs on a company is deleted before it;
        what is gone already is deleted. Raises `ValidationError` before the first request.
        """
        records = list({id(item): item for item in items}.values())
        deletions = sorted(doomed, key=lambda record: -record._meta.resource.write_order)
        result = BatchResult()
        outcomes = yield from result.count(self._send(records, deletions, upsert, only or {}, policy, chunk_size, new))
        result.rows = [outcomes.get(id(record)) or RowResult(record, "unchanged") for record in (*records, *deletions)]
        self.notify(result.rows)
        return result

    def _send(
        self,
        records: list[Model],
        doomed: list[Model],
        upsert: bool,
        only: Fields,
        policy: Policy | None,
        chunk_size: int,
        new: str,
    ) -> Flow[dict[int, RowResult]]:
        yield from self.prepare([*records, *doomed])
        changed = _checked(records, upsert, only)
        if (yield from self.compare(changed, policy, only)):
            changed = [record for record in changed if _is_changed(record, only)]
        return (yield from self.carry(changed, only, chunk_size, new, doomed))

    def carry(
        self,
        changed: Sequence[Model],
        only: Fields,
        chunk_size: int = BULK_MAX_ROWS,
        new: str = "upsert",
        doomed: Sequence[Model] = (),
    ) -> Flow[dict[int, RowResult]]:
        """Send records that were checked, or write them down offline, and return their outcomes by `id()`.

        `new` is what an entry for a new record is: an upsert, or a create, whose key must be free when it is sent.
        """
        unnamed = _name(changed)
        try:
            payloads = [record._payload(only.get(id(record))) for record in changed]
            intents = [
                (intent_of(record, payload, new if id(record) in unnamed else "update"), record)
                for record, payload in zip(changed, payloads, strict=True)
            ]
            intents += [(deletion_of(record), record) for record in doomed]
            if self.offline:
                yield from queue(self.outbox, intents)
                unnamed = {}  # They keep their temporary ids until they are pushed.
                return {id(record): RowResult(record, "queued") for record in (*changed, *doomed)}
            return (yield from self._push(intents, chunk_size))
        finally:
            _unname(unnamed.values())

    def recover(self, rows: Iterable[RowResult]) -> Flow[BatchResult]:
        """Find out what became of rows whose answer was lost, and send again what was not carried out."""
        records = {row.entry: row.object for row in rows if row.entry is not None}
        result = BatchResult()
        if not records:
            return result
        session = self.outbox.claim_session()
        try:
            flow = self._carry(session, records, UNSURE, BULK_MAX_ROWS)
            result.rows = list((yield from result.count(flow)).values())
        finally:
            session.release()
        self.notify(result.rows)
        return result

    def _push(self, intents: Sequence[tuple[WriteIntent, Model]], chunk_size: int) -> Flow[dict[int, RowResult]]:
        """Write intents down, carry them out, and return what became of the records by `id()`."""
        if not intents:
            return {}
        session = self.outbox.claim_session()
        try:
            written = yield from on_outbox(session, session.record, [intent for intent, _ in intents], "pending")
            records = {seq: record for (seq, _), (_, record) in zip(written, intents, strict=True) if seq is not None}
            return (yield from self._carry(session, records, ("pending",), chunk_size))
        finally:
            session.release()

    def _carry(
        self, session: OutboxSession, records: Mapping[int, Model], states: tuple[str, ...], chunk_size: int
    ) -> Flow[dict[int, RowResult]]:
        """Send entries in hand, and tell the records that they are about."""
        entries = yield from on_outbox(session, session.claim, *states, seqs=records)
        patches = {entry.seq: entry.patch for entry in entries}
        push = Push(
            session,
            self.client.source("api"),
            self.client.seen_ids,
            check=None,
            keep_failed=False,
            chunk_size=chunk_size,
        )
        yield from push.run(entries)
        yield from read_again(self.client, push.outcomes.crossed)
        outcomes = push.outcomes.by_seq
        _take_over(
            [(records[seq], renamed(patch, push.outcomes.aliases), outcomes[seq]) for seq, patch in patches.items()]
        )
        # Somebody else had the others in hand, and settled them.
        taken = EntryOutcome("unknown", "another push took it over: read it again")
        return {id(record): _row(record, outcomes.get(seq, taken), seq) for seq, record in records.items()}


def push(client: Client, outbox: MirrorOutbox, policy: Policy) -> Flow[BatchResult]:
    """Send everything that waits and return an outcome for each entry; the objects are the entries.

    Raises `MirrorError` while another process pushes, and `ConfigurationError` before anything is sent where metrics or
    activities wait and the tenant token is missing. With another policy than "raise" the entries that were
    held back as conflicts are settled too.
    """
    result = BatchResult()
    session = outbox.claim_session()
    try:
        yield from on_outbox(session, session.reserve)
        yield from check_token(client, session)
        states = ("pending", *UNSURE, *(() if policy == "raise" else ("conflict",)))
        entries = yield from on_outbox(session, session.claim, *states)
        run = Push(session, client.source("api"), client.seen_ids, check=policy)
        yield from result.count(run.run(entries))
        yield from read_again(client, run.outcomes.crossed)
        # After the records that they may be of.
        rows = AnalyticsPush(session)
        yield from result.count(rows.run())
    finally:
        session.release()
    for entry in entries:
        entry.record = run.outcomes.aliases.get(entry.record, entry.record)
    outcomes = [(entry, run.outcomes.by_seq[entry.seq]) for entry in entries] + rows.outcomes
    result.rows = [_row(entry, outcome, entry.seq) for entry, outcome in outcomes]
    return result


def read_again(client: Client, crossed: Iterable[tuple[str, str]]) -> Flow[None]:
    """Read records of which the mirror may show an earlier answer than the last. One GET each."""
    for name, id in sorted(crossed):
        known = resource(name)
        # What cannot be read now, the next sync shows.
        with suppress(RequestError):
            yield from client.noting(known, id, wire_records.get(known, id))


def _checked(records: Iterable[Model], upsert: bool, only: Fields) -> list[Model]:
    """The records that have something to send, every one of them valid."""
    for record in records:
        if record._origin.deleted:
            raise ValidationError(f"{record!r} was deleted and cannot be saved.")
        if record.id is None or record.changes():
            record.before_save()
    changed = [record for record in records if _is_changed(record, only)]
    new = [record for record in changed if record.id is None]
    merge_duplicates(new, label=lambda number: f"new {type(new[number]).__name__} {number}")
    for record in changed:
        if not (upsert and has_key(record._meta.resource, record._keys())):
            record.full_clean()
    return changed


def _is_changed(record: Model, only: Fields) -> bool:
    fields = only.get(id(record))
    return record.id is None or _names_a_new_one(record, fields) or bool(record._payload(fields))


def _names_a_new_one(record: Model, fields: tuple[str, ...] | None) -> bool:
    """Whether a reference was set to a record without an id: until that has one, what is sent is not known."""
    live = record._live or {}
    return any(
        isinstance(value, Model) and value.id is None and (fields is None or name in fields)
        for name, value in live.items()
    )


def _name(records: Iterable[Model]) -> dict[int, Model]:
    """Give new records temporary ids, and return them.

    A child names its unsaved parent by this id, in the outbox and until the parent has a real one.
    """
    new = {id(record): record for record in records if record.id is None}
    for record in new.values():
        record._came = {**record._wire, "_id": f"{TEMPORARY}{uuid.uuid4().hex}"}
    return new


def _unname(records: Iterable[Model]) -> None:
    """Take the temporary ids off those records that got no other."""
    for record in records:
        if str(record._came.get("_id", "")).startswith(TEMPORARY):
            record._came = {wire: value for wire, value in record._wire.items() if wire != "_id"}


def _take_over(settled: Sequence[tuple[Model, Raw, EntryOutcome]]) -> None:
    """Clean records of what was acknowledged."""
    stored = [(record, patch, outcome) for record, patch, outcome in settled if outcome.status in STORED]
    for record, _, outcome in stored:
        # All ids before the values: a child's reference is saved when it is its parent's real id.
        record._came = {**record._wire, "_id": outcome.id or record.id}
    for record, patch, outcome in stored:
        record._saved({**(outcome.read or {}), "_id": record.id}, patch)
    for record, _, outcome in settled:
        if outcome.status == "deleted":
            record._origin = record._origin.alone(deleted=True)


def _row(held: Model | OutboxEntry, outcome: EntryOutcome, seq: int) -> RowResult:
    return RowResult(held, outcome.status, outcome.error, outcome.conflicts, seq)
