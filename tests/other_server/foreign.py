"""Writes of somebody else, past the API: a colleague in the app, another integration."""

from __future__ import annotations

from tests.other_server import records
from tests.other_server.derived import derive
from tests.other_server.models import RESOURCES, Resource
from tests.other_server.store import Record
from tests.other_server.tenant import Tenant


def _resource(name: str) -> Resource:
    return RESOURCES["conversation" if name == "note" else name]


def write(tenant: Tenant, name: str, values: Record) -> Record:
    """As `put`, and the figures that follow from it."""
    record = put(tenant, name, values)
    records.settle(tenant)
    return record


def put(tenant: Tenant, name: str, values: Record) -> Record:
    """Update the record of `_id`, or make one. Any key is stored as it comes; what follows from it is filled in."""
    resource, rows = _resource(name), tenant.of(name)
    row = rows.get(values["_id"]) if values.get("_id") else None
    if name == "ticket" and row is None:
        return records.write(tenant, resource, values, None).record
    old = row.record if row else None
    start = {"_id": tenant.host.new_id(), **resource.fresh()} if old is None else old
    record = {**start, **values}
    if "custom" in values:
        record["custom"] = {**(start.get("custom") or {}), **(values["custom"] or {})}
    derive(tenant, resource, record, old, values)
    told = {key: value for key, value in values.items() if key != "custom"}
    record = {**records.stamped(tenant, resource, record, new=old is None), **told}
    if row is None:
        rows.insert(record)
    else:
        rows.replace(row, record)
    records.after(tenant, resource, record, old)
    return record


def delete(tenant: Tenant, name: str, record_id: str) -> None:
    records.delete(tenant, _resource(name), record_id)
    records.settle(tenant)
