"""Intents: what an outbox is told of a record, and the temporary ids that records have until they have a real one."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from ..errors import PlanhatError
from ..http.effects import Flow
from ..models.base import Model
from ..runtime import TEMPORARY, WriteIntent
from ..wire.patches import renamed, texts
from .conflicts import known_base
from .outbox import OutboxStore, Raw, on_outbox


def intent_of(record: Model, payload: Raw, op: str, floor: str | None = None) -> WriteIntent:
    """A record's change: what is sent, and what the server said of that before, and of what is always sent."""
    known = record._meta.resource
    always = {wire: record._wire[wire] for wire in known.sent_always if wire in record._wire}
    return WriteIntent(op, known.name, record.id, payload, {**always, **known_base(record, payload)}, floor)


def deletion_of(record: Model) -> WriteIntent:
    """A record's deletion, with the keys that it gives up."""
    known = record._meta.resource
    return WriteIntent("delete", known.name, record.id, {}, known_base(record, dict.fromkeys(known.keys)))


def queue(outbox: OutboxStore, intents: Sequence[tuple[WriteIntent, Model]]) -> Flow[None]:
    """Write intents down for a later push; new records get a temporary id until then."""
    written = yield from on_outbox(outbox, outbox.record, [intent for intent, _ in intents], "pending")
    for (intent, record), (_, id) in zip(intents, written, strict=True):
        if intent.op == "delete":
            record._origin = record._origin.alone(deleted=True)
        else:
            record._saved({"_id": id}, intent.patch)


def take_ids(outbox: OutboxStore, records: Iterable[Model]) -> Flow[None]:
    """Give records that were created offline, and pushed since, their real ids, also where others name them."""
    named = [record for record in records if temporaries(record)]
    if not named:
        return
    wanted = {name for record in named for name in temporaries(record)}
    known = yield from on_outbox(outbox, outbox.aliases, wanted)
    for record in named:
        record._came = renamed(record._wire, known)
        if record._live:
            record._live = {
                name: known.get(value, value) if isinstance(value, str) else value
                for name, value in record._live.items()
            }


def temporaries(record: Model) -> list[str]:
    """The temporary ids that a record has, and names in what it would send."""
    return [text for text in [record.id or "", *texts(record._live or {})] if text.startswith(TEMPORARY)]


def refuse_temporaries(records: Iterable[Model]) -> None:
    """Raise `PlanhatError` for what was made offline in a mirror, where there is no mirror to push it from."""
    for record in records:
        if temporaries(record):
            raise PlanhatError(
                f"{record!r} was made offline, or refers to a record that was, and waits in a mirror's outbox: "
                f"use the client with that mirror, and push() it first."
            )
