"""Zendesk's tickets become Planhat's tickets, at their companies, and follow their status.

    python examples/integrations/zendesk_tickets.py

Run again, it sends nothing. The three lines to change: PAGES (read them from /api/v2/incremental/tickets/cursor.json
with include=users,organizations, from the stored cursor on, while `end_of_stream` is false), SITE, and CURSOR (the file
that says where the next run begins).
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from planhat_orm import Planhat, PlanhatError, Ticket

PAGES = sorted((Path(__file__).parent / "exports").glob("zendesk_tickets_*.json"))
SITE = "https://acme.zendesk.com"
CURSOR = Path("zendesk.cursor")


def tickets() -> tuple[dict[str, dict[str, Any]], str]:
    """The tickets of all pages by their ids, the latest state of each, and the cursor after them."""
    latest: dict[str, dict[str, Any]] = {}
    cursor = ""
    for path in PAGES:
        page = json.loads(path.read_text("utf-8"))
        users = {user["id"]: user for user in page["users"]}
        organizations = {item["id"]: item for item in page["organizations"]}
        for ticket in page["tickets"]:
            requester = users.get(ticket["requester_id"], {})
            organization = organizations.get(ticket["organization_id"], {})
            latest[str(ticket["id"])] = {**ticket, "requester": requester, "organization": organization}
        cursor = page["after_cursor"]
    return latest, cursor


def rows(latest: dict[str, dict[str, Any]]) -> Iterator[dict[str, Any]]:
    """Tickets under Planhat's names, without those that Planhat drops: they have no requester's email."""
    for key, ticket in latest.items():
        if ticket["status"] == "deleted" or not ticket["requester"].get("email"):
            continue
        row = {
            "source_id": key,
            "source": "Zendesk",
            "url": f"{SITE}/agent/tickets/{key}",
            "email": ticket["requester"]["email"],
            "title": ticket["subject"],
            "description": ticket["description"],
            "status": "closed" if ticket["status"] == "solved" else ticket["status"],
            "severity": ticket["priority"] or "normal",
            "tags": ticket["tags"],
        }
        if ticket["organization"].get("external_id"):
            row["company_external_id"] = ticket["organization"]["external_id"]
        else:  # the company whose domain the requester's email has
            row["domains"] = [ticket["requester"]["email"].partition("@")[2]]
        yield row


def main() -> int:
    with Planhat(scan="allow") as planhat:
        try:
            latest, cursor = tickets()
            # Where the company is found is no field of a ticket that can be compared.
            known = Ticket.objects.using(planhat).filter(source_id__in=list(latest))
            held = {ticket.source_id: ticket for ticket in known}
            changed = [row for row in rows(latest) if differs(held.get(row["source_id"]), row)]
            print(Ticket.objects.bulk_upsert(changed))
            for key, ticket in latest.items():
                if ticket["status"] == "deleted" and key in held:
                    held[key].delete()
            CURSOR.write_text(cursor, "utf-8")
        except (PlanhatError, OSError) as error:
            print(error)
            return 1
    return 0


def differs(ticket: Ticket | None, row: dict[str, Any]) -> bool:
    """Whether a ticket is missing, or a field of it is not as the row has it."""
    compared = ("title", "status", "severity", "tags")
    return ticket is None or any(getattr(ticket, name) != row[name] for name in compared)


if __name__ == "__main__":
    raise SystemExit(main())
