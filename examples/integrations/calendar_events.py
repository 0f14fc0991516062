"""Events of a Google calendar become tasks of the kind "event", at the company whose domain an attendee's address has.

    python examples/integrations/calendar_events.py

Run again, it sends nothing; a cancelled event's task is deleted. The three lines to change: EVENTS (the answer of
events.list with singleEvents=true, and later with your syncToken), OWN (your own domain), and DOMAINS (those that
Planhat does not know).
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from planhat_orm import Company, Planhat, PlanhatError, Task

EVENTS = Path(__file__).parent / "exports" / "google_events.json"
OWN = "us.example"
DOMAINS: dict[str, str] = {}  # "acme.example": "id of the company"


def moment(when: Mapping[str, str]) -> datetime:
    """An event's start or end: a moment with its zone, or a whole day."""
    found = datetime.fromisoformat(when.get("dateTime") or when["date"])
    return found.astimezone(UTC) if found.tzinfo else found.replace(tzinfo=UTC)


def company_of(event: Mapping[str, Any], domains: Mapping[str, str]) -> str | None:
    """The company of the first attendee that is known by the domain."""
    addresses = (attendee.get("email", "").lower() for attendee in event.get("attendees", ()))
    parts = (address.rpartition("@")[2] for address in addresses)
    return next((domains[domain] for domain in parts if domain != OWN and domain in domains), None)


def tasks(events: list[dict[str, Any]], domains: Mapping[str, str]) -> Iterator[dict[str, Any]]:
    """The events with a customer, under Planhat's names. Meetings among yourselves are left out."""
    for event in events:
        company = company_of(event, domains)
        if event["status"] != "cancelled" and company is not None:
            yield {
                "source_id": event["id"],
                "main_type": "event",
                "company_id": company,
                "action": event.get("summary", "(no title)"),
                "start_time": moment(event["start"]),
                "end_time": moment(event["end"]),
            }


def main() -> int:
    events = json.loads(EVENTS.read_text("utf-8"))["items"]
    cancelled = [event["id"] for event in events if event["status"] == "cancelled"]
    with Planhat(scan="allow"):
        try:
            domains = {
                domain: company.id
                for company in Company.objects.only("domains")
                for domain in company.domains
                if company.id is not None
            }
            plan = Task.objects.reconcile(list(tasks(events, {**domains, **DOMAINS})), key="source_id")
            print(plan.summary())
            plan.apply()
            for task in Task.objects.filter(source_id__in=cancelled):
                task.delete()
        except (PlanhatError, OSError) as error:
            print(error)
            return 1
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
