"""One record at a time: find it, make it, change it, delete it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Literal

from tests.other_server import rules, tickets
from tests.other_server.cast import Refused
from tests.other_server.derived import done_now, figures
from tests.other_server.models import RESOURCES, Resource
from tests.other_server.store import Record, Row
from tests.other_server.tenant import Tenant

CREATED = ("createdAt", "createDate")
CHANGED = ("updatedAt", "lastUpdated", "updateDate")


@dataclass
class Written:
    """What a write did, and the row it did it to."""

    what: Literal["created", "updated", "unchanged"]
    row: Row

    @property
    def record(self) -> Record:
        return self.row.record or {}


def locate(tenant: Tenant, resource: Resource, text: str) -> Row:
    """Find the record that an id in a URL means; 404 where there is none."""
    prefix, _, key = text.partition("-")
    name = resource.forms.get(f"{prefix}-")
    rows = tenant.of(resource.name).find(name, key) if name else tenant.of(resource.name).find("_id", text)
    if resource.name == "conversation" and prefix == "srcid" and tenant.behaviour.conversation_srcid:
        rows = [row for row in tenant.of("conversation").find("externalId", key) if tickets.is_ticket(row.record)]
    if resource.name == "ticket":
        rows = [row for row in rows if tickets.is_ticket(row.record)]
    if not rows:
        raise Refused("Not found", 404)
    return rows[0]


def refuse_if_told(tenant: Tenant, resource: Resource, sent: Record) -> None:
    """Refuse a record, as it was sent, that a test wants refused."""
    for check in tenant.refusals.get(resource.name, ()):
        if message := check(sent):
            raise Refused(message)


def write(
    tenant: Tenant, resource: Resource, sent: Record, row: Row | None, *, bulk: bool = False, new_id: str | None = None
) -> Written:
    """Insert or update a record by the rules; raises Refused before anything is stored."""
    old = row.record if row else None
    record = prepared(tenant, resource, sent, row, bulk=bulk)
    if row is not None and old is not None:
        if record == old and not tenant.behaviour.touch_unchanged:
            return Written("unchanged", row)
        same = record == old
        tenant.of(resource.name).replace(row, stamped(tenant, resource, record, new=False))
        after(tenant, resource, row.record or {}, old)
        return Written("unchanged" if same else "updated", row)
    record = {"_id": new_id or tenant.host.new_id(), **record}
    if resource.name == "invoice":
        tenant.last_invoice += 1
        record["invoiceNo"] = tenant.last_invoice
    row = tenant.of(resource.name).insert(stamped(tenant, resource, record, new=True))
    after(tenant, resource, record, None)
    return Written("created", row)


def prepared(tenant: Tenant, resource: Resource, sent: Record, row: Row | None, *, bulk: bool = False) -> Record:
    """What would be stored; raises Refused."""
    old = row.record if row else None
    prepare = tickets.prepare if resource.name == "ticket" else rules.prepare
    record = prepare(tenant, resource, sent, old, bulk=bulk)
    rules.refuse_taken(tenant, RESOURCES["conversation"] if resource.name == "ticket" else resource, record, row)
    return record


def stamped(tenant: Tenant, resource: Resource, record: Record, *, new: bool) -> Record:
    """Set the stamps that the resource has, and count its version."""
    names = (*CHANGED, *(CREATED if new else ()))
    fields = RESOURCES["conversation"].fields if resource.name == "ticket" else resource.fields
    now = tenant.host.stamp()
    return {**record, **{name: now for name in names if name in fields}}


def after(tenant: Tenant, resource: Resource, record: Record, old: Record | None) -> None:
    """What a write leads to in other records."""
    if resource.name in ("license", "sale") and tenant.behaviour.computed:
        tenant.outdated |= {record.get("companyId"), (old or {}).get("companyId")} - {None}
    if resource.name == "task" and done_now(record, old):
        _converse(tenant, record)
    if resource.name == "timesheet":
        for entry_id in record.get("timeEntries") or ():
            if entry := tenant.of("time_entry").get(entry_id):
                link = {"timesheetId": record["_id"], "timesheetStatus": record.get("status")}
                tenant.of("time_entry").replace(entry, {**(entry.record or {}), **link})


def settle(tenant: Tenant) -> None:
    """Compute the figures of companies whose licences or sales changed; at the end of each request."""
    outdated, tenant.outdated = tenant.outdated, set()
    for company_id in outdated:
        row = tenant.of("company").get(company_id)
        if row and row.record:
            record = {**row.record, **figures(tenant, row.record)}
            tenant.of("company").replace(row, stamped(tenant, RESOURCES["company"], record, new=False))


def _converse(tenant: Tenant, task: Record) -> None:
    """Completing a task makes a conversation with the task's own `_id`."""
    names = {"action": "subject", "description": "description", "snippet": "snippet", "companyId": "companyId"}
    told = {there: task[here] for here, there in names.items() if here in task}
    record = {
        **RESOURCES["conversation"].fresh(),
        "_id": task["_id"],
        "date": task.get("dateDone"),
        "taskId": task["_id"],
        **told,
    }
    record.update({"type": task.get("type") or "note", "companyName": task.get("companyName")})
    tenant.of("conversation").insert(stamped(tenant, RESOURCES["conversation"], record, new=True))


def delete(tenant: Tenant, resource: Resource, text: str) -> tuple[Any, Record]:
    """Delete a record by its `_id`; the answer's body, and what was deleted."""
    rows = tenant.of(resource.name).find("_id", text)
    rows = [row for row in rows if resource.name != "ticket" or tickets.is_ticket(row.record)]
    if not rows:
        raise Refused("Not found", 404)
    record = rows[0].record or {}
    tenant.of(resource.name).replace(rows[0], None)
    after(tenant, resource, record, None)
    if resource.name == "company" and tenant.behaviour.delete_cascades:
        _cascade(tenant, text)
    return _delete_answer(tenant, resource, record), record


def _cascade(tenant: Tenant, company_id: str) -> None:
    for other in RESOURCES.values():
        if other.company in ("companyId", "cId"):
            for row in tenant.of(other.name).find(other.company, company_id):
                tenant.of(other.name).replace(row, None)


def _delete_answer(tenant: Tenant, resource: Resource, record: Record) -> Any:
    kind: str = tenant.behaviour.delete_answer
    if kind == "documented":
        kind = {"conversation": "document", "ticket": "empty", "timesheet": "empty"}.get(resource.name, "counts")
    return {"counts": {"n": 1, "ok": 1, "deletedCount": 1}, "document": record, "empty": None, "text": "OK"}[kind]
