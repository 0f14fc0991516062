"""Send many records: parents before children, as few bulk upserts as possible, an outcome for each.

What travels of a record is its difference and its key; what comes back clears only what was acknowledged.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from contextlib import suppress
from typing import Any

from ..errors import PlanhatError, RequestError, ValidationError
from ..http.effects import Flow, Sleep
from ..http.flows import counted
from ..models.base import Model
from ..wire import bulk, find_by_keys, records
from ..wire.aliases import apply_aliases
from ..wire.outcomes import STORED
from ..wire.resources import BULK_MAX_ROWS, Resource
from . import server_state
from .push import lost
from .results import BatchResult, RowResult

Journal = Callable[[list[Model], Mapping[int, Any], int], Flow[dict[int, RowResult]]]
"""Sends records through an outbox: given the records, the fields of each, and the chunk size."""
Settle = Callable[[list[Model], Mapping[int, Any]], Flow[Any]]
"""Compares records with the server's before they are sent: given the records, and the fields of each."""


class Sending:
    """One run over many records."""

    def __init__(
        self,
        items: Iterable[Model],
        *,
        chunk_size: int = BULK_MAX_ROWS,
        upsert: bool = False,
        only: Mapping[int, Any] | None = None,
        journal: Journal | None = None,
        settle: Settle | None = None,
    ) -> None:
        self.items = list({id(item): item for item in items}.values())
        self.chunk_size = chunk_size
        self.upsert = upsert
        self.only = only or {}  # id of a record -> the field names it was saved with, where given
        self.outcome: dict[int, RowResult] = {}
        self.journal = journal
        self.settle = settle

    def run(self) -> Flow[list[RowResult]]:
        """Send everything and return the outcomes. Raises `ValidationError` before the first request."""
        changed = self._check()
        if self.settle is not None and changed:
            yield from self.settle(changed, self.only)
            changed = self._changed(changed)
        if self.journal is not None and changed:
            self.outcome.update((yield from self.journal(changed, self.only, self.chunk_size)))
            changed = []
        while changed:
            pending = set(map(id, changed))
            ready = [record for record in changed if not self._waits_for(record, pending)]
            for record in [] if ready else changed:
                self._settle(record, "failed", "It refers in a circle to records that were never saved.")
            order = min((record._meta.resource.write_order for record in ready), default=0)
            wave = [record for record in ready if record._meta.resource.write_order == order]
            for resource in dict.fromkeys(record._meta.resource.name for record in wave):
                yield from self._send([record for record in wave if record._meta.resource.name == resource])
            changed = [record for record in changed if id(record) not in self.outcome]
        return [self.outcome[id(item)] for item in self.items]

    def _check(self) -> list[Model]:
        """The records that have something to send, every one of them valid."""
        for record in self.items:
            if record._origin.deleted:
                raise ValidationError(f"{record!r} was deleted and cannot be saved.")
            if record.id is None or record.changes():
                record.before_save()
        changed = self._changed(self.items)
        for record in changed:
            if not (self.upsert and _keyed(record)):
                record.full_clean()
        return changed

    def _changed(self, items: Iterable[Model]) -> list[Model]:
        """Those that have something to send; the others are unchanged."""
        changed = []
        for record in items:
            if record.id is not None and not record._payload(self.only.get(id(record))):
                self._settle(record, "unchanged")
            else:
                changed.append(record)
        return changed

    def _waits_for(self, record: Model, pending: set[int]) -> bool:
        """Whether a record refers to one that is still to be created here; it fails with that one."""
        for value in (record._live or {}).values():
            if not isinstance(value, Model) or value.id is not None:
                continue
            if id(value) in pending:
                return True
            outcome = self.outcome.get(id(value))
            if outcome is not None and not outcome.ok:
                self._settle(record, "failed", f"Not sent: the {type(value).__name__} it refers to was not created.")
        return id(record) in self.outcome

    def _send(self, wave: list[Model]) -> Flow[None]:
        resource = wave[0]._meta.resource
        rows, sent = [], []
        for record in wave:
            try:
                payload = record._payload(self.only.get(id(record)))
            except ValidationError as wrong:
                self._settle(record, "failed", str(wrong))
                continue
            rows.append({"_id": record.id, **payload} if record.id is not None else dict(payload))
            sent.append((record, payload))
        if "bulk_upsert" not in resource.operations:
            for record, payload in sent:
                yield from self._send_alone(resource, record, payload)
            return
        answer = yield from bulk.upsert(resource, rows, chunk_size=self.chunk_size)
        for (record, payload), row, outcome in zip(sent, rows, answer.outcomes, strict=True):
            status, error = server_state.outcome_of(resource, row, outcome)
            if status in STORED:
                record._saved({"_id": outcome.id} if outcome.id else {}, payload)
            self._settle(record, status, error)
        yield from self._learn_ids(resource, [record for record, _ in sent if record.id is None])

    def _learn_ids(self, resource: Resource, nameless: list[Model]) -> Flow[None]:
        """Find the ids of upserted records: an answer names those it found equal by nothing."""
        waiting = [record for record in nameless if self.outcome[id(record)].ok]
        # They are stored, whether or not their ids can be read now.
        with suppress(RequestError):
            found = yield from find_by_keys.find(resource, [record._wire for record in waiting])
            for record, row in zip(waiting, found, strict=True):
                if row is not None:
                    record._saved(apply_aliases(resource, row), {})

    def _send_alone(self, resource: Resource, record: Model, payload: dict[str, Any]) -> Flow[None]:
        created = record.id is None
        try:
            if created:
                answer = yield from records.create(resource, payload)
            else:
                answer = yield from records.update(resource, record.id, payload)
        except PlanhatError as failure:
            detail = getattr(failure, "detail", "")
            self._settle(record, "unknown" if lost(failure) else "failed", detail or str(failure))
        else:
            record._saved(apply_aliases(resource, answer), payload)
            self._settle(record, "created" if created else "updated")

    def _settle(self, record: Model, status: str, error: str = "") -> None:
        self.outcome[id(record)] = RowResult(record, status, error)


def send(items: Iterable[Model], **options: Any) -> Flow[BatchResult]:
    """Send what changed of `items` and return the outcome of each.

    With `upsert` a record without an id that carries a key need not have all that a new one needs: it may
    exist already. `only` limits records to some fields, `journal` carries them through an outbox, `settle`
    compares them with the server's first.
    """
    result = BatchResult()

    def count(requests: int) -> None:
        result.requests += requests

    result.rows = yield from counted(Sending(items, **options).run(), count)
    return result


def find_lost(rows: Sequence[RowResult], since: float) -> Flow[list[RowResult]]:
    """Look for records without a key whose create got no answer; return what is known of them now.

    What is `failed` in it was not stored, and may be sent again. `since` is when they were sent.
    """
    keyless = [row for row in rows if row.object.id is None and not _keyed(row.object)]
    settled: list[RowResult] = []
    for name in dict.fromkeys(row.object._meta.resource.name for row in keyless):
        mine = [row.object for row in keyless if row.object._meta.resource.name == name]
        settled += yield from _find_lost(mine[0]._meta.resource, mine, since)
    return settled


def _find_lost(resource: Resource, lost_ones: list[Model], since: float) -> Flow[list[RowResult]]:
    payloads = [record._payload() for record in lost_ones]
    found, doubtful = yield from server_state.look_for(resource, payloads, since, ())
    rest = since + server_state.QUIET - time.time()
    if len(found) + len(doubtful) < len(lost_ones) and rest > 0:
        # The server may still be working on it.
        yield Sleep(rest)
        found, doubtful = yield from server_state.look_for(resource, payloads, since, ())
    results = []
    for place, record in enumerate(lost_ones):
        if place in found:
            record._saved(found[place], payloads[place])
            results.append(RowResult(record, "created"))
        elif place in doubtful:
            results.append(RowResult(record, "unknown", "Other new records look like it, so it was not sent again."))
        else:
            results.append(RowResult(record, "failed", "It was not stored."))
    return results


def _keyed(record: Model) -> bool:
    return any(True for _ in records.keys_of(record._meta.resource, record._keys()))
