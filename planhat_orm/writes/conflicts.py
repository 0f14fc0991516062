"""Conflicts: what to do when the server's record moved since it was read.

Each changed field has three values: the base (what was read), mine, and theirs (what the server holds now).
Fields that only one side changed merge; a field that both changed is a conflict. The API has no conditional
write, so the check is a read just before the write: it narrows the window, it cannot close it.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from ..errors import ConflictError
from ..fields import CustomFields
from ..http.effects import Flow
from ..models.base import Model
from ..models.conflict import Conflict, conflict_of, wire_value
from ..models.results import Policy
from ..runtime import Source
from ..wire.patches import Merge, Raw, base_of, three_way
from ..wire.references import unexpanded
from . import server_state


def known_base(record: Model, payload: Raw) -> Raw:
    """What the server said of the fields of a payload; those that were never read are left out."""
    read = {wire: value for wire, value in payload.items() if not record._meta.by_wire[wire]._unasked(record)}
    came = {wire: record._came.get(wire) for wire in read}
    return base_of(unexpanded(record._meta.resource, came), read)


def settle(
    records: Sequence[Model], policy: Policy, source: Source, only: Mapping[int, Any] | None = None
) -> Flow[list[Conflict]]:
    """Compare changed records with the server's, merge what can be merged, and settle the rest by `policy`.

    Costs one list with only the changed fields, or a GET each, whichever is fewer. `only` limits records (by
    `id()`) to some of their fields. Raises `ConflictError` with every conflict in `.conflicts`, before
    anything is sent, where the policy is `"raise"` or a record is gone.
    """
    found: list[Conflict] = []
    merges: list[tuple[Model, Raw, Raw, Merge]] = []
    groups: dict[str, list[tuple[Model, Raw]]] = {}
    for record in records:
        payload = record._payload((only or {}).get(id(record))) if record.id is not None else {}
        if payload:
            groups.setdefault(record._meta.resource.name, []).append((record, payload))
    gone = False
    for name, group in groups.items():
        wires = {wire for _, payload in group for wire in payload}
        rows = yield from server_state.current(source, name, {str(record.id) for record, _ in group}, wires)
        for record, payload in group:
            remote = rows.get(str(record.id))
            if remote is None:
                gone = True
                found.append(Conflict(record, "", None, None, None))
                continue
            merge = three_way(known_base(record, payload), payload, remote)
            found += [conflict_of(record, clash, type(record)) for clash in merge.clashes]
            merges.append((record, payload, remote, merge))
    if found and (policy == "raise" or gone):
        touched = {id(conflict.object) for conflict in found}
        raise ConflictError(
            f"{len(found)} field{'s' if len(found) > 1 else ''} of {len(touched)} records "
            f"changed on the server too, or the records are gone: see .conflicts; nothing was sent.",
            conflicts=found,
        )
    for record, payload, remote, merge in merges:
        resolve(merge, policy, record, type(record))
        _take_over(record, payload, remote, merge.send)
    return found


def resolve(merge: Merge, policy: Policy, held: Any, model: type[Model] | None = None) -> None:
    """Decide a merge's clashes: ours are sent, theirs stay, a function says what to send."""
    for clash in merge.clashes:
        value = clash.mine
        if policy == "theirs":
            continue
        if callable(policy):
            value = wire_value(held, clash, policy(conflict_of(held, clash, model)), model)
            if value == clash.theirs:
                continue
        merge.put(clash.wire, clash.label, value)


def _take_over(record: Model, payload: Raw, remote: Raw, send: Raw) -> None:
    """Put their values under mine, so that only what is left to send counts as changed.

    A field that is not sent now and has an unsaved change keeps its base: it was not compared.
    """
    live: dict[str, Any] = {}
    labels = dict(send.get("custom", {}))
    for name, value in (record._live or {}).items():
        declared = record._meta.fields[name]
        if declared.wire in send and not isinstance(declared, CustomFields):
            mine = send[declared.wire]
            live[name] = value if mine == payload[declared.wire] else declared.kind.load(mine)
    unsent = record._unsent(payload)
    wire = record._with_bases({**record._wire, **remote}, unsent)
    labels.update(unsent.pop("custom", {}))
    if labels:
        live["custom"] = labels
    record._rebase(wire, {**unsent, **live})
