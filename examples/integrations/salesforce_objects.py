"""Salesforce's accounts, contacts and opportunities become companies, contacts and opportunities of Planhat.

    python examples/integrations/salesforce_objects.py

Run again, it sends nothing. The three lines to change: EXPORTS (the CSV files of a Bulk API 2.0 query job, or of a
report), PHASES (Salesforce's types of accounts as phases of yours), and OWNER (what Planhat owns: Salesforce sets it on
new companies only, and what differs later is printed as rows for Salesforce).
"""

from __future__ import annotations

import csv
from pathlib import Path
from typing import Any

from planhat_orm import Company, Enduser, Opportunity, Planhat, PlanhatError

EXPORTS = Path(__file__).parent / "exports"
PHASES = {"Customer": "Onboarding", "Prospect": "Sales"}
OWNER = {"phase": "planhat"}

# Children name their account by Salesforce's id, and owners are named by their emails: both are looked up.
COMPANY = {"Id": "source_id", "Name": "name", "Owner.Email": "owner__email", "Website": "web", "Type": "phase"}
CONTACT = {
    "Id": "source_id", "AccountId": "company__source_id", "Email": "email", "FirstName": "first_name",
    "LastName": "last_name", "Title": "position",
}  # fmt: skip
OPPORTUNITY = {
    "Id": "external_id", "AccountId": "company__source_id", "Name": "title", "StageName": "sales_stage",
    "Amount": "nrr", "CurrencyIsoCode": "currency", "CloseDate": "landing_date", "status": "status",
}  # fmt: skip


def rows(name: str) -> list[dict[str, Any]]:
    """The rows of one object's file."""
    with (EXPORTS / f"salesforce_{name}.csv").open(encoding="utf-8-sig", newline="") as file:
        return list(csv.DictReader(file))


def accounts() -> list[dict[str, Any]]:
    """Accounts with their phase in Planhat."""
    return [{**row, "Type": PHASES.get(row["Type"], row["Type"])} for row in rows("accounts")]


def opportunities() -> list[dict[str, Any]]:
    """Opportunities with their status in Planhat, which Salesforce says in two columns."""
    status = {("true", "true"): "won", ("true", "false"): "lost"}
    return [{**row, "status": status.get((row["IsClosed"], row["IsWon"]), "active")} for row in rows("opportunities")]


def main() -> int:
    with Planhat(scan="allow"):
        try:
            for model, table, key, mapping, owner in (
                (Company, accounts(), "source_id", COMPANY, OWNER),
                (Enduser, rows("contacts"), "source_id", CONTACT, {}),
                (Opportunity, opportunities(), "external_id", OPPORTUNITY, {}),
            ):
                plan = model.objects.reconcile(table, key=key, mapping=mapping, owner=owner)
                print(model.__name__, plan.summary())
                for problem in plan.unresolved:
                    print("  ", problem)
                for row in plan.outgoing:
                    print("   for Salesforce:", row)
                plan.apply()
        except (PlanhatError, OSError) as error:
            print(error)
            return 1
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
