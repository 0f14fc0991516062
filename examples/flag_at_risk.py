"""Flag customers whose renewal is near and whose health is low. A job for the night.

    python flag_at_risk.py --days 90 --health 3 --dry-run

Exits with 0 when all is done, 1 when Planhat refused some rows, 2 when the job could not finish.
"""

from __future__ import annotations

import argparse
import logging
import os

from planhat_orm import BulkError, Company, Custom, Planhat, PlanhatError, User

log = logging.getLogger("flag_at_risk")


class Account(Company):
    """A company with the custom field that this job keeps."""

    risk = Custom("Renewal risk", str, choices=("High", "Low"))


def flag(planhat: Planhat, days: int, health: int, dry_run: bool) -> None:
    """Set the risk of every customer whose renewal is due within so many days, and clear all others."""
    with planhat.batch(dry_run=dry_run) as batch:
        for account in Account.objects.using("mirror").filter(status="customer").prefetch_related("owner"):
            due = account.renewal_days_from_now is not None and account.renewal_days_from_now <= days
            account.risk = ("High" if (account.h or 0) <= health else "Low") if due else None
            if account.changes() and account.risk == "High":
                owner = account.owner.nick_name if account.owner else "nobody"
                log.info("%s (%s): renewal in %s days", account.name, owner, account.renewal_days_from_now)
            account.save()
        plan = batch.plan()
        log.info("%s%s", "Would " if dry_run else "", plan.summary())
    if not dry_run:
        log.info("%s", batch.result)


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--days", type=int, default=90, help="how near a renewal must be")
    parser.add_argument("--health", type=int, default=3, help="how low the health must be")
    parser.add_argument("--dry-run", action="store_true", help="only say what would be sent")
    options = parser.parse_args()
    logging.basicConfig(format="%(asctime)s %(message)s")
    log.setLevel(logging.INFO)

    with Planhat(mirror=os.environ.get("PLANHAT_MIRROR", "planhat.db")) as planhat:
        try:
            if not options.dry_run:
                planhat.push()  # what an earlier run left, if it was killed
            report = planhat.sync(Company, User)
            log.info("%d new, %d changed, in %d requests", report.new, report.changed, report.requests)
            flag(planhat, options.days, options.health, options.dry_run)
        except BulkError as error:
            for row in error.result:
                if not row.ok:
                    log.error("%s: %r", row.status, row.object)
            return 1
        except PlanhatError as error:
            log.error("%s", error)
            return 2
        log.info("%d requests in all", planhat.calls)
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
