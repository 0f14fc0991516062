"""Company figures and status, computed from licences, sales and the line items of won deals."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import timedelta
from typing import TYPE_CHECKING, Any

from ..defaults import change_stamps
from ..tables import Record, Table
from ..times import day_number, full_months, iso, tidy

if TYPE_CHECKING:
    from ..store import Store

_SILENT = frozenset(("renewalDaysFromNow", "lastUpdated", "updatedAt"))


def complete(store: Store, record: Record, old: Record | None, sent: Record) -> None:
    """Keep the log of phase and score, and the place in the company tree."""
    if "phase" in sent and (old is None or old.get("phase") != sent["phase"]):
        record["phaseSince"] = sent.get("phaseSince", store.moments.iso())
    score = sent.get("csmScore")
    if score is not None and old is not None and old.get("csmScore") != score:
        record["csmScoreLog"] = [*(old.get("csmScoreLog") or []), {"score": score, "time": store.moments.iso()}]
    record.setdefault("orgPath", record["_id"])
    record.setdefault("orgRootId", record["_id"])


def settle(store: Store, ids: Iterable[str], *, silent: bool = False) -> None:
    """Recompute the figures of companies whose revenue changed, and stamp those that became different."""
    table = store.table("company")
    now = store.moments.iso()
    found = {id: figures(store, id, now) for id in ids if id in table}
    _add_groups(table, found)
    for id, computed in found.items():
        old = table.row(id).record
        table.forget(id)
        new = {**old, **computed}
        different = {key for key in new if key not in old or new[key] != old[key]}
        if not different:
            continue
        if store.switches.computed_bumps_stamp and not silent and different - _SILENT:
            new.update(dict.fromkeys(change_stamps("company"), now))
        table.replace(new)


def _add_groups(table: Table, found: dict[str, Record]) -> None:
    """Put the figures of groups over those of their companies: of each company the sums of it and all below it."""
    roots = {table.row(id).record.get("orgRootId") for id in found}
    for group in (table.having("orgRootId", root) for root in roots if root is not None):
        paths = {id: str(table.row(id).record.get("orgPath")).split(",") for id in group if len(group) > 1}
        now = {id: {**table.row(id).record, **found.get(id, {})} for id in paths}
        for id in paths:
            inside = [now[other] for other, path in paths.items() if id in path or other == id]
            sums = {name: _total(inside, own) for name, own in _GROUP_SUMS.items()}
            found[id] = {**found.get(id, {}), **sums}


_GROUP_SUMS = {"orgMrr": "mrr", "orgArr": "arr", "orgMrrTotal": "mrrTotal", "orgArrTotal": "arrTotal"}


def figures(store: Store, id: str, now: str) -> Record:
    """Return the computed fields of a company.

    A licence counts while it runs, also when it is marked lost and runs out (the company is canceled then).
    """
    terms = [*_records(store, "license", id), *_won_line_items(store, id)]
    sales = [sale for sale in _records(store, "sale", id) if (sale.get("salesDate") or "9") <= now]
    dated = [term for term in terms if term.get("fromDate")]
    started = [term for term in dated if term["fromDate"] <= now]
    running = [term for term in started if is_running(term, now)]
    kept = [term for term in running if term.get("renewalStatus", term.get("status")) != "lost"]
    recent = iso(store.moments.now() - timedelta(days=30))
    mrr = _total(running, "mrr")
    nrr30 = tidy(sum(sale.get("value") or 0 for sale in sales if sale["salesDate"] > recent))
    mrr_total = tidy(sum((term.get("mrr") or 0) * full_months(term["fromDate"], _end(term, now)) for term in started))
    nrr_total = _total(sales, "value")
    renewals = sorted(date for term in kept if (date := term.get("renewalDate") or term.get("toDate")))
    ends = [term.get("toDate") or "" for term in started]
    renewal_mrr = tidy(sum(_renewal(term, "renewalMrr", "mrr") for term in kept))
    return {
        "status": _status(dated, running, kept, now),
        "mrr": mrr,
        "arr": tidy(mrr * 12),
        "nrr30": nrr30,
        "mr": tidy(mrr + nrr30),
        "mrrTotal": mrr_total,
        "arrTotal": mrr_total,
        "nrrTotal": nrr_total,
        "mrTotal": tidy(mrr_total + nrr_total),
        "orgMrr": mrr,
        "orgArr": tidy(mrr * 12),
        "orgMrrTotal": mrr_total,
        "orgArrTotal": mrr_total,
        "renewalMrr": renewal_mrr,
        "renewalArr": tidy(renewal_mrr * 12),
        "renewalDate": renewals[0] if renewals else None,
        "renewalDaysFromNow": day_number(renewals[0]) - day_number(now) if renewals else None,
        "autoRenews": any(term.get("autoRenews") for term in kept) if kept else None,
        "customerFrom": min((term["fromDate"] for term in started), default=None),
        "customerTo": max(ends) if ends and all(ends) else None,
        "lastRenewal": max((term["fromDate"] for term in started), default=None),
        "products": list(dict.fromkeys(name for term in running if (name := _product(term)))),
    }


def is_running(term: Record, now: str) -> bool:
    """Tell whether a started licence or line item has not ended."""
    end = term.get("toDate")
    if not end:
        return True
    return bool(end[:10] >= now[:10] if term.get("toDateIncluded") else end > now)


def embedded(store: Store, record: Record) -> Record:
    """Return the licences and sales of a company as its full record embeds them."""
    now = store.moments.iso()
    return {
        "licenses": [_embedded_license(term, now) for term in _records(store, "license", record["_id"])],
        "sales": [
            {**_picked(sale, ("_id", "product", "value", "salesDate")), "_currency": _currency(sale)}
            for sale in _records(store, "sale", record["_id"])
        ],
    }


def _embedded_license(term: Record, now: str) -> Record:
    start = term.get("fromDate")
    lost = term.get("renewalStatus") == "lost"
    if not start or start > now:
        status = "coming"
    elif is_running(term, now):
        status = "canceled" if lost else "active"
    else:
        status = "lost" if lost else "ended"
    names = ("_id", "externalId", "product", "value", "mrr", "arr", "fromDate", "toDate", "renewalDate", "fixedPeriod")
    picked = _picked(term, (*names, "renewalStatus", "autoRenews", "length"))
    return {**picked, "status": status, "_currency": _currency(term)}


def _status(dated: list[Record], running: list[Record], kept: list[Record], now: str) -> str:
    if kept:
        return "customer"
    if running:
        return "canceled"
    if any(term["fromDate"] > now for term in dated):
        return "coming"
    return "lost" if dated else "prospect"


def _records(store: Store, name: str, company_id: str) -> list[Record]:
    table = store.table(name)
    return [table.row(id).record for id in table.having("companyId", company_id)]


def _won_line_items(store: Store, company_id: str) -> list[Record]:
    deals = store.table("deal")
    items = _records(store, "line_item", company_id)
    return [
        item
        for item in items
        if item.get("productType") != "fee" and (deals.get(item.get("dealId", "")) or {}).get("stage") == "Closed Won"
    ]


def _total(records: list[Record], key: str) -> float:
    return tidy(sum(record.get(key) or 0 for record in records))


def _end(term: Record, now: str) -> str:
    return min(term.get("toDate") or now, now)


def _renewal(term: Record, key: str, other: str) -> float:
    value = term.get(key)
    return (term.get(other) or 0) if value is None else value


def _product(term: Record) -> Any:
    return term.get("product") or term.get("productName")


def _currency(record: Record) -> Record:
    code = record.get("_currency")
    return {"_id": code, "symbol": code, "rate": 1, "isBase": code == "EUR", "overrides": {}}


def _picked(record: Record, names: Iterable[str]) -> Record:
    return {name: record[name] for name in names if name in record}
