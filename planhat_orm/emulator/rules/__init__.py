"""What Planhat does by itself when a record is made or changed: docs/reference/planhat-api.md section 10.

A resource with behaviour has a `complete` (derive fields of the record before it is stored) or an
`after` (consequences for other records), in the file of its kind. All of them run under the store's lock.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

from ..tables import Record
from . import companies, conversations, customers, money, people, time

if TYPE_CHECKING:
    from ..store import Store

Complete = Callable[["Store", Record, Record | None, Record], None]
After = Callable[["Store", Record | None, Record | None], None]

_COMPLETE: dict[str, Complete] = {
    "company": companies.complete,
    "license": money.complete_license,
    "line_item": money.complete_line_item,
    "deal": money.complete_deal,
    "product": money.complete_product,
    "opportunity": money.complete_opportunity,
    "invoice": money.complete_invoice,
    "enduser": people.complete_enduser,
    "nps": people.complete_nps,
    "conversation": conversations.complete_conversation,
    "note": conversations.complete_conversation,
    "ticket": conversations.complete_ticket,
    "task": conversations.complete_task,
    "issue": customers.complete_issue,
    "time_entry": time.complete_entry,
    "timesheet": time.complete_sheet,
}

_AFTER: dict[str, After] = {
    "license": money.after_revenue,
    "sale": money.after_revenue,
    "line_item": money.after_line_item,
    "deal": money.after_revenue,
    "task": conversations.after_task,
    "timesheet": time.after_sheet,
}

settle = companies.settle
new_day = money.new_day


def complete(store: Store, name: str, record: Record, old: Record | None, sent: Record) -> None:
    """Fill in what follows from `sent`, in place, before `record` is stored."""
    if "companyName" not in sent:
        customers.copy_company_name(store, name, record, old)
    rule = _COMPLETE.get(name)
    if rule is not None:
        rule(store, record, old, sent)


def after(store: Store, name: str, record: Record | None, old: Record | None) -> None:
    """Do what follows for other records; a deleted record is None, a new one has no `old`."""
    rule = _AFTER.get(name)
    if rule is not None:
        rule(store, record, old)
