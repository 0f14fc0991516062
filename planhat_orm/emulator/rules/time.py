"""Time entries and timesheets: amounts from hours, and an approval that the entries follow."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ..refusal import Refusal
from ..tables import Record
from ..times import tidy

if TYPE_CHECKING:
    from ..store import Store


def complete_entry(store: Store, record: Record, old: Record | None, sent: Record) -> None:
    """Multiply hours by rates; refuse days longer than a day."""
    hours = record.get("hours")
    if hours is None:
        return
    if not 0.1 <= hours <= 24:
        raise Refusal("hours must be between 0.1 and 24")
    for total, rate in (("totalBilled", "billableRate"), ("totalCost", "costRate")):
        if record.get(rate) is not None:
            record[total] = tidy(hours * record[rate])


def complete_sheet(store: Store, record: Record, old: Record | None, sent: Record) -> None:
    """Keep the entries as a list of ids, and fill in the approval when the status turns to approved."""
    if "timeEntries" in sent:
        entries = [entry.get("_id") if isinstance(entry, dict) else entry for entry in sent["timeEntries"] or []]
        record["timeEntries"] = [id for id in entries if isinstance(id, str)]
    if record.get("status") == "approved" and (old is None or old.get("status") != "approved"):
        record["dateOfApproval"] = sent.get("dateOfApproval") or store.moments.iso()
        record["approvedBy"] = sent.get("approvedBy") or next(iter(store.table("user").ids()), None)


def after_sheet(store: Store, record: Record | None, old: Record | None) -> None:
    """Give the entries their sheet and its status; those taken out are drafts again."""
    kept = set(record["timeEntries"] or []) if record else set()
    table = store.table("time_entry")
    for id in (old or {}).get("timeEntries") or []:
        entry = table.get(id)
        if entry is not None and id not in kept:
            store.change("time_entry", entry, {"timesheetId": None, "timesheetStatus": "draft"})
    for id in kept:
        entry = table.get(id)
        if entry is not None and record:
            store.change("time_entry", entry, {"timesheetId": record["_id"], "timesheetStatus": record["status"]})
