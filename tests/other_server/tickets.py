"""Tickets: written with names of their own, kept and read as conversations."""

from __future__ import annotations

from typing import Any

from tests.other_server import rules
from tests.other_server.cast import Refused
from tests.other_server.derived import plain
from tests.other_server.models import RESOURCES, Resource
from tests.other_server.store import Record
from tests.other_server.tenant import Tenant

READ_NAMES = {"title": "subject", "sourceId": "externalId", "description": "description"}
WRITTEN_ONLY = (
    "title",
    "sourceId",
    "type",
    "domains",
    "companyExternalId",
    "name",
    "agentEmail",
    "createdAt",
    "updatedAt",
)


def is_ticket(record: Record | None) -> bool:
    return (record or {}).get("type") == "ticket"


def ignored(tenant: Tenant, sent: Record) -> bool:
    """Whether a row vanishes without an error: it has no email."""
    return tenant.behaviour.ticket_needs_email and not sent.get("email")


def prepare(tenant: Tenant, resource: Resource, sent: Record, old: Record | None, *, bulk: bool = False) -> Record:
    """The conversation that a ticket becomes."""
    taken = rules.accepted(tenant, resource, sent, old)
    record = {**(RESOURCES["conversation"].fresh() if old is None else old), "type": "ticket", "subType": "ticket"}
    record.update({name: value for name, value in taken.items() if name not in WRITTEN_ONLY})
    record.update({READ_NAMES[name]: value for name, value in taken.items() if name in READ_NAMES})
    if "description" in taken:
        record["snippet"] = plain(taken["description"])
    if old is None:
        _require(taken)
        moments = {"date": taken.get("createdAt"), "inDate": taken.get("createdAt")}
        record.update({name: value or tenant.host.stamp() for name, value in moments.items()})
    _assign(tenant, record, sent)
    if record.get("status") and record.get("status") != (old or {}).get("status") and "history" not in taken:
        entry = {"status": record["status"], "time": tenant.host.stamp()}
        record["history"] = [*(record.get("history") or []), entry]
    return record


def _require(taken: Record) -> None:
    for name in ("sourceId", "email"):
        if not taken.get(name):
            raise Refused(f"ticket validation failed: {name}: Path `{name}` is required.", path=name)


def _assign(tenant: Tenant, record: Record, sent: Record) -> None:
    """Find the company by id, external id or domains, and the contact by email; an unknown contact is made."""
    external = sent.get("companyExternalId")
    if not record.get("companyId") and external:
        rows = tenant.of("company").find("externalId", external)
        record["companyId"] = (rows[0].record or {})["_id"] if rows else None
    domains = [*(sent.get("domains") or ()), str(sent.get("email", "")).rpartition("@")[2]]
    record["companyId"] = record.get("companyId") or tenant.company_by_domain([str(domain) for domain in domains])
    if not record["companyId"]:
        raise Refused("No company found for the ticket", path="companyId")
    record["companyName"] = tenant.company(record["companyId"]).get("name")
    if sent.get("email"):
        contact = _contact(tenant, str(sent["email"]), record["companyId"], sent.get("name"))
        record["endusers"] = [{"id": contact["_id"], "name": contact.get("name")}]


def _contact(tenant: Tenant, email: str, company_id: str, name: Any) -> Record:
    for row in tenant.of("enduser").find("email", email):
        if row.record:
            return row.record
    first, _, last = str(name or "").partition(" ")
    sent = {"email": email, "companyId": company_id, "firstName": first or None, "lastName": last or None}
    record = rules.prepare(tenant, RESOURCES["enduser"], sent, None)
    return tenant.of("enduser").insert({"_id": tenant.host.new_id(), **record}).record or {}
