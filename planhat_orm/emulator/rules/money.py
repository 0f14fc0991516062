"""Licences, deals, line items, products, opportunities and invoices: amounts that follow from each other."""

from __future__ import annotations

from datetime import date
from typing import TYPE_CHECKING

from ..tables import Record
from ..times import add_months, day_number, day_start, length_in_months, tidy

if TYPE_CHECKING:
    from ..store import Store

_AMOUNTS = ("value", "mrr", "arr")
_FROM_PRODUCT = (
    "mrr", "value", "currency", "fixedPeriod", "autoRenews", "length", "renewalMrr", "renewalPeriod", "noticePeriod",
    "noticeUnit",
)  # fmt: skip


def complete_license(store: Store, record: Record, old: Record | None, sent: Record) -> None:
    """Derive length, value, mrr, arr and renewal of a licence from each other."""
    start, end = record.get("fromDate"), record.get("toDate")
    if record.get("fixedPeriod") is None:
        record["fixedPeriod"] = bool(end)
    months = length_in_months(start, end, included=bool(record.get("toDateIncluded"))) if start and end else 0
    if start and end:
        record["length"] = months
    basis = _basis(record, old, sent, fixed=bool(months))
    if basis:
        _spread(record, basis, months)
    if end:
        record["renewalDate"] = end
        if record.get("renewalPeriod") is None and months:
            record["renewalPeriod"], record["renewalUnit"] = round(months), record.get("renewalUnit") or "month"
    elif "toDate" in record:
        record["renewalDate"] = None
    for renewal, amount in (("renewalMrr", "mrr"), ("renewalArr", "arr")):
        follows = old is None or old.get(renewal) == old.get(amount)
        if renewal not in sent and follows and record.get(amount) is not None:
            record[renewal] = record[amount]
    _date_license(store, record)


def complete_line_item(store: Store, record: Record, old: Record | None, sent: Record) -> None:
    """Take what is missing from the product and the deal, then derive the amounts."""
    deal = store.table("deal").get(record.get("dealId") or "")
    if deal is not None and deal.get("companyId"):
        record["companyId"] = deal["companyId"]
    product = store.table("product").get(record.get("productId") or "")
    if product is not None:
        record["productName"] = product.get("name")
        if record.get("productType") is None:
            record["productType"] = product.get("type")
        amounts_sent = any(record.get(key) is not None for key in _AMOUNTS)
        for key in _FROM_PRODUCT:
            if record.get(key) is None and product.get(key) is not None and not (key in _AMOUNTS and amounts_sent):
                record[key] = product[key]
    fixed = record.get("fixedPeriod") is not False
    if fixed and record.get("length") and record.get("fromDate") and not record.get("toDate"):
        end = add_months(date.fromisoformat(record["fromDate"][:10]), round(record["length"]))
        record["toDate"] = day_start(end)
    months: float = 0
    if record.get("fromDate") and record.get("toDate"):
        months = record["length"] = length_in_months(record["fromDate"], record["toDate"], included=False)
    if record.get("productType") != "fee":
        basis = _basis(record, old, sent, fixed=bool(months))
        if basis:
            _spread(record, basis, months)


def complete_deal(store: Store, record: Record, old: Record | None, sent: Record) -> None:
    """Let the line items decide the amounts and the period, once there are any."""
    start, end = period_keys(store)
    items = store.table("line_item")
    held = [items.row(id).record for id in items.having("dealId", record["_id"])]
    if not held:
        if record.get("mrr") is not None:
            record["arr"] = tidy(record["mrr"] * 12)
        return
    subscriptions = [item for item in held if item.get("productType") != "fee"]
    record["mrr"] = tidy(sum(item.get("mrr") or 0 for item in subscriptions))
    record["arr"] = tidy(record["mrr"] * 12)
    record["fees"] = tidy(sum(item.get("value") or 0 for item in held if item.get("productType") == "fee"))
    record["total"] = tidy(sum(item.get("value") or item.get("arr") or 0 for item in held))
    record["subscriptionCount"] = len(subscriptions)
    ends = [item.get("toDate") for item in subscriptions]
    record[start] = min((item["fromDate"] for item in subscriptions if item.get("fromDate")), default=None)
    record[end] = max((end for end in ends if end), default=None)
    record["renewalDate"] = min((end for end in ends if end), default=None)


def period_keys(store: Store) -> tuple[str, str]:
    """Return how this tenant calls the period of a deal."""
    return ("startDate", "endDate") if store.switches.deal_period == "startDate" else ("fromDate", "toDate")


def complete_product(store: Store, record: Record, old: Record | None, sent: Record) -> None:
    """Derive the yearly amounts of a product."""
    for yearly, monthly in (("arr", "mrr"), ("renewalArr", "renewalMrr")):
        if record.get(monthly) is not None:
            record[yearly] = tidy(record[monthly] * 12)


def complete_opportunity(store: Store, record: Record, old: Record | None, sent: Record) -> None:
    """Date the landing and the winning of an opportunity, and keep the log of its stages."""
    record.pop("recurringValue", None)
    now = store.moments.iso()
    if old is None and record.get("landingDate") is None:
        record["landingDate"] = now
    won_now = record.get("status") == "won" and (old is None or old.get("status") != "won")
    if won_now and sent.get("closeDate") is None:
        record["closeDate"] = now
    if "salesStage" in sent and old is not None and old.get("salesStage") != sent["salesStage"]:
        record["stageHistory"] = [*(old.get("stageHistory") or []), {"stage": sent["salesStage"], "time": now}]


def complete_invoice(store: Store, record: Record, old: Record | None, sent: Record) -> None:
    """Number a new invoice, never with a number that was used, and say what is open."""
    if record.get("invoiceNo") is None:
        store.invoice_number += 1
        record["invoiceNo"] = store.invoice_number
    total = record.get("amountTotal")
    if total is not None:
        record["amountPaid"] = total if record.get("status") == "paid" else 0
        record["amountDue"] = tidy(total - record["amountPaid"])


def after_revenue(store: Store, record: Record | None, old: Record | None) -> None:
    """Have the companies of a changed licence, sale or deal computed anew."""
    for held in (record, old):
        if held and held.get("companyId"):
            store.dirty.add(held["companyId"])


def after_line_item(store: Store, record: Record | None, old: Record | None) -> None:
    """Roll a line item up to its deal and company."""
    after_revenue(store, record, old)
    for id in dict.fromkeys(held.get("dealId") for held in (record, old) if held):
        deal = store.table("deal").get(id or "")
        if deal is not None:
            store.change("deal", deal, {})


def new_day(store: Store) -> None:
    """Recompute what depends on the date, silently as Planhat does over night."""
    table = store.table("license")
    for old in list(table):
        record = dict(old)
        _date_license(store, record)
        if record != old:
            table.replace(record)
        after_revenue(store, record, None)
    for sale in store.table("sale"):
        after_revenue(store, sale, None)


def _date_license(store: Store, record: Record) -> None:
    renewal = record.get("renewalDate")
    days = day_number(renewal) - store.moments.day() if renewal else None
    if renewal or "renewalDaysFromNow" in record:
        record["renewalDaysFromNow"] = days
    record["isOverdue"] = days is not None and days < 0 and record.get("renewalStatus") == "ongoing"


def _basis(record: Record, old: Record | None, sent: Record, *, fixed: bool) -> str | None:
    """The amount that the others follow: the one just sent, else the one that the kind of period keeps."""
    preferred = ("value", "mrr", "arr") if fixed else ("mrr", "arr", "value")
    for key in preferred:
        if sent.get(key) is not None and (old is None or old.get(key) != sent[key]):
            return key
    # What was imported may be text; there is nothing to work out from that.
    return next((key for key in preferred if isinstance(record.get(key), (int, float))), None)


def _spread(record: Record, basis: str, months: float) -> None:
    amount = record[basis]
    mrr = {"mrr": amount, "arr": amount / 12, "value": amount / (months or 12)}[basis]
    if basis != "mrr":
        record["mrr"] = tidy(mrr)
    if basis != "arr":
        record["arr"] = tidy(mrr * 12)
    if basis != "value" and months:
        record["value"] = tidy(mrr * months)
