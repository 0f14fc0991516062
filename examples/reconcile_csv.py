"""Bring Planhat's companies in line with a CRM export. Shows the plan, applies it, and shows that nothing is left.

    python reconcile_csv.py accounts.csv --apply

Without a file it makes one of what Planhat holds, with a few differences, so that there is something to see.
"""

from __future__ import annotations

import argparse
import csv
from itertools import islice
from pathlib import Path

from planhat_orm import Company, Custom, Planhat, PlanhatError


class Account(Company):
    """A company with the custom fields that the CRM knows."""

    tier = Custom("Tier", str, choices=("A", "B", "C"))
    seats = Custom("Seats", int)


MAPPING = {
    "Account ID": "source_id",
    "Account Name": "name",
    "Billing City": ("city", str.strip),
    "Tier": "tier",
    "Licensed Users": "seats",
}


def make_export(path: Path) -> None:
    """Write a small export: ten accounts, of which some differ from what Planhat holds, and a new one."""
    accounts = Account.objects.filter(source_id__isnull=False).only("source_id", "name", "city", "tier", "seats")
    with path.open("w", newline="", encoding="utf-8") as file:
        rows = csv.writer(file)
        rows.writerow(MAPPING)
        for number, item in enumerate(islice(accounts.iterator(), 10)):
            name = f"{item.name} Group" if number == 2 else item.name
            tier = "A" if number % 4 == 0 else item.tier
            rows.writerow([item.source_id, name, f" {item.city} ", tier, item.seats])
        rows.writerow(["crm-example-1", "Tidewater Ltd", "Lund", "B", 40])


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("file", nargs="?", type=Path, help="a CSV file with the columns of MAPPING")
    parser.add_argument("--apply", action="store_true", help="send the plan")
    options = parser.parse_args()

    with Planhat(scan="allow") as planhat:
        try:
            path = options.file or Path("accounts.csv")
            if options.file is None:
                make_export(path)
            plan = Account.objects.reconcile(path, key="source_id", mapping=MAPPING)
            print(plan)
            if not options.apply:
                print("Nothing was sent. --apply sends it.")
                return 0
            print(plan.apply())
            again = Account.objects.reconcile(path, key="source_id", mapping=MAPPING)
            print(f"Now: {again.summary()}. {planhat.calls} requests in all.")
        except PlanhatError as error:
            print(error)
            return 1
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
