"""Endusers find their company by email domain; NPS answers find their enduser by email."""

from __future__ import annotations

import hashlib
from typing import TYPE_CHECKING

from ..refusal import Refusal, SilentDrop
from ..tables import Record

if TYPE_CHECKING:
    from ..store import Store


def complete_enduser(store: Store, record: Record, old: Record | None, sent: Record) -> None:
    """Compose the name, hash the email, and assign the company that owns the email's domain."""
    if not record.get("companyId") and (old is None or {"companyId", "email"} & sent.keys()):
        _assign_company(store, record)
    if old is None or {"firstName", "lastName"} & sent.keys():
        name = " ".join(part for part in (record.get("firstName"), record.get("lastName")) if part)
        if name or "name" not in record:
            record["name"] = name or str(record.get("email") or "").split("@")[0]
    email = record.get("email")
    if email and (old is None or old.get("email") != email):
        record["emailMd5"] = hashlib.md5(email.strip().lower().encode(), usedforsecurity=False).hexdigest()


def company_of_domain(store: Store, email: str | None) -> Record | None:
    """Return the company whose `domains` has the domain of an email."""
    domain = str(email or "").rpartition("@")[2].lower()
    return store.table("company").first("domains", domain) if domain else None


def complete_nps(store: Store, record: Record, old: Record | None, sent: Record) -> None:
    """Match an answer to its contact by email, and class the score."""
    if record.get("email") and (old is None or "email" in sent):
        person = store.table("enduser").first("email", record["email"])
        if person is not None:
            record["euId"] = person["_id"]
            if not record.get("cId"):
                record["cId"] = person.get("companyId")
    score = record.get("score")
    if score is not None:
        record["scoreType"] = "promoter" if score >= 9 else "passive" if score >= 7 else "detractor"


def _assign_company(store: Store, record: Record) -> None:
    company = company_of_domain(store, record.get("email"))
    if company is not None:
        record["companyId"], record["companyName"] = company["_id"], company.get("name")
    elif store.switches.enduser_no_domain_match == "error":
        raise Refusal("No company matches the email domain")
    elif store.switches.enduser_no_domain_match == "drop":
        raise SilentDrop
