"""What records of a company copy from it: its name, and the revenue behind an issue."""

from __future__ import annotations

from functools import cache
from typing import TYPE_CHECKING

from ...wire.resources import resource
from ..tables import Record
from ..times import tidy

if TYPE_CHECKING:
    from ..store import Store


def copy_company_name(store: Store, name: str, record: Record, old: Record | None) -> None:
    """Copy the name of the company when the reference is set; it grows stale when the company is renamed."""
    reference, copy = _copied(name)
    if not copy:
        return
    id = record.get(reference)
    if old is not None and old.get(reference) == id:
        return
    company = store.table("company").get(id) if id else None
    if company is not None:
        record[copy] = company.get("name")
    elif old is not None and copy in record:
        record[copy] = None


def complete_issue(store: Store, record: Record, old: Record | None, sent: Record) -> None:
    """Name the companies and contacts of an issue, and add up the companies' revenue."""
    if old is not None and not {"companyIds", "enduserIds"} & sent.keys():
        return
    store.settle("company")
    table = store.table("company")
    companies = [company for id in record.get("companyIds") or [] if (company := table.get(id))]
    record["companies"] = [{"_id": company["_id"], "name": company.get("name")} for company in companies]
    record["mrrCombined"] = tidy(sum(company["mrr"] for company in companies))
    record["arrCombined"] = tidy(sum(company["arr"] for company in companies))
    people = store.table("enduser")
    contacts = [person for id in record.get("enduserIds") or [] if (person := people.get(id))]
    record["endusers"] = [{"_id": person["_id"], "name": person.get("name")} for person in contacts]


@cache
def _copied(name: str) -> tuple[str, str]:
    fields = resource(name).fields
    if "cName" in fields:
        return "cId", "cName"
    return "companyId", "companyName" if {"companyId", "companyName"} <= fields.keys() else ""
