"""One record: a POST, a PUT, a DELETE or a GET of its own, with an entry in the outbox around what writes."""

from __future__ import annotations

from ..errors import NotFound, PlanhatError, ValidationError
from ..http.effects import Flow
from ..models.base import Model
from ..models.results import BatchResult, Policy, RowResult, SaveResult
from ..runtime import TEMPORARY, WriteIntent
from ..wire import creating, records
from ..wire.failures import reason
from ..wire.keys import has_key, lookup_keys
from ..wire.newest import SeenIds
from ..wire.resources import Resource
from ..wire.values import dict_of
from .intents import deletion_of, intent_of, queue, temporaries
from .outbox import Raw, hold_keys, on_outbox
from .outcomes import is_lost
from .sender import Sender, read_again


def save(sender: Sender, record: Model, fields: tuple[str, ...] | None, policy: Policy | None) -> Flow[SaveResult]:
    """Send what changed of a record; offline, or where it has no real id yet, write it down."""
    if record.id is None or record.changes():
        record.before_save()
    op, known = "create" if record.id is None else "update", record._meta.resource
    if op not in known.operations and "bulk_upsert" not in known.operations:
        raise ValidationError(f"A {type(record).__name__} cannot be saved: {instead(known, op)}")
    if record.id is None:
        record.full_clean()
    yield from sender.prepare([record])
    yield from sender.compare([record], policy, {id(record): fields})
    payload = record._payload(fields)
    if record.id is not None and not payload:
        return SaveResult()
    names = field_names(record, payload)
    if op not in known.operations:
        status = yield from _save_as_row(sender, record, fields)
    elif sender.offline or temporaries(record):
        # What was made offline and not pushed yet has no id that Planhat knows: its changes wait with it.
        yield from queue(sender.outbox, [(intent_of(record, payload, op), record)])
        status = "queued"
    else:
        status = "created" if op == "create" else "updated"
        seen = sender.client.seen_ids
        intent = intent_of(record, payload, op, seen.greatest(known))
        yield from _carry(sender, intent, record, _write(record, payload, seen), status)
    return SaveResult(status == "created", status in ("updated", "unchanged"), names, status == "queued")


def _save_as_row(sender: Sender, record: Model, fields: tuple[str, ...] | None) -> Flow[str]:
    """A bulk upsert of one row, where the resource has nothing else. A new record's key must be free."""
    known = record._meta.resource
    if record.id is None and not sender.offline:
        yield from creating.refuse_taken(known, list(lookup_keys(known, record._payload(fields))))
    result = BatchResult()
    new = "create" if sender.offline else "upsert"
    outcomes = yield from result.count(sender.carry([record], {id(record): fields}, new=new))
    result.rows = list(outcomes.values())
    sender.notify(result.rows)
    result.raise_for_failures()
    return result.rows[0].status


def _write(record: Model, payload: Raw, seen: SeenIds) -> Flow[None]:
    """One POST or PUT."""
    known = record._meta.resource
    if record.id is None:
        answer = yield from creating.create(known, payload, seen, remember=False)
    else:
        answer = yield from records.update(known, record.id, payload)
    record._saved(answer, payload)


def delete(sender: Sender, record: Model) -> Flow[None]:
    """Delete a record; offline, or where it has no real id yet, write that down."""
    if record.id is None:
        raise PlanhatError(f"A {type(record).__name__} that was never saved cannot be deleted.")
    known = record._meta.resource
    if "delete" not in known.operations:
        raise ValidationError(f"A {type(record).__name__} cannot be deleted: {instead(known, 'delete')}")
    yield from sender.prepare([record])
    intent = deletion_of(record)
    if sender.offline or record.id.startswith(TEMPORARY):
        yield from queue(sender.outbox, [(intent, record)])
        return
    yield from _carry(sender, intent, record, records.delete(known, record.id), "deleted")
    record._origin = record._origin.alone(deleted=True)


def refresh(sender: Sender, record: Model, fields: tuple[str, ...] | None, discard: bool) -> Flow[None]:
    """Read a record again (offline: from the mirror), keeping its unsaved changes unless `discard`."""
    if record.id is None:
        raise PlanhatError(f"A {type(record).__name__} that was never saved cannot be read again.")
    known = record._meta.resource
    if not known.is_readable:
        raise ValidationError(f"A {type(record).__name__} cannot be refreshed: {instead(known, 'get_by_id')}")
    yield from sender.prepare([record])
    missing: NotFound | None = None
    answer = None
    if sender.offline or record.id.startswith(TEMPORARY):
        answer = yield from sender.client.source("mirror").get(known, "_id", record.id)
    else:
        try:
            answer = yield from sender.client.noting(known, record.id, records.get(known, record.id))
        except NotFound as gone:
            missing = gone
    if answer is None:
        request, response = (missing.request, missing.response) if missing is not None else (None, None)
        raise type(record).DoesNotExist(f"{record!r} is not there any more.", request=request, response=response)
    record._refreshed(dict_of(answer), fields, discard)


def _carry(sender: Sender, intent: WriteIntent, record: Model, flow: Flow[object], status: str) -> Flow[None]:
    """Do one write with an entry in the outbox around it, from before it travels until it is acknowledged.

    Where the answer is lost the entry stays `unknown`, for `push()` to find out; where the server refuses,
    it goes, and the mirror shows the server's values again.
    """
    outbox = sender.outbox.claim_session()
    try:
        ((seq, _),) = yield from on_outbox(outbox, outbox.record, [intent], "inflight")
        assert seq is not None, "an entry in hand is a new one"
        if intent.op == "create" and has_key(record._meta.resource, intent.patch):
            yield from hold_keys(outbox, [seq])
        try:
            yield from flow
        except PlanhatError as failure:
            text = reason(failure)
            if is_lost(failure):
                yield from on_outbox(outbox, outbox.mark, {seq: text}, "unknown")
            else:
                yield from on_outbox(outbox, outbox.cancel, [seq])
            sender.notify([RowResult(record, "unknown" if is_lost(failure) else "failed", text)])
            raise
        row = None if intent.op == "delete" else dict(record._wire)
        crossed = yield from on_outbox(outbox, outbox.acknowledge, [(seq, record.id, row)])
        if status == "created" and record.id is not None:
            creating.remember_made([record.id])
    finally:
        outbox.release()
    yield from read_again(sender.client, crossed)
    sender.notify([RowResult(record, status)])


def field_names(record: Model, payload: Raw) -> tuple[str, ...]:
    """The Python names of the fields that a payload sends."""
    meta = record._meta
    names = [meta.by_wire[wire].name for wire in payload if wire in meta.by_wire and wire != "custom"]
    for label in payload.get("custom") or ():
        names.append(meta.customs[label].name if label in meta.customs else "custom")
    return tuple(dict.fromkeys(names))


_INSTEAD = {
    ("ticket", "create"): "create tickets with planhat.ticket.bulk_upsert([...]).",
    ("ticket", "update"): "update tickets with planhat.ticket.bulk_upsert([...]).",
    ("ticket", "get_by_id"): "read one through planhat.conversation.get_by_id(...), as tickets are conversations.",
    ("custom_field", "bulk_upsert"): "create or update custom fields one by one.",
    ("metric", "create"): "send metrics with planhat.metrics.bulk_insert_metrics([...]).",
    ("user_activity", "create"): "send activities with planhat.user_activity.create_activity({...}).",
    ("workflow", "create"): "workflows can only be listed.",
}


def instead(resource: Resource, operation: str) -> str:
    """What to do instead of an operation that a resource does not have."""
    known = _INSTEAD.get((resource.name, operation))
    if known:
        return known
    has = ", ".join(sorted(resource.operations))
    return f"Planhat has no {operation} for /{resource.path}; there is {has}."
