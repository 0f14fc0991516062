"""What the server fills in and computes: names, snippets, figures, and what a write leads to elsewhere."""

from __future__ import annotations

import hashlib
import html
import re
from collections.abc import Callable
from typing import Any

from tests.other_server.cast import Refused
from tests.other_server.clock import iso, moment
from tests.other_server.models import Resource
from tests.other_server.store import Record
from tests.other_server.tenant import Tenant

DAY = 86_400
MONTH = 30.4375 * DAY
RESERVED = ("email", "chat", "call")
Old = Record | None


def derive(tenant: Tenant, resource: Resource, record: Record, old: Old, changes: Record) -> None:
    """Fill in what follows from the rest of a record, in place."""
    if resource.name in _RULES:
        _RULES[resource.name](tenant, record, old, changes)
    for key, name in (("companyId", "companyName"), ("cId", "cName")):
        if (name in resource.fields and key in changes) or (
            key in record and name not in record and name in resource.fields
        ):
            record[name] = tenant.company(record.get(key)).get("name")


def plain(text: Any) -> Any:
    """Text without tags, as snippets are."""
    return html.unescape(re.sub(r"<[^>]*>", "", text)) if isinstance(text, str) else text


def _company(tenant: Tenant, record: Record, old: Old, changes: Record) -> None:
    if "phase" in changes and changes["phase"] != (old or {}).get("phase"):
        record["phaseSince"] = tenant.host.stamp()


def _enduser(tenant: Tenant, record: Record, old: Old, changes: Record) -> None:
    record["name"] = " ".join(part for part in (record.get("firstName"), record.get("lastName")) if part) or record.get(
        "email"
    )
    if record.get("email"):
        record["emailMd5"] = hashlib.md5(str(record["email"]).encode("utf-8", "surrogatepass")).hexdigest()
    if not record.get("companyId") and "@" in str(record.get("email")):
        found = tenant.company_by_domain([str(record["email"]).rpartition("@")[2]])
        if found:
            record["companyId"] = found


def _conversation(tenant: Tenant, record: Record, old: Old, changes: Record) -> None:
    if old is None and record["type"] in RESERVED:
        record["type"] = "note"
    if old is None and record["type"] == "ticket" and not tenant.behaviour.tickets_by_conversations:
        record["type"] = "note"
    if "description" in changes and "snippet" not in changes:
        record["snippet"] = plain(changes["description"])
    record.setdefault("date", tenant.host.stamp())
    record["userIds"] = [user.get("id") or user.get("_id") for user in record.get("users") or ()]
    if record.get("date"):
        record["days"] = int((moment(record["date"]) or 0) // DAY)


def _task(tenant: Tenant, record: Record, old: Old, changes: Record) -> None:
    if "description" in changes:
        record["snippet"] = plain(changes["description"])
    if "ownerId" in changes and old is None:
        owner = tenant.of("user").get(record["ownerId"])
        record["ownerName"] = ((owner.record if owner else None) or {}).get("nickName")
    if done_now(record, old):
        record.update({"isArchived": True, "noteId": record["_id"]})
        record.setdefault("dateDone", tenant.host.stamp())


def done_now(record: Record, old: Old) -> bool:
    """Whether this write completes a task: a transition, not a creation as done."""
    return old is not None and record.get("status") == "Done" and old.get("status") != "Done" and not old.get("noteId")


def _license(tenant: Tenant, record: Record, old: Old, changes: Record) -> None:
    if not tenant.behaviour.computed:
        return
    start, end = moment(str(record.get("fromDate"))), moment(str(record.get("toDate")))
    if start is not None and end is not None and end > start:
        record["length"] = round((end - start) / MONTH)
        record["renewalDate"] = record["toDate"]
        record["renewalDaysFromNow"] = int((end - tenant.host.clock.now()) // DAY)
    length = record.get("length") or 0
    if "value" in changes and length:
        record["mrr"] = round(_number(record["value"]) / length, 2)
    elif "arr" in changes and "mrr" not in changes:
        record["mrr"] = round(_number(record["arr"]) / 12, 2)
    if record.get("mrr") is not None:
        record["arr"] = round(_number(record["mrr"]) * 12, 2)
    if length and "value" not in changes:
        record["value"] = round(_number(record.get("mrr")) * length, 2)


def _number(value: Any) -> float:
    return value if isinstance(value, int | float) else 0


def _opportunity(tenant: Tenant, record: Record, old: Old, changes: Record) -> None:
    record.pop("recurringValue", None)
    if old is None:
        record.setdefault("landingDate", tenant.host.stamp())
    if record.get("status") == "won" and (old or {}).get("status") != "won" and not changes.get("closeDate"):
        record["closeDate"] = tenant.host.stamp()


def _invoice(tenant: Tenant, record: Record, old: Old, changes: Record) -> None:
    total = _number(record.get("amountTotal"))
    record["amountPaid"] = total if record.get("status") == "paid" else 0
    record["amountDue"] = total - record["amountPaid"]


def _nps(tenant: Tenant, record: Record, old: Old, changes: Record) -> None:
    rows = tenant.of("enduser").find("email", record.get("email"))
    if rows and rows[0].record:
        record["euId"] = rows[0].record["_id"]
        record["cId"] = record.get("cId") or rows[0].record.get("companyId")
    if isinstance(score := record.get("score"), int | float):
        record["scoreType"] = "promoter" if score >= 9 else "passive" if score >= 7 else "detractor"


def _time_entry(tenant: Tenant, record: Record, old: Old, changes: Record) -> None:
    hours = record.get("hours")
    if isinstance(hours, int | float) and not 0.1 <= hours <= 24:
        raise Refused(f"Path `hours` ({hours}) must be between 0.1 and 24.", path="hours", value=hours)
    for total, rate in (("totalBilled", "billableRate"), ("totalCost", "costRate")):
        if isinstance(hours, int | float) and record.get(rate) is not None:
            record[total] = round(hours * _number(record[rate]), 2)


def _timesheet(tenant: Tenant, record: Record, old: Old, changes: Record) -> None:
    if record.get("status") == "approved" and (old or {}).get("status") != "approved":
        record.update({"approvedBy": record.get("assignedId"), "dateOfApproval": tenant.host.stamp()})


_RULES: dict[str, Callable[[Tenant, Record, Old, Record], None]] = {
    "company": _company, "enduser": _enduser, "conversation": _conversation, "task": _task, "license": _license,
    "opportunity": _opportunity, "invoice": _invoice, "nps": _nps, "time_entry": _time_entry, "timesheet": _timesheet,
}  # fmt: skip


def figures(tenant: Tenant, company: Record) -> Record:
    """Status and revenue of a company from its licences and sales."""
    now = tenant.host.clock.now()
    mine, sales = _of_company(tenant, "license", company), _of_company(tenant, "sale", company)
    spans = [(moment(str(r.get("fromDate"))) or 0, moment(str(r.get("toDate"))) or float("inf"), r) for r in mine]
    active = [r for start, end, r in spans if start <= now < end]
    mrr = sum(_number(r.get("mrr")) for r in active)
    recent = sum(
        _number(r.get("value")) for r in sales if now - 30 * DAY <= (moment(str(r.get("salesDate"))) or 0) <= now
    )
    ends = [end for start, end, _ in spans if start <= now < end < float("inf")]
    return {
        "status": _status(spans, active, now), "mrr": mrr, "arr": round(mrr * 12, 2), "nrr30": recent, "mr": mrr + recent,
        "licenses": mine, "sales": sales, "products": sorted({r["product"] for r in active if r.get("product")}),
        "nrrTotal": sum(_number(r.get("value")) for r in sales), "renewalDate": iso(min(ends)) if ends else None,
    }  # fmt: skip


def _of_company(tenant: Tenant, name: str, company: Record) -> list[Record]:
    return [row.record for row in tenant.of(name).find("companyId", company["_id"]) if row.record]


def _status(spans: list[tuple[float, float, Record]], active: list[Record], now: float) -> str:
    if not spans:
        return "prospect"
    if active:
        return "canceled" if all(r.get("renewalStatus") == "lost" for r in active) else "customer"
    return "coming" if any(start > now for start, _, _ in spans) else "lost"
