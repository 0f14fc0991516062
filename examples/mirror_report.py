"""Print the renewals of the next days by owner, and the revenue of each phase, from the local copy.

    python mirror_report.py --offline

Without --offline it syncs first.
"""

from __future__ import annotations

import argparse
import os
from collections import defaultdict

from planhat_orm import Company, Count, License, Planhat, PlanhatError, Sum, User

DAYS = 90


def renewals() -> dict[str, list[License]]:
    """The licences that end soon, by the nickname of the company's owner."""
    soon = License.objects.filter(
        renewal_status="ongoing", renewal_days_from_now__range=(0, DAYS), company__status="customer"
    )
    found: dict[str, list[License]] = defaultdict(list)
    for licence in soon.order_by("renewal_date").prefetch_related("company__owner"):
        owner = licence.company.owner
        found[owner.nick_name if owner else "nobody"].append(licence)
    return found


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--offline", action="store_true", help="do not sync first")
    options = parser.parse_args()

    planhat = Planhat(mirror=os.environ.get("PLANHAT_MIRROR", "planhat.db"))
    with planhat:
        try:
            if not options.offline:
                planhat.sync(Company, License, User)
            synced = planhat.calls
            with planhat.offline():
                print(f"Renewals of the next {DAYS} days")
                for owner, licences in sorted(renewals().items()):
                    print(f"\n{owner}: {sum(licence.mrr or 0 for licence in licences):,.0f} a month")
                    for licence in licences:
                        company = licence.company.name
                        print(f"  {licence.renewal_date:%Y-%m-%d}  {licence.mrr:>6,.0f}  {company}, {licence.product}")
                print("\nCustomers by phase")
                customers = Company.objects.filter(status="customer")
                for row in customers.group_by("phase").aggregate(n=Count(), mrr=Sum("mrr")):
                    print(f"  {row['phase'] or 'none':<14} {row['n']:>5} {row['mrr'] or 0:>10,.0f}")
                status = planhat.mirror.status()
                print(f"\nAs of {status['company'].as_of}, {synced} requests to sync, {planhat.calls - synced} to ask")
        except PlanhatError as error:
            print(error)
            return 2
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
