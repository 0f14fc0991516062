"""Tickets on their way in: sent with `title` and `sourceId`, kept as conversations with `subject` and `externalId`."""

from __future__ import annotations

from typing import Any

from . import incoming
from .operations import read_body
from .refusal import Refusal, SilentDrop
from .rules.people import company_of_domain
from .store import Store
from .tables import Record

_RENAMED = {"title": "subject", "sourceId": "externalId", "createdAt": "createDate", "updatedAt": "updateDate"}
_NOT_KEPT = ("type", "companyExternalId", "domains", "name", "agentEmail")


def read_ticket(store: Store, item: Any, old: Record | None, *, trial: bool) -> Record:
    """Return the changes that a ticket item makes to the conversation it is kept as.

    An item without email is dropped without a word; a new one finds its company by id, external id,
    domains, or the contact's own. On trial an unknown contact is not made.
    """
    if not isinstance(item, dict):
        raise Refusal("Expected an object")
    if not item.get("email"):
        raise SilentDrop
    sent = read_body(store, "ticket", item, old)
    changes = {_RENAMED.get(key, key): value for key, value in sent.items() if key not in _NOT_KEPT}
    if changes.get("description") is not None:
        changes["snippet"] = incoming.plain(changes["description"])
    if "companyId" not in changes and (old is None or {"companyExternalId", "domains"} & item.keys()):
        company = _company(store, item)
        if company is None and old is None:
            raise Refusal("domains or companyExternalId required")
        if company is not None:
            changes["companyId"] = company["_id"]
    if old is None and not changes.get("externalId") and store.switches.enforce_required != "none":
        raise Refusal("sourceId required")
    if old is None or old.get("email") != item["email"]:
        company_id = changes.get("companyId") or (old or {}).get("companyId")
        changes["endusers"] = _requester(store, item, None if trial else company_id)
    return changes


def _company(store: Store, item: Record) -> Record | None:
    companies = store.table("company")
    if item.get("companyExternalId"):
        company = companies.first("externalId", item["companyExternalId"])
        if company is not None:
            return company
    domains = item.get("domains") or []
    for domain in domains if isinstance(domains, list) else [domains]:
        company = companies.first("domains", str(domain).lower())
        if company is not None:
            return company
    person = store.table("enduser").first("email", item["email"])
    if person is not None and person.get("companyId"):
        return companies.get(person["companyId"])
    return company_of_domain(store, item["email"])


def _requester(store: Store, item: Record, company_id: str | None) -> list[Record]:
    person = store.table("enduser").first("email", item["email"])
    if person is None and company_id and store.switches.ticket_creates_enduser:
        first, _, last = str(item.get("name") or "").partition(" ")
        names = {"firstName": first, "lastName": last} if first else {}
        person = store.create("enduser", {"email": item["email"], "companyId": company_id, **names})
    return [{"id": person["_id"], "name": person.get("name")}] if person else []
